/**
 * Does it pay to begin shallow? A transformer over characters that grows from one layer to eight by repeated blocks while its rate is
 * constant, against one of eight layers from the start, at the same compute, both with a rate that decays to zero at the end. Writes
 * docs/study/depth-by-growth.md, .json and .svg. What is done is kept in the folder: killed at any time, it goes on from there. Started
 * twice it trains two networks at a time.
 * Usage: npm run docs:depth -- [--scale trial|small|full] [--seeds N] [--folder FOLDER] [--report]
 * `--report` trains nothing and writes the report of the seeds that are finished.
 */
import { mkdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadData } from 'net2net/data'
import { type Arm, arms, batchSize, shape } from './depth-study/arms.ts'
import type { ChosenRate, Run } from './depth-study/figures.ts'
import { transformer } from './depth-study/network.ts'
import { writeReport } from './depth-study/report.ts'
import { describeText, textFolders } from './depth-study/text.ts'
import { type Data, type Job, known, type Outcome, trainAny } from './depth-study/training.ts'

/** `compute`: multiply-adds of one training. */
const scales = {
  /** Shows in minutes that everything works, and nothing else. */
  trial: { compute: 5e10, seeds: 2 },
  small: { compute: 4e12, seeds: 5 },
  /** About four hours of two cores. */
  full: { compute: 16e12, seeds: 12 },
} as const
/** Of the compute, for each learning rate that is tried, with a seed of its own. */
const tryShare = 0.25
const firstRates = [0.001, 0.002, 0.004]

const { values } = parseArgs({
  options: {
    scale: { type: 'string', default: 'small' },
    seeds: { type: 'string' },
    folder: { type: 'string', default: 'runs/depth' },
    report: { type: 'boolean', default: false },
  },
})
const scale = values.scale as keyof typeof scales
if (!(scale in scales)) throw new Error(`There is no scale ${scale}.`)
const { compute } = scales[scale]
const seeds = Number(values.seeds ?? scales[scale].seeds)
const folder = join(values.folder, scale)
mkdirSync(folder, { recursive: true })

const texts = textFolders(join(values.folder, 'text'), batchSize * shape.length)
const text = describeText(texts.test)
const { vocabulary } = text
const model = transformer({ ...shape, vocabulary, depth: 1 }, 0)
const [first, second] = await Promise.all(
  [texts.validation, texts.test].map((path) => loadData(path, { model, text: 'characters' })),
)
const data: Data = {
  vocabulary,
  train: first!.train,
  validation: first!.test!,
  test: second!.test!,
}

const pause = 5000

/** What came of all jobs, in their order. Those that no process trains are trained here; with `--report` they are left out. */
async function outcomesOf(jobs: readonly Job[]): Promise<readonly (Outcome | undefined)[]> {
  if (!values.report)
    while (jobs.some((job) => !known(job, folder)))
      if (!(await trainAny(jobs, data, folder))) await setTimeout(pause)
  return jobs.map((job) => known(job, folder))
}

/** The rate with the lowest validation loss of three, and of more where the best one lies at an end. */
async function chosenRate(arm: Arm): Promise<ChosenRate> {
  const losses = new Map<number, number>()
  const attempt = async (rates: readonly number[]) => {
    const outcomes = await outcomesOf(rates.map((rate) => attemptOf(arm, rate)))
    for (const [i, rate] of rates.entries())
      losses.set(rate, outcomes[i]?.ends[0]?.loss ?? Number.POSITIVE_INFINITY)
  }
  await attempt(firstRates)
  for (;;) {
    const rates = [...losses.keys()].sort((a, b) => a - b)
    const best = rates.reduce((a, b) => (losses.get(b)! < losses.get(a)! ? b : a))
    const next = best === rates[0] ? best / 2 : best === rates.at(-1) ? best * 2 : undefined
    if (next === undefined || !Number.isFinite(losses.get(best)!))
      return {
        kind: arm.kind,
        rate: best,
        tried: rates
          .map((rate) => [rate, losses.get(rate)!] as const)
          .filter(([, loss]) => Number.isFinite(loss)),
      }
    await attempt([next])
  }
}

const attemptOf = (arm: Arm, rate: number): Job => ({
  arm: { ...arm, ends: [1] },
  seed: 0,
  rate,
  compute: tryShare * compute,
  measuredOn: 'validation',
})

const firstOfKinds = arms.filter(
  ({ kind }, i) => arms.findIndex((other) => other.kind === kind) === i,
)
await outcomesOf(firstOfKinds.flatMap((arm) => firstRates.map((rate) => attemptOf(arm, rate))))
const rates: ChosenRate[] = []
for (const arm of firstOfKinds) rates.push(await chosenRate(arm))

// What the study is about comes first, with all seeds.
const [full, gradual, ...controls] = arms
const jobs = [[full, gradual], controls].flatMap((some) =>
  Array.from({ length: seeds }, (_, i) =>
    some.map((arm): Job => {
      const { rate } = rates.find(({ kind }) => kind === arm.kind)!
      return { arm, seed: i + 1, rate, compute, measuredOn: 'test' }
    }),
  ).flat(),
)
const processor = cpus()[0]?.model ?? ''
const runs: Run[] = []
if (!values.report) while (await trainAny(jobs, data, folder));
for (const job of jobs) {
  const outcome = known(job, folder)
  if (outcome) runs.push({ arm: job.arm.name, seed: job.seed, ...outcome })
}
await writeReport({ scale, compute, rates, text, processor, runs }, seeds)
