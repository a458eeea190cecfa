/** net2net train: train a model on a data set. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { load, type Model, Net2NetError, save } from 'net2net'
import { augmented, type SampleSet } from 'net2net/data'
import { readWhole, writeWhole } from 'net2net/files'
import {
  continueState,
  type GrowingEvent,
  type GrowthDecision,
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
import type { ForgettingRecord } from '../../runs/run-record.ts'
import { type CliCommand, type Io, printResult } from '../command.ts'
import { mustBeWithin } from '../costs.ts'
import { EpochProgress } from '../epoch-progress.ts'
import {
  forgettingOf,
  forgettingText,
  type LifelongData,
  lifelongData,
  replayOf,
} from '../lifelong.ts'
import { dataSetsOf } from '../model-data.ts'
import { progress } from '../progress.ts'
import { begunWith } from '../same-training.ts'
import { positionOf, TrainingCheckpoints } from '../training-checkpoints.ts'
import {
  decisionText,
  epochText,
  evaluated,
  growthText,
  keepsBest,
  plainlyEvaluated,
  resultsOf,
  stoppedText,
} from '../training-results.ts'
import { type TrainedOn, trainInStages } from '../training-stages.ts'
import { startOf } from '../training-start.ts'
import {
  choicesOf,
  type TrainOptions as Options,
  optimizerOf,
  trainOptions,
} from './train-options.ts'
import { refuseUnused } from './unused-options.ts'

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
  const { data, output } = options
  if (data === undefined) throw usageError('On what? Give the data with --data.')
  if (output === undefined) throw usageError('Where to? Give a folder with -o.')
  if ((options.validation ?? 0) >= 1) throw usageError('--validation must be less than 1.')
  const specs = dataSetsOf(data)
  if (specs.length > 1) {
    const { resume: _, force: __, ...each } = options
    return trainInStages(io, file, specs, { ...options, output }, (from, spec, more, before) =>
      trainOn(io, from, spec, { ...each, ...more }, { before }),
    )
  }
  const { results, lines } = await trainOn(io, file, data, { ...options, output }, {})
  printResult(io, options.json, results, lines.join('\n'))
}

/**
 * Trains on one data set, into one folder.
 *
 * @param before data of the stages before, where this is one: data of stages extend the model by new classes, as a replay does
 */
async function trainOn(
  io: Io,
  file: string,
  spec: string,
  options: Options & { readonly output: string },
  { before }: { readonly before?: readonly string[] },
): Promise<TrainedOn> {
  const { output, resume = false, force = false, epochs } = options
  const begun = await startOf(file)
  if (options.grow === 'auto' && !resume && !before?.length)
    mustBeWithin(begun.model, options.limit)
  const view = progress(io)
  const optimizer = optimizerOf(options)
  // Weights of classes are as many as there will be, and a teacher's scores are no labels.
  const { classWeights: _, distill: __, ...plain } = options
  const step = { ...choicesOf(plain), optimizer }
  const life = await lifelongData(
    begun.model,
    spec,
    {
      ...options,
      replay: options.replay === undefined ? undefined : replayOf(options.replay, before),
      extends: before !== undefined,
      signal: io.signal,
      onNote: (note: string) => view.line(note),
    },
    step,
  )
  const { model, samples, train, validation, newClasses } = life
  if (newClasses.length > 0) view.line(`New classes: ${newClasses.join(', ')}.`)
  const taught = await teaching(options)
  const carried =
    begun.state && continueState(begun.model, begun.state.tensors, life.grown?.plans ?? [], step)
  if (begun.state)
    view.line(
      carried
        ? `The optimizer's state goes on from ${file}.`
        : `The optimizer of ${file} keeps other numbers: this one begins anew.`,
    )
  const stages = options.recipe === undefined ? [] : await readRecipe(options.recipe)
  const begunAs = begunWith(options, {
    ...{ spec, model, stages },
    samples: [samples.length, validation?.length ?? 0],
  })
  const checkpoints = await TrainingCheckpoints.open(io, options, {
    ...{ spec, optimizer, stages, carried },
    begun: begunAs,
  })
  const checkpoint = checkpoints.latest
  const from = checkpoint?.state
  const saveCheckpoint = (state: TrainingState, position: GrowthPosition) => {
    folder.begin()
    return checkpoints.save(state, position)
  }
  const { augment, seed: augmentSeed } = options
  const seen = augment ? augmented(train, { ...augment, seed: augmentSeed }) : train
  const logs = logsOf(options, from)
  const epochProgress = new EpochProgress(view, {
    epochs,
    samples: train.length,
    validationSamples: validation?.length,
  })
  const training = trainGrowing(model, taught(seen), {
    runtime: nodeRuntime,
    stages,
    ...(options.grow === 'auto'
      ? { auto: { limits: options.limit, patience: options.growPatience, earlier: begun.state } }
      : {}),
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
      : carried
        ? { resume: { state: carried, position: { model, stage: 0 } } }
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
      epochProgress.trained(epoch, batch * options.batchSize, {
        loss: event.epochLoss,
        accuracy: event.epochAccuracy,
      })
    },
    onValidation: (done, measured) => epochProgress.validated(done, measured),
  })
  for (const note of training.notes) view.line(note)
  for (const { when } of stages)
    if ('epoch' in when && when.epoch >= epochs)
      view.line(`The growth after epoch ${when.epoch} comes too late: training ends there.`)
  if (from && from.epoch >= epochs)
    view.line(`Nothing is left to do: ${from.epoch} epochs are done. Give more with --epochs.`)
  const folder = from ? RunFolder.reopen(output, from.step) : RunFolder.create(output, { force })
  let evaluation: Evaluation | undefined
  let forgetting: ForgettingRecord | undefined
  const results = () =>
    resultsOf(io, file, options, training, { directory: output, evaluation, forgetting })
  const known = life.forgetting && (await bothEvaluated(io, options, model, life.forgetting))
  try {
    for await (const event of training) {
      epochProgress.stop()
      if (event.kind === 'decision' && isNews(training.decisions))
        view.line(decisionText(event.decision))
      if (event.kind === 'growth') {
        view.line(growthText(event))
        await recordGrowth(output, training.stages, event)
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
    const file = await saveCheckpoint(training.state, training.position)
    await folder.saveResults(results())
    throw new Net2NetError(
      'interrupted',
      `${io.signal.reason.message} Saved in ${file}; go on with --resume.`,
      { where: io.signal.reason.where },
    )
  } finally {
    view.stop()
    folder.close()
    for (const log of logs) log.close()
  }
  if (training.state.history.length > 0) {
    const best = keepsBest(options) ? await load(join(output, 'best.onnx')) : training.model
    if (validation) evaluation = await evaluated(io, options, best, validation)
    if (life.forgetting && known) {
      const after = await bothEvaluated(io, options, best, life.forgetting)
      const { heldOut } = life.forgetting.all
      forgetting = forgettingOf([known.old, after.old], [known.all, after.all], {
        heldOut,
        newClasses,
      })
    }
    await folder.saveResults(results())
  }
  const report = join(output, 'report.html')
  await writeReport([output], report, { force: true })
  return {
    results: results(),
    lines: [
      ...(training.state.epoch < epochs ? [stoppedText(training.state)] : []),
      ...(forgetting ? [forgettingText(forgetting)] : []),
      `Written: ${join(output, 'model.onnx')}`,
      ...(keepsBest(options) ? [`Best: ${join(output, 'best.onnx')}`] : []),
      ...(options.ema === undefined ? [] : [`Averaged: ${join(output, 'averaged.onnx')}`]),
      `Report: ${report}`,
    ],
  }
}

/** Whether the last decision is another one than that of the epoch before: not to grow is decided anew after each. */
function isNews(decisions: readonly GrowthDecision[]): boolean {
  const [before, last] = decisions.slice(-2)
  return !last || last.grow || before?.grow !== false || before.epoch < last.epoch - 1
}

/** A model on samples of earlier data, and on these and new ones. */
const bothEvaluated = async (
  io: Io,
  options: Options,
  model: Model,
  { old, all }: NonNullable<LifelongData['forgetting']>,
) => ({
  old: await plainlyEvaluated(io, options, model, old.samples),
  all: await plainlyEvaluated(io, options, model, all.samples),
})

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

async function readRecipe(file: string): Promise<readonly GrowthStage[]> {
  return parseTrainingRecipe(new TextDecoder().decode(await readWhole(file)), file)
}

/** The recipe as it has come so far, every option, seed and plan of the growths written down: it grows the same network again. */
async function recordGrowth(
  output: string,
  stages: readonly GrowthStage[],
  { stage, steps }: Extract<GrowingEvent, { kind: 'growth' }>,
): Promise<void> {
  const file = join(output, 'recipe.resolved.yaml')
  const before = stage > 1 && existsSync(file) ? await readRecipe(file) : stages
  // What is decided on the way comes before the stages that are still to come.
  const known = [...before.slice(0, stage - 1), ...stages.slice(stage - 1)]
  const now = known.map((each, i) => (i === stage - 1 ? { ...each, steps } : each))
  await writeWhole(file, formatTrainingRecipe(now), { force: true })
}
