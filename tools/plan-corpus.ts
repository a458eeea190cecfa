/**
 * Compares the plans of some 3,000 networks with hashes that are stored: a change of the growth core that is meant to keep its
 * results must keep packages/net2net/test/plan-corpus.json. (A test compares 51 of them.)
 *
 *   npx tsx --conditions=net2net-source tools/plan-corpus.ts           compares, exits with 1 on a difference
 *   npx tsx --conditions=net2net-source tools/plan-corpus.ts --write   writes the hashes
 *   npx tsx --conditions=net2net-source tools/plan-corpus.ts --details FILE   also writes one line per network, to find the first that differs
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { type CorpusHashes, corpusFile, corpusNames, partOf, partsOf } from './corpus.ts'

const detailsAt = process.argv.indexOf('--details')
const lines: string[] = []
const found: CorpusHashes = Object.fromEntries(
  corpusNames.map((name) => {
    const parts = Array.from({ length: partsOf(name) }, (_, i) => partOf(name, i))
    const networks = parts.flatMap((part) => part.networks).sort((a, b) => a.seed - b.seed)
    lines.push(...networks.map(({ seed, hash }) => `${name} ${seed} ${hash}`))
    return [name, parts.map(({ hash }) => hash)]
  }),
)
if (detailsAt > 0) writeFileSync(process.argv[detailsAt + 1]!, `${lines.join('\n')}\n`)
if (process.argv.includes('--write'))
  writeFileSync(corpusFile, `${JSON.stringify(found, null, 2)}\n`)
else {
  const expected: CorpusHashes = JSON.parse(readFileSync(corpusFile, 'utf8'))
  for (const [name, hashes] of Object.entries(found)) {
    const differs = hashes.flatMap((hash, i) => (hash === expected[name]?.[i] ? [] : [i]))
    const parts = `other plans in the parts ${differs.join(', ')} of ${hashes.length}`
    console.log(`${name}: ${differs.length === 0 ? 'the same' : parts}`)
    if (differs.length > 0) process.exitCode = 1
  }
}
