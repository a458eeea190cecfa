/**
 * Does it pay to begin shallow? A transformer over characters that grows from one layer to eight by repeated blocks while its rate is
 * constant, against one of eight layers from the start, at the same compute, both with a rate that decays to zero at the end. Writes
 * docs/study/depth-by-growth.md, .json and .svg, after each seed. What is done is kept in the folder: killed at any time, it goes on from
 * there. Usage: npm run docs:depth -- [--scale trial|small|full] [--seeds N] [--folder FOLDER] [--report]
 * `--report` writes the report of what is finished and trains nothing.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadData } from 'net2net/data'
import { type Arm, arms, batchSize, shape } from './depth-study/arms.ts'
import type { ChosenRate, Run, Study } from './depth-study/figures.ts'
import { transformer } from './depth-study/network.ts'
import { writeReport } from './depth-study/report.ts'
import { describeText, textFolders } from './depth-study/text.ts'
import { type Data, type Job, nameOf, type Outcome, trained } from './depth-study/training.ts'

/** `compute`: multiply-adds of one training. */
const scales = {
  /** Shows in minutes that everything works, and nothing else. */
  trial: { compute: 5e10, seeds: 2 },
  small: { compute: 5e12, seeds: 5 },
  /** About four hours of two cores. */
  full: { compute: 20e12, seeds: 12 },
} as const
/** Of the compute, for each learning rate that is tried, with a seed of its own. */
const tryShare = 0.2
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

/** What is known of a training; with `--report` undefined where it is not finished. */
async function outcomeOf(job: Job): Promise<Outcome | undefined> {
  const file = join(folder, `${nameOf(job)}.json`)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Outcome
  return values.report ? undefined : await trained(job, data, folder)
}

/** The rate with the lowest validation loss of three, and of more where the best one lies at an end. */
async function chosenRate(arm: Arm): Promise<ChosenRate> {
  const tried = new Map<number, number>()
  const attempt = async (rate: number) => {
    const job = {
      arm: { ...arm, ends: [1] },
      seed: 0,
      rate,
      compute: tryShare * compute,
      measuredOn: 'validation' as const,
    }
    const outcome = await outcomeOf(job)
    tried.set(rate, outcome?.ends[0]?.loss ?? Number.POSITIVE_INFINITY)
  }
  for (const rate of firstRates) await attempt(rate)
  for (;;) {
    const rates = [...tried.keys()].sort((a, b) => a - b)
    const best = rates.reduce((a, b) => (tried.get(b)! < tried.get(a)! ? b : a))
    const next = best === rates[0] ? best / 2 : best === rates.at(-1) ? best * 2 : undefined
    if (next === undefined || !Number.isFinite(tried.get(best)!))
      return { kind: arm.kind, rate: best, tried: rates.map((rate) => [rate, tried.get(rate)!]) }
    await attempt(next)
  }
}

const rates: ChosenRate[] = []
for (const arm of arms)
  if (!rates.some(({ kind }) => kind === arm.kind)) rates.push(await chosenRate(arm))

const runs: Run[] = []
for (let seed = 1; seed <= seeds; seed++) {
  for (const arm of arms) {
    const { rate } = rates.find(({ kind }) => kind === arm.kind)!
    const outcome = await outcomeOf({ arm, seed, rate, compute, measuredOn: 'test' })
    if (outcome) runs.push({ arm: arm.name, seed, ...outcome })
  }
  const study: Study = { scale, compute, rates, text, processor: cpus()[0]?.model ?? '', runs }
  await writeReport(study, seeds)
}
