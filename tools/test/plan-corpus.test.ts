/** A sample of the corpus of plans: see tools/plan-corpus.ts, which compares all of it. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type CorpusHashes, corpusFile, corpusNames, partOf, partsOf } from '../corpus.ts'

const expected: CorpusHashes = JSON.parse(readFileSync(corpusFile, 'utf8'))

test.each(corpusNames)('plans are the same bits as ever: %s', (name) => {
  expect(expected[name]).toHaveLength(partsOf(name))
  const message =
    'Where other plans are meant: npx tsx --conditions=net2net-source tools/plan-corpus.ts --write'
  expect(partOf(name, 0).hash, message).toBe(expected[name]![0])
})
