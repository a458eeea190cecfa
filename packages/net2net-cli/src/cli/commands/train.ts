/** net2net train: train a model on a data set. */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { decodeModel, encodeModel, load, type Model, Net2NetError, save } from 'net2net'
import { type Checkpoint, CheckpointFolder, fingerprintOf } from 'net2net/checkpoints'
import { augmented, type SampleSet } from 'net2net/data'
import { readWhole, writeWhole } from 'net2net/files'
import {
  type GrowingEvent,
  type GrowthPosition,
  type GrowthStage,
  trainGrowing,
} from 'net2net/growing'
import { stepLog, tensorBoardLog } from 'net2net/logs'
import { formatTrainingRecipe, parseTrainingRecipe } from 'net2net/recipe'
import { nodeRuntime } from 'net2net/runtime'
import { buildStep, distilled, type Evaluation, type TrainingState } from 'net2net/training'
import { usageError } from '../../errors.ts'
import { writeReport } from '../../report/write-report.ts'
import { RunFolder } from '../../runs/run-folder.ts'
import { type CliCommand, type Io, printResult } from '../command.ts'
import { dataOptionsOf, trainingData } from '../model-data.ts'
import { measuredText, progress, type Task } from '../progress.ts'
import {
  epochText,
  evaluated,
  growthText,
  keepsBest,
  resultsOf,
  stoppedText,
} from '../training-results.ts'
import {
  choicesOf,
  type TrainOptions as Options,
  optimizerOf,
  refuseUnused,
  trainOptions,
} from './train-options.ts'

export const train: CliCommand = {
  configure(command: Command, io: Io) {
    trainOptions(command).action((file: string, options: Options) => {
      refuseUnused(options)
      return options.exportStep === undefined
        ? run(io, file, options)
        : exportStep(io, file, options.exportStep, options)
    })
  },
}

async function exportStep(io: Io, file: string, output: string, options: Options): Promise<void> {
  const { gradients = false, force = false, json } = options
  if (!force && existsSync(output))
    throw usageError(`${output} exists already; give another name, or replace it with --force.`, {
      where: output,
    })
  const step = buildStep(await load(file), {
    ...choicesOf(options),
    optimizer: optimizerOf(options),
    gradients,
    seed: options.seed,
  })
  for (const { name, reason } of step.left) io.err(`${name} is not trained: ${reason}.\n`)
  await save(step.model, output, { force, signal: io.signal })
  const { inputs, outputs } = step.model.graph
  const value = {
    step: output,
    inputs: inputs.map(({ name }) => name),
    outputs: outputs.map(({ name }) => name),
  }
  printResult(
    io,
    json,
    value,
    `Written: ${output}\nInputs: ${value.inputs.join(', ')}\nOutputs: ${value.outputs.join(', ')}`,
  )
}

async function run(io: Io, file: string, options: Options): Promise<void> {
  const { data: spec, output, resume = false, force = false, epochs } = options
  if (spec === undefined) throw usageError('On what? Give the data with --data.')
  if (output === undefined) throw usageError('Where to? Give a folder with -o.')
  if ((options.validation ?? 0) >= 1) throw usageError('--validation must be less than 1.')
  const model = await load(file)
  const view = progress(io)
  const { train: samples, validation } = await trainingData(model, spec, {
    ...options,
    signal: io.signal,
    onNote: (note) => view.line(note),
  })
  const taught = await teaching(options)
  const optimizer = optimizerOf(options)
  const stages = options.recipe === undefined ? [] : await readRecipe(options.recipe)
  const checkpoints = new CheckpointFolder(join(output, 'checkpoints'), {
    fingerprint: fingerprintOf({
      model: createHash('sha256').update(encodeModel(model)).digest('hex'),
      data: [spec, samples.length, validation?.length ?? 0],
      optimizer: [optimizer.name, optimizer.learningRate, optimizer.settings],
      rest: [
        options.loss,
        options.batchSize,
        options.freeze ?? [],
        options.seed,
        stages,
        // Fingerprints from before these options stay as they were.
        ...(options.trainOnly || options.classAxis !== undefined
          ? [options.trainOnly ?? [], options.classAxis ?? null]
          : []),
        ...laterOptions(options),
      ],
    }),
  })
  const found = resume ? await checkpoints.latest() : undefined
  const checkpoint = found?.checkpoint
  for (const { reason } of found?.skipped ?? [])
    io.err(checkpoint ? `${reason} An older one is used.\n` : `${reason}\n`)
  const from = checkpoint?.state
  if (resume && !from)
    throw usageError(`There is no checkpoint of this training in ${output} to go on from.`, {
      where: output,
      ...(found?.skipped.length ? { hint: 'Give all options of that training again.' } : {}),
    })
  let task: Task | undefined
  let measuring: Task | undefined
  /** A new training does not go on from the checkpoints of the one before. */
  let cleared = from !== undefined
  const saveCheckpoint = async (state: TrainingState, position: GrowthPosition) => {
    folder.begin()
    if (!cleared) await checkpoints.clear()
    cleared = true
    return checkpoints.save(state, savedPosition(position))
  }
  const { augment, seed: augmentSeed } = options
  const seen = augment ? augmented(samples, { ...augment, seed: augmentSeed }) : samples
  const logs = logsOf(options, from)
  const training = trainGrowing(model, taught(seen), {
    runtime: nodeRuntime,
    stages,
    ...choicesOf(options, samples),
    ...watching(options),
    optimizer,
    epochs,
    batchSize: options.batchSize,
    seed: options.seed,
    signal: io.signal,
    session: {
      device: options.device,
      threads: options.threads,
    },
    validation: validation && taught(validation),
    ...(checkpoint
      ? { resume: { state: checkpoint.state, position: positionOf(checkpoint, model) } }
      : {}),
    checkpoint: {
      everySteps: options.checkpointEvery,
      save: async (state, position) => void (await saveCheckpoint(state, position)),
    },
    onStep(event) {
      const { epoch, step, batch, learningRate, accuracy } = event
      const right = accuracy === undefined ? {} : { accuracy }
      folder.appendMetrics({ arm: 'model', epoch, step, loss: event.loss, ...right, learningRate })
      for (const log of logs) log.step(event)
      const { length } = samples
      task ??= view.task(`epoch ${epoch}/${epochs}`, length, {
        unit: 'samples',
        later: (epochs - epoch) * length,
      })
      const done = Math.min(batch * options.batchSize, length)
      task.update(done, measuredText(event.epochLoss, event.epochAccuracy))
    },
    onValidation(done, { loss, accuracy }) {
      if (measuring === undefined) task?.stop()
      measuring ??= view.task('validation', validation?.length, { unit: 'samples' })
      measuring.update(done, measuredText(loss, accuracy))
    },
  })
  for (const note of training.notes) view.line(note)
  for (const { when } of stages)
    if ('epoch' in when && when.epoch >= epochs)
      view.line(`The growth after epoch ${when.epoch} comes too late: training ends there.`)
  if (from && from.epoch >= epochs)
    view.line(`Nothing is left to do: ${from.epoch} epochs are done. Give more with --epochs.`)
  const folder = from ? RunFolder.reopen(output, from.step) : RunFolder.create(output, { force })
  let evaluation: Evaluation | undefined
  const results = () => resultsOf(io, file, options, training, { directory: output, evaluation })
  try {
    for await (const event of training) {
      if (measuring === undefined) task?.stop()
      measuring?.stop()
      task = undefined
      measuring = undefined
      if (event.kind === 'growth') {
        view.line(growthText(event))
        await recordGrowth(output, stages, event)
      }
      if (event.kind !== 'epoch') continue
      view.line(epochText(event.result, epochs))
      for (const log of logs) log.epoch(event.result)
      await save(training.model, join(output, 'model.onnx'), { force: true })
      if (keepsBest(options) && training.state.waited === 0)
        await save(training.model, join(output, 'best.onnx'), { force: true })
      if (options.ema !== undefined)
        await save(training.averagedModel, join(output, 'averaged.onnx'), { force: true })
      await folder.saveResults(results())
    }
  } catch (error) {
    if (!(error instanceof Net2NetError) || error.kind !== 'interrupted') throw error
    const saved = await saveCheckpoint(training.state, training.position)
    await folder.saveResults(results())
    throw new Net2NetError(
      'interrupted',
      `${io.signal.reason.message} Saved in ${saved}; go on with --resume.`,
      { where: io.signal.reason.where },
    )
  } finally {
    view.stop()
    folder.close()
    for (const log of logs) log.close()
  }
  if (validation && training.state.history.length > 0) {
    const best = keepsBest(options) ? await load(join(output, 'best.onnx')) : training.model
    evaluation = await evaluated(io, options, best, validation)
    await folder.saveResults(results())
  }
  const report = join(output, 'report.html')
  await writeReport([output], report, { force: true })
  printResult(
    io,
    options.json,
    results(),
    [
      ...(training.state.epoch < epochs ? [stoppedText(training.state)] : []),
      `Written: ${join(output, 'model.onnx')}`,
      ...(keepsBest(options) ? [`Best: ${join(output, 'best.onnx')}`] : []),
      ...(options.ema === undefined ? [] : [`Averaged: ${join(output, 'averaged.onnx')}`]),
      `Report: ${report}`,
    ].join('\n'),
  )
}

/** What is written down of every step, besides the run's own metrics. */
function logsOf({ log, tensorboard, force }: Options, from: TrainingState | undefined) {
  const going = { after: from?.step }
  return [
    ...(log === undefined ? [] : [stepLog(log, { ...going, force })]),
    ...(tensorboard === undefined ? [] : [tensorBoardLog(tensorboard, going)]),
  ]
}

/** The samples as they are, or with what a teacher says of them. */
async function teaching(options: Options): Promise<(samples: SampleSet) => SampleSet> {
  const { distill, device, threads, classAxis: axis } = options
  if (distill === undefined) return (samples) => samples
  const teacher = await load(distill)
  return (samples) => distilled(samples, teacher, { session: { device, threads }, axis })
}

/** What is measured after each epoch, and what decides that an epoch is the best one. */
function watching(options: Options) {
  const { metric, earlyStopping } = options
  if (!keepsBest(options)) return {}
  return {
    metrics: metric,
    earlyStopping: { patience: earlyStopping ?? Number.MAX_SAFE_INTEGER, metric: metric?.[0] },
  }
}

/** Options that fingerprints have where they are given: those from before stay as they were. */
function laterOptions(options: Options): readonly unknown[] {
  const { clipNorm, labelSmoothing, decayOnly, rate, metric, earlyStopping } = options
  const { classWeights, ignoreLabel, distill, distillWeight, temperature } = options
  const later = {
    clipNorm,
    labelSmoothing,
    decayOnly,
    rate,
    metric,
    earlyStopping,
    classWeights,
    ignoreLabel,
    distill,
    distillWeight,
    temperature,
    ...dataOptionsOf(options),
    augment: options.augment,
  }
  const given = Object.entries(later).filter(([, value]) => value !== undefined)
  return given.length === 0 ? [] : [Object.fromEntries(given)]
}

async function readRecipe(file: string): Promise<readonly GrowthStage[]> {
  return parseTrainingRecipe(new TextDecoder().decode(await readWhole(file)), file)
}

/** A network that grew on the way goes into the checkpoint. */
const savedPosition = ({ model, stage }: GrowthPosition) =>
  stage === 0
    ? {}
    : { extra: { stage }, attachments: new Map([['model.onnx', encodeModel(model)]]) }

function positionOf({ extra, attachments }: Checkpoint, model: Model): GrowthPosition {
  const { stage = 0 } = (extra ?? {}) as { readonly stage?: number }
  const grown = attachments?.get('model.onnx')
  return { stage, model: grown ? decodeModel(grown) : model }
}

/** The recipe as it has come so far, every option, seed and plan of the growths written down: it grows the same network again. */
async function recordGrowth(
  output: string,
  stages: readonly GrowthStage[],
  { stage, steps }: Extract<GrowingEvent, { kind: 'growth' }>,
): Promise<void> {
  const file = join(output, 'recipe.resolved.yaml')
  const before = stage > 1 && existsSync(file) ? await readRecipe(file) : stages
  const now = before.map((each, i) => (i === stage - 1 ? { ...each, steps } : each))
  await writeWhole(file, formatTrainingRecipe(now), { force: true })
}
