/** Data that come in stages: trained on one after the other, everything kept between them. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { load } from 'net2net'
import { makeFolder, writeWhole } from 'net2net/files'
import { usageError } from '../errors.ts'
import { type Io, printResult } from './command.ts'
import type { TrainOptions } from './commands/train-options.ts'
import { forgettingIn, measuredOn, replayOf, withoutClasses } from './lifelong.ts'
import { loadFor, trainingData } from './model-data.ts'
import { mustBeOf } from './same-training.ts'
import { plainlyEvaluated, type resultsOf } from './training-results.ts'
import { newestCheckpoint, startOf } from './training-start.ts'

export interface TrainedOn {
  readonly results: ReturnType<typeof resultsOf>
  /** For whoever reads. */
  readonly lines: readonly string[]
}

const stageFolder = (output: string, stage: number): string => join(output, `stage-${stage + 1}`)
const resultsFile = 'stages.json'

/** After a stage: how good the model is on samples of each stage so far. */
interface MeasuredStage {
  readonly data: string
  readonly accuracy?: number
  readonly loss: number
  /** Whether the samples were held out; else they are some of those that it was trained on. */
  readonly heldOut: boolean
  /** What is worse than at its best after an earlier stage: accuracy that was lost, or loss that was added. */
  readonly forgetting?: number
}

/**
 * Trains on each data set in its turn. Model, optimizer's state, classes and growth go on; each stage has a folder of its own, so
 * that `--resume` goes on in the middle of one.
 */
export async function trainInStages(
  io: Io,
  file: string,
  specs: readonly string[],
  options: TrainOptions & { readonly output: string },
  train: (
    from: string,
    spec: string,
    options: Pick<TrainOptions, 'force' | 'log' | 'resume' | 'tensorboard'> & {
      readonly output: string
    },
    before: readonly string[],
  ) => Promise<TrainedOn>,
): Promise<void> {
  const { output, resume, force, json } = options
  if (options.distill !== undefined)
    throw usageError('--distill is for one data set; train in stages without it, or one by one.')
  if (options.recipe !== undefined)
    throw usageError(
      '--recipe is for one data set, since it says when one training grows; train in stages with --grow auto, or one by one.',
    )
  await mustLoad(io, file, specs, options)
  makeFolder(output)
  const stages: {
    readonly data: string
    readonly directory: string
    readonly results: TrainedOn['results']
    readonly measured: readonly MeasuredStage[]
  }[] = []
  let from = file
  for (const [i, spec] of specs.entries()) {
    const directory = stageFolder(output, i)
    const done = resume ? await finished(directory) : undefined
    if (done) await mustBeOf(directory, options, spec)
    if (done) io.err(`Stage ${i + 1} (${spec}) is done already.\n`)
    else io.err(`Stage ${i + 1} of ${specs.length}: ${spec}\n`)
    // What was stopped before its first checkpoint begins anew.
    const hasBegun = resume === true && (await newestCheckpoint(directory)) !== undefined
    const results =
      done ??
      (
        await train(
          from,
          spec,
          {
            output: directory,
            ...logsOf(options, i),
            ...(hasBegun ? { resume } : {}),
            ...(force || (resume && !hasBegun) ? { force: true } : {}),
          },
          specs.slice(0, i),
        )
      ).results
    stages.push({
      ...{ data: spec, directory, results },
      measured: withForgetting(
        await measured(io, directory, specs.slice(0, i + 1), options),
        stages.map((stage) => stage.measured),
      ),
    })
    from = directory
  }
  await writeWhole(join(output, 'model.onnx'), await readFile(join(from, 'model.onnx')), {
    force: force === true || resume === true,
  })
  const document = { stages, directory: output }
  await writeWhole(join(output, resultsFile), `${JSON.stringify(document, null, 2)}\n`, {
    force: true,
  })
  printResult(io, json, document, text(stages, output))
}

/** Logs of a stage, beside those of the others: `steps.csv` is `steps.stage-1.csv`, and `events` has a folder for each. */
function logsOf({ log, tensorboard }: TrainOptions, stage: number) {
  const name = `stage-${stage + 1}`
  const ending = extname(log ?? '')
  return {
    ...(log === undefined
      ? {}
      : { log: `${log.slice(0, log.length - ending.length)}.${name}${ending}` }),
    ...(tensorboard === undefined ? {} : { tensorboard: join(tensorboard, name) }),
  }
}

/** What would fail at a later stage fails before the first. */
async function mustLoad(
  io: Io,
  file: string,
  specs: readonly string[],
  options: TrainOptions,
): Promise<void> {
  const { model } = await startOf(file)
  const replayed = options.replay === undefined ? undefined : replayOf(options.replay, [])
  for (const spec of [...specs, ...(replayed?.specs ?? [])])
    await loadFor(withoutClasses(model), spec, { ...options, signal: io.signal })
}

/** What came of a stage that is done, its report included, which is written last. */
async function finished(directory: string): Promise<TrainedOn['results'] | undefined> {
  const written = await readFile(join(directory, 'results.json'), 'utf8').catch(() => undefined)
  const isWhole = ['model.onnx', 'report.html'].every((name) => existsSync(join(directory, name)))
  if (written === undefined || !isWhole) return undefined
  const results = JSON.parse(written) as TrainedOn['results']
  return results.finished ? results : undefined
}

async function measured(
  io: Io,
  directory: string,
  specs: readonly string[],
  options: TrainOptions,
): Promise<readonly MeasuredStage[]> {
  const model = await load(join(directory, 'model.onnx'))
  const found: MeasuredStage[] = []
  for (const data of specs) {
    const held = await trainingData(model, data, { ...options, signal: io.signal })
    const { samples, heldOut } = measuredOn(held, options.seed)
    const { loss, accuracy } = await plainlyEvaluated(io, options, model, samples)
    found.push({ data, loss, ...(accuracy === undefined ? {} : { accuracy }), heldOut })
  }
  return found
}

/** @param before what was measured after each of the stages before */
const withForgetting = (
  now: readonly MeasuredStage[],
  before: readonly (readonly MeasuredStage[])[],
): readonly MeasuredStage[] =>
  now.map((one, j) => {
    const earlier = before.flatMap((stage) => stage[j] ?? [])
    if (earlier.length === 0) return one
    const { accuracy, loss } = one
    const forgetting =
      accuracy === undefined
        ? loss - Math.min(...earlier.map((stage) => stage.loss))
        : Math.max(...earlier.map((stage) => stage.accuracy ?? 0)) - accuracy
    return { ...one, forgetting }
  })

function text(
  stages: readonly { readonly data: string; readonly measured: readonly MeasuredStage[] }[],
  output: string,
): string {
  const lines = stages.map(({ data, measured: found }, i) => {
    const figures = found.map(({ accuracy, loss, forgetting }, j) => {
      const shown = (value: number) =>
        accuracy === undefined ? value.toFixed(4) : `${(100 * value).toFixed(2)}%`
      const forgotten = forgetting === undefined ? '' : ` (${forgettingIn(shown, forgetting)})`
      return `stage ${j + 1} ${shown(accuracy ?? loss)}${forgotten}`
    })
    return `after stage ${i + 1} (${data}): ${figures.join('  ')}`
  })
  const isTrained = stages.some(({ measured: found }) => found.some(({ heldOut }) => !heldOut))
  return [
    ...lines,
    ...(isTrained ? ['Where nothing is held out, it is measured on samples of the training.'] : []),
    `Written: ${join(output, 'model.onnx')}`,
  ].join('\n')
}
