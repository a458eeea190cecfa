/** Data that come in stages: trained on one after the other, everything kept between them. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from 'net2net'
import { makeFolder, writeWhole } from 'net2net/files'
import { usageError } from '../errors.ts'
import { type Io, printResult } from './command.ts'
import type { TrainOptions } from './commands/train-options.ts'
import { trainingData } from './model-data.ts'
import { plainlyEvaluated, type resultsOf } from './training-results.ts'

export interface TrainedOn {
  readonly results: ReturnType<typeof resultsOf>
  /** For whoever reads. */
  readonly lines: readonly string[]
}

/** `a.csv,b.csv`; a name with a comma that exists is one. */
export const stagesOf = (data: string): readonly string[] =>
  existsSync(data)
    ? [data]
    : data
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '')

const stageFolder = (output: string, stage: number): string => join(output, `stage-${stage + 1}`)
const resultsFile = 'stages.json'

/** After a stage: how good the model is on held-out samples of each stage so far. */
interface Measured {
  readonly data: string
  readonly accuracy?: number
  readonly loss: number
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
    options: Pick<TrainOptions, 'force' | 'resume'> & { readonly output: string },
  ) => Promise<TrainedOn>,
): Promise<void> {
  const { output, resume, force, json } = options
  if (options.distill !== undefined)
    throw usageError('--distill is for one data set; train in stages without it, or one by one.')
  makeFolder(output)
  const stages: {
    readonly data: string
    readonly directory: string
    readonly results: TrainedOn['results']
    readonly measured: readonly Measured[]
  }[] = []
  let from = file
  for (const [i, spec] of specs.entries()) {
    const directory = stageFolder(output, i)
    const done = resume ? await finished(directory) : undefined
    if (done) io.err(`Stage ${i + 1} (${spec}) is done already.\n`)
    else io.err(`Stage ${i + 1} of ${specs.length}: ${spec}\n`)
    const hasBegun = existsSync(join(directory, 'checkpoints'))
    const results =
      done ??
      (
        await train(from, spec, {
          output: directory,
          ...(resume && hasBegun ? { resume } : {}),
          ...(force ? { force } : {}),
        })
      ).results
    stages.push({
      ...{ data: spec, directory, results },
      measured: await measured(io, directory, specs.slice(0, i + 1), options),
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

async function finished(directory: string): Promise<TrainedOn['results'] | undefined> {
  const written = await readFile(join(directory, 'results.json'), 'utf8').catch(() => undefined)
  if (written === undefined || !existsSync(join(directory, 'model.onnx'))) return undefined
  const results = JSON.parse(written) as TrainedOn['results']
  return results.finished ? results : undefined
}

async function measured(
  io: Io,
  directory: string,
  specs: readonly string[],
  options: TrainOptions,
): Promise<readonly Measured[]> {
  const model = await load(join(directory, 'model.onnx'))
  const found: Measured[] = []
  for (const data of specs) {
    const { validation } = await trainingData(model, data, { ...options, signal: io.signal })
    if (!validation) continue
    const { loss, accuracy } = await plainlyEvaluated(io, options, model, validation)
    found.push({ data, loss, ...(accuracy === undefined ? {} : { accuracy }) })
  }
  return found
}

function text(
  stages: readonly { readonly data: string; readonly measured: readonly Measured[] }[],
  output: string,
): string {
  const lines = stages.map(({ data, measured: found }, i) => {
    const figures = found.map(({ accuracy, loss }, j) => {
      const value = accuracy === undefined ? loss.toFixed(4) : `${(100 * accuracy).toFixed(2)}%`
      return `stage ${j + 1} ${value}`
    })
    return `after stage ${i + 1} (${data}): ${figures.join('  ')}`
  })
  return [...lines, `Written: ${join(output, 'model.onnx')}`].join('\n')
}
