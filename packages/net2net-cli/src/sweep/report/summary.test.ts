import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MadeArm, madeRecord } from '../../../testing/record.ts'
import { summarize } from '../analysis/analysis.ts'
import type { SweepRecord } from '../analysis/findings.ts'
import { formatResults, parseResults, resultsCsv } from '../analysis/results-file.ts'
import { SweepFolder } from '../trial/sweep-folder.ts'
import { sweepHtml } from './report.ts'
import { summaryFiles } from './summary.ts'
import { holdsSweep, readSweepRecord, writeSweepSummary } from './write-report.ts'

const arms: readonly MadeArm[] = [
  {
    arm: 'teacher',
    losses: [
      [3, 0.2, 0.1],
      [3, 0.25, 0.11],
      [3, 0.2, 0.12],
    ],
  },
  { arm: 'wider', from: 'teacher', losses: [[0.1, 1 / 30], [0.11, 1 / 29], undefined] },
  { arm: 'a, "b" noise=0.1', losses: [[3, 0.9], [3, 0.8], undefined] },
]
const record = madeRecord(arms, {
  compare: [['wider', 'a, "b" noise=0.1']],
  target: 0.05,
})
const third = record.plan.trials.find(({ id }) => id === 'wider-2')!
const partial: SweepRecord = {
  ...record,
  failures: new Map([[third.id, { id: third.id, kind: 'input', message: 'no such file' }]]),
}

describe('the file of results', () => {
  test('says again what the sweep said, to 7 digits', () => {
    const text = formatResults(partial)
    const read = parseResults(text, 'results.json')
    expect(read.plan).toEqual(partial.plan)
    expect(read.failures).toEqual(partial.failures)
    expect([...read.results.keys()]).toEqual([...partial.results.keys()])
    expect(read.results.get('wider-0')!.outcome.curve[1]).toEqual({
      step: 10,
      epoch: 0,
      valLoss: 0.03333333,
      valAccuracy: 0.9,
    })
    expect(read.results.get('teacher-1')).toEqual(partial.results.get('teacher-1'))
    expect(formatResults(read)).toBe(text)
    const sentences = (of: SweepRecord) =>
      summarize(of).experiments.flatMap(({ comparisons }) => comparisons.map((c) => c.sentence))
    expect(sentences(read)).toEqual(sentences(partial))
  })

  test('that is none is refused', () => {
    for (const text of ['', '[]', 'null', '{"format":2,"trials":[],"experiments":[]}'])
      expect(() => parseResults(text, 'x.json')).toThrow(/x\.json holds no results of a sweep/)
  })

  test('as CSV has a row for every finished arm and seed', () => {
    const rows = parse(resultsCsv(partial), { columns: true }) as Record<string, string>[]
    expect(rows).toHaveLength(partial.results.size)
    const row = rows.find(({ arm, seed }) => arm === 'a, "b" noise=0.1' && seed === '1')
    expect(row).toMatchObject({ lossAtStart: '3', finalLoss: '0.8', processorSeconds: '1' })
  })
})

describe('the summary', () => {
  test('is the same from the same results, and from itself', async () => {
    const files = await summaryFiles(partial, { answers: 'Sooner.' })
    expect([...files.keys()].sort()).toEqual([
      'README.md',
      'made.svg',
      'results.csv',
      'results.json',
    ])
    expect(await summaryFiles(partial, { answers: 'Sooner.' })).toEqual(files)
    const again = parseResults(files.get('results.json')!, 'results.json')
    expect(await summaryFiles(again, { answers: 'Sooner.' })).toEqual(files)
  })

  test('says how much is done, where, what failed, and what the data say; answers come first', async () => {
    const text = (await summaryFiles(partial, { answers: '## Answers\n\nSooner.\n' })).get(
      'README.md',
    )!
    expect(text).toContain('7 of 9 trials finished, 1 failed.')
    expect(text).toContain(
      '7 of them on a machine with 2 cores, linux-x64, a runtime 1.0, Node v20.0.0',
    ) // prettier-ignore
    expect(text).toContain('- made/wider, seed 2: no such file')
    expect(text).toContain(
      '**What the data say.** Of 1 comparison of final losses, 1 supports a claim.',
    ) // prettier-ignore
    expect(text).toContain('| wider | 2 of 3 |')
    expect(text.indexOf('Sooner.')).toBeLessThan(text.indexOf('# The figures'))
    expect(text).toMatch(/!\[Validation loss of every arm of made[^\]]*\]\(made\.svg\)/)
    expect(text).toContain('### Until a validation loss of 0.05')
  })

  test('of nothing yet says so', async () => {
    const files = await summaryFiles({ ...record, results: new Map() })
    const text = files.get('README.md')!
    expect(text).toContain('0 of 9 trials finished.')
    expect(text).toContain('None of its trials has finished yet.')
    const only = new Map([...record.results].filter(([id]) => id === 'wider-0'))
    expect((await summaryFiles({ ...record, results: only })).get('README.md')).toContain(
      'Nothing yet: no seed has finished both arms of a comparison.',
    )
    expect([...files.keys()]).not.toContain('made.svg')
  })

  test('has plots that need nothing else, in light and dark, with bands over seeds', async () => {
    const svg = (await summaryFiles(partial)).get('made.svg')!
    expect(svg).toMatch(/^<svg role="img" aria-label="Validation loss of every arm of made/)
    expect(svg).not.toMatch(/<script|<image|href=|url\(|@import/)
    expect(svg).toContain('prefers-color-scheme:dark')
    const used = new Set([...svg.matchAll(/var\((--[\w-]+)\)/g)].map(([, name]) => name!))
    expect(used).toContain('--series-2')
    for (const name of used) expect(svg.split(`${name}:`)).toHaveLength(3)
    // A legend of three arms, and an area and a line each.
    for (const { arm } of arms) expect(svg).toContain(`>${arm}</text>`)
    expect(svg.match(/mark-area/g)).toHaveLength(3)
  })

  test('aligns the arms at growth: the teacher ends where its students start', async () => {
    const svg = (await summaryFiles(partial)).get('made.svg')!
    const growth = Number(/layer_0_marks"[^>]*><line transform="translate\(([\d.]+)/.exec(svg)?.[1])
    const ends = [
      ...svg.matchAll(/mark-line[^>]*><path d="M([\d.]+),(?:[^"]*L)?([\d.]+),[^"]*"/g),
    ].map(([, first, last]) => [Number(first), Number(last)])
    expect(growth).toBeGreaterThan(0)
    const [[, teacherEnd], [studentStart]] = ends as [number[], number[]]
    expect([teacherEnd, studentStart]).toEqual([growth, growth])
  })

  test('shares its plot with the report', async () => {
    const html = await sweepHtml(partial)
    expect(html.match(/<figure class="chart">/g)).toHaveLength(1)
    expect(html).not.toMatch(/<script|<link|<img|url\(/i)
    expect(html.match(/mark-area/g)).toHaveLength(3)
  })
})

describe('the folder of a summary', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'net2net-summary-'))
  })
  afterAll(() => rm(directory, { recursive: true }))

  test('is made of a sweep folder, and can be reported and made again like one', async () => {
    const sweep = SweepFolder.create(join(directory, 'sweep'))
    await sweep.savePlan(record.plan, '')
    for (const result of record.results.values()) await sweep.saveResult(result)
    const output = join(directory, 'summary')
    expect(holdsSweep(output)).toBe(false)
    const { files, summary } = await writeSweepSummary(sweep.path, output)
    expect(summary).toMatchObject({ finished: 7, trials: 9 })
    expect(files.map((file) => file.slice(output.length + 1)).sort()).toEqual(
      (await readdir(output)).sort(),
    )
    expect(holdsSweep(output)).toBe(true)
    // A single run's figures are called the same.
    const run = await mkdtemp(join(directory, 'run-'))
    await writeFile(join(run, 'results.json'), '{"seed":0,"arms":[]}')
    expect(holdsSweep(run)).toBe(false)
    const readme = await readFile(join(output, 'README.md'), 'utf8')
    await writeFile(join(output, 'answers.md'), 'By hand.')
    await writeSweepSummary(output, output, { force: true })
    expect(await readFile(join(output, 'README.md'), 'utf8')).toBe(
      readme.replace('\n\n# The figures', '\n\nBy hand.\n\n# The figures'),
    )
    // Another sweep file finds those of its trials that are there.
    const wanted = { ...record.plan, name: 'other', trials: record.plan.trials.slice(0, 4) }
    for (const folder of [sweep.path, output])
      expect(summarize(await readSweepRecord(folder, wanted))).toMatchObject({
        name: 'other',
        finished: 4,
        trials: 4,
      })
  })
})
