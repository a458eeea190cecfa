/** The study that is committed: its summary is that of its sweep file, and says what its figures say. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parseResults } from '../src/sweep/analysis/results-file.ts'
import { readSweep } from '../src/sweep/file/sweep-plan.ts'
import { summaryFiles } from '../src/sweep/report/summary.ts'
import { trialId } from '../src/sweep/trial/trial-id.ts'

const file = (name: string) =>
  fileURLToPath(new URL(`../../../docs/study/${name}`, import.meta.url))
const text = (name: string) => readFileSync(file(name), 'utf8')
const plan = readSweep(text('sweep.yaml'), 'sweep.yaml')

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
