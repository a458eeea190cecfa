/** The study that is committed: its trials keep their identities, its summary is what its figures say. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { readSweep, trialId } from '../src/experiments/sweep/node/sweep-plan.ts'
import { parseResults } from '../src/experiments/sweep/results-file.ts'
import { summaryFiles } from '../src/experiments/sweep/summary.ts'

const file = (name: string) => fileURLToPath(new URL(`../docs/study/${name}`, import.meta.url))
const text = (name: string) => readFileSync(file(name), 'utf8')
const plan = await readSweep(text('sweep.yaml'), 'sweep.yaml')

test('the trials of the study keep their identities, so that what is finished stays so', () => {
  expect(plan.trials).toHaveLength(255)
  expect(plan.trials[0]!.id).toBe('t60bfa57525b48794')
  const all = plan.trials.map(({ id }) => id).join('\n')
  expect(createHash('sha256').update(all).digest('hex')).toBe(
    '3cdc64e9dbd8238db2b7ef6f8bb7b4b7bb459a751a94e48fc1d3c6d85ff52611',
  )
})

describe.skipIf(!existsSync(file('results.json')))('the summary of the study', () => {
  test('is that of its sweep file', () => {
    const results = parseResults(text('results.json'), 'results.json')
    expect(results.plan).toEqual(plan)
    for (const [id, result] of results.results) expect(trialId(result.spec)).toBe(id)
  })

  test('says what its figures say', async () => {
    const answers = existsSync(file('answers.md')) ? { answers: text('answers.md') } : {}
    const files = await summaryFiles(parseResults(text('results.json'), 'results.json'), answers)
    for (const [name, content] of files) expect(text(name)).toBe(content)
  })
})
