/** Trains a model on one data set, into one folder. */

import { join } from 'node:path'
import { load, type Model, Net2NetError, save } from 'net2net'
import { augmented, type SampleSet } from 'net2net/data'
import {
  continueState,
  type GrowingEvent,
  type GrowingOptions,
  type GrowingTraining,
  type GrowthDecision,
  type GrowthPosition,
  type GrowthStage,
  trainGrowing,
} from 'net2net/growing'
import { stepLog, tensorBoardLog } from 'net2net/logs'
import { nodeRuntime } from 'net2net/runtime'
import {
  distilled,
  type Evaluation,
  type Optimizer,
  type StepEvent,
  type TrainingState,
} from 'net2net/training'
import { writeReport } from '../report/write-report.ts'
import { RunFolder } from '../runs/run-folder.ts'
import type { ForgettingRecord } from '../runs/run-record.ts'
import type { Io } from './command.ts'
import { choicesOf, type TrainOptions } from './commands/train-options.ts'
import { mustBeWithin } from './costs.ts'
import { EpochProgress } from './epoch-progress.ts'
import {
  forgettingOf,
  forgettingText,
  type LifelongData,
  lifelongData,
  replayOf,
} from './lifelong.ts'
import { optimizerOf } from './optimizer-options.ts'
import { type Progress, progress } from './progress.ts'
import { begunWith } from './same-training.ts'
import { positionOf, TrainingCheckpoints } from './training-checkpoints.ts'
import { readRecipe, recordGrowth } from './training-recipe.ts'
import {
  decisionText,
  epochText,
  evaluated,
  growthText,
  keepsBest,
  plainlyEvaluated,
  resultsOf,
  stoppedText,
} from './training-results.ts'
import type { TrainedOn } from './training-stages.ts'
import { startOf, type TrainingStart } from './training-start.ts'

type Options = TrainOptions & { readonly output: string }

/**
 * Trains on one data set, into one folder.
 *
 * @param before data of the stages before, where this is one: data of stages extend the model by new classes, as a replay does
 */
export async function trainOn(
  io: Io,
  file: string,
  spec: string,
  options: Options,
  before?: readonly string[],
): Promise<TrainedOn> {
  const run = new TrainingRun(io, file, options, await beginningOf(io, file, spec, options, before))
  return run.train()
}

/** What a training begins with. */
interface Beginning {
  readonly view: Progress
  readonly start: TrainingStart
  readonly life: LifelongData
  readonly optimizer: Optimizer
  readonly taught: (samples: SampleSet) => SampleSet
  /** The optimizer's state of an earlier training, in the sizes that the model has now. */
  readonly carried: TrainingState | undefined
  readonly stages: readonly GrowthStage[]
  readonly checkpoints: TrainingCheckpoints
}

async function beginningOf(
  io: Io,
  file: string,
  spec: string,
  options: Options,
  before: readonly string[] | undefined,
): Promise<Beginning> {
  const start = await startOf(file)
  if (options.grow === 'auto' && !options.resume && !before?.length)
    mustBeWithin(start.model, options.limit)
  const view = progress(io)
  const optimizer = optimizerOf(options)
  // Weights of classes are as many as there will be, and a teacher's scores are no labels.
  const { classWeights: _, distill: __, ...plain } = options
  const step = { ...choicesOf(plain), optimizer }
  const learning = {
    ...options,
    replay: options.replay === undefined ? undefined : replayOf(options.replay, before),
    extends: before !== undefined,
    signal: io.signal,
    onNote: (note: string) => view.line(note),
  }
  const life = await lifelongData(start.model, spec, learning, step)
  const { model, samples, validation, newClasses } = life
  if (newClasses.length > 0) view.line(`New classes: ${newClasses.join(', ')}.`)
  const taught = await teaching(options)
  const carried =
    start.state && continueState(start.model, start.state.tensors, life.grown?.plans ?? [], step)
  if (start.state)
    view.line(
      carried
        ? `The optimizer's state goes on from ${file}.`
        : `The optimizer of ${file} keeps other numbers: this one begins anew.`,
    )
  const stages = options.recipe === undefined ? [] : await readRecipe(options.recipe)
  const begun = begunWith(options, {
    ...{ spec, model, stages },
    samples: [samples.length, validation?.length ?? 0],
  })
  const identity = { spec, optimizer, stages, carried, begun }
  const checkpoints = await TrainingCheckpoints.open(io, options, identity)
  return { view, start, life, optimizer, taught, carried, stages, checkpoints }
}

class TrainingRun {
  readonly #io: Io
  readonly #file: string
  readonly #options: Options
  readonly #beginning: Beginning
  readonly #logs: ReturnType<typeof logsOf>
  readonly #progress: EpochProgress
  readonly #training: GrowingTraining
  readonly #folder: RunFolder
  #evaluation: Evaluation | undefined
  #forgetting: ForgettingRecord | undefined

  /** @throws usage, refused or input where the training cannot be; then nothing has been written */
  constructor(io: Io, file: string, options: Options, beginning: Beginning) {
    this.#io = io
    this.#file = file
    this.#options = options
    this.#beginning = beginning
    const { view, life, taught, checkpoints } = beginning
    const { output, epochs, force = false, augment, seed } = options
    const from = checkpoints.latest?.state
    this.#logs = logsOf(options, from)
    this.#progress = new EpochProgress(view, {
      epochs,
      samples: life.train.length,
      validationSamples: life.validation?.length,
    })
    const seen = augment ? augmented(life.train, { ...augment, seed }) : life.train
    this.#training = trainGrowing(life.model, taught(seen), this.#growingOptions())
    this.#announce(from)
    this.#folder = from ? RunFolder.reopen(output, from.step) : RunFolder.create(output, { force })
  }

  async train(): Promise<TrainedOn> {
    const { forgetting } = this.#beginning.life
    const before = forgetting && (await this.#measured(this.#beginning.life.model, forgetting))
    await this.#follow()
    if (this.#training.state.history.length > 0) {
      await this.#evaluate(before)
      await this.#folder.saveResults(this.#results())
    }
    const report = join(this.#options.output, 'report.html')
    await writeReport([this.#options.output], report, { force: true })
    return { results: this.#results(), lines: this.#lines(report) }
  }

  #growingOptions(): GrowingOptions {
    const { start, life, optimizer, taught, stages } = this.#beginning
    const options = this.#options
    const { limit: limits, growPatience: patience, device, threads } = options
    return {
      runtime: nodeRuntime,
      stages,
      ...(options.grow === 'auto' ? { auto: { limits, patience, earlier: start.state } } : {}),
      ...choicesOf(options, life.samples),
      ...watching(options),
      optimizer,
      epochs: options.epochs,
      batchSize: options.batchSize,
      seed: options.seed,
      signal: this.#io.signal,
      session: { device, threads },
      validation: life.validation && taught(life.validation),
      ...this.#resumed(),
      checkpoint: {
        everySteps: options.checkpointEvery,
        save: async (state, position) => void (await this.#checkpoint(state, position)),
      },
      onStep: (event) => this.#stepped(event),
      onValidation: (done, measured) => this.#progress.validated(done, measured),
    }
  }

  /** The state to go on from: that of a checkpoint of this training, or that of an earlier training. */
  #resumed(): Pick<GrowingOptions, 'resume'> {
    const { life, carried, checkpoints } = this.#beginning
    const { model } = life
    const { latest } = checkpoints
    if (latest) return { resume: { state: latest.state, position: positionOf(latest, model) } }
    return carried ? { resume: { state: carried, position: { model, stage: 0 } } } : {}
  }

  /** Resolves to the checkpoint's file. */
  #checkpoint(state: TrainingState, position: GrowthPosition): Promise<string> {
    this.#folder.begin()
    return this.#beginning.checkpoints.save(state, position)
  }

  #announce(from: TrainingState | undefined): void {
    const { view, stages } = this.#beginning
    const { epochs } = this.#options
    for (const note of this.#training.notes) view.line(note)
    for (const { when } of stages)
      if ('epoch' in when && when.epoch >= epochs)
        view.line(`The growth after epoch ${when.epoch} comes too late: training ends there.`)
    if (from && from.epoch >= epochs)
      view.line(`Nothing is left to do: ${from.epoch} epochs are done. Give more with --epochs.`)
  }

  #stepped(event: StepEvent): void {
    const { epoch, step, batch, loss, learningRate, accuracy } = event
    const right = accuracy === undefined ? {} : { accuracy }
    this.#folder.appendMetrics({ arm: 'model', epoch, step, loss, ...right, learningRate })
    for (const log of this.#logs) log.step(event)
    this.#progress.trained(epoch, batch * this.#options.batchSize, {
      loss: event.epochLoss,
      accuracy: event.epochAccuracy,
    })
  }

  /** Trains to the end; where it is interrupted, a checkpoint is saved. */
  async #follow(): Promise<void> {
    const { signal } = this.#io
    const training = this.#training
    try {
      for await (const event of training) await this.#note(event)
    } catch (error) {
      if (!(error instanceof Net2NetError) || error.kind !== 'interrupted') throw error
      const file = await this.#checkpoint(training.state, training.position)
      await this.#folder.saveResults(this.#results())
      throw new Net2NetError(
        'interrupted',
        `${signal.reason.message} Saved in ${file}; go on with --resume.`,
        { where: signal.reason.where },
      )
    } finally {
      this.#beginning.view.stop()
      this.#folder.close()
      for (const log of this.#logs) log.close()
    }
  }

  /** Shows and writes down what has happened. */
  async #note(event: GrowingEvent): Promise<void> {
    const { view } = this.#beginning
    const training = this.#training
    this.#progress.stop()
    if (event.kind === 'decision' && isNews(training.decisions))
      view.line(decisionText(event.decision))
    if (event.kind === 'growth') {
      view.line(growthText(event))
      await recordGrowth(this.#options.output, training.stages, event)
    }
    if (event.kind !== 'epoch') return
    view.line(epochText(event.result, this.#options.epochs))
    for (const log of this.#logs) log.epoch(event.result)
    await this.#saveModels()
    await this.#folder.saveResults(this.#results())
  }

  async #saveModels(): Promise<void> {
    const options = this.#options
    const training = this.#training
    const write = (model: Model, name: string) =>
      save(model, join(options.output, name), { force: true })
    await write(training.model, 'model.onnx')
    if (keepsBest(options) && training.state.waited === 0) await write(training.model, 'best.onnx')
    if (options.ema !== undefined) await write(training.averagedModel, 'averaged.onnx')
  }

  /** @param before what the model was like on earlier data, and on all, where that is measured */
  async #evaluate(before: MeasuredOnBoth | undefined): Promise<void> {
    const options = this.#options
    const { validation, forgetting, newClasses } = this.#beginning.life
    const best = keepsBest(options)
      ? await load(join(options.output, 'best.onnx'))
      : this.#training.model
    if (validation) this.#evaluation = await evaluated(this.#io, options, best, validation)
    if (!forgetting || !before) return
    const after = await this.#measured(best, forgetting)
    const { heldOut } = forgetting.all
    this.#forgetting = forgettingOf([before.old, after.old], [before.all, after.all], {
      heldOut,
      newClasses,
    })
  }

  /** A model on samples of earlier data, and on these and new ones. */
  async #measured(
    model: Model,
    { old, all }: NonNullable<LifelongData['forgetting']>,
  ): Promise<MeasuredOnBoth> {
    const on = ({ samples }: typeof old) =>
      plainlyEvaluated(this.#io, this.#options, model, samples)
    return { old: await on(old), all: await on(all) }
  }

  #results() {
    return resultsOf(this.#io, this.#file, this.#options, this.#training, {
      directory: this.#options.output,
      evaluation: this.#evaluation,
      forgetting: this.#forgetting,
    })
  }

  /** For whoever reads. */
  #lines(report: string): readonly string[] {
    const { output, epochs, ema } = this.#options
    const { state } = this.#training
    return [
      ...(state.epoch < epochs ? [stoppedText(state)] : []),
      ...(this.#forgetting ? [forgettingText(this.#forgetting)] : []),
      `Written: ${join(output, 'model.onnx')}`,
      ...(keepsBest(this.#options) ? [`Best: ${join(output, 'best.onnx')}`] : []),
      ...(ema === undefined ? [] : [`Averaged: ${join(output, 'averaged.onnx')}`]),
      `Report: ${report}`,
    ]
  }
}

type MeasuredOnBoth = Readonly<Record<'old' | 'all', Evaluation>>

/** Whether the last decision is another one than that of the epoch before: not to grow is decided anew after each. */
function isNews(decisions: readonly GrowthDecision[]): boolean {
  const [before, last] = decisions.slice(-2)
  return !last || last.grow || before?.grow !== false || before.epoch < last.epoch - 1
}

/** What is written down of every step, besides the run's own metrics. */
function logsOf({ log, tensorboard, force }: TrainOptions, from: TrainingState | undefined) {
  const going = { after: from?.step }
  return [
    ...(log === undefined ? [] : [stepLog(log, { ...going, force })]),
    ...(tensorboard === undefined ? [] : [tensorBoardLog(tensorboard, going)]),
  ]
}

/** The samples as they are, or with what a teacher says of them. */
async function teaching(options: TrainOptions): Promise<(samples: SampleSet) => SampleSet> {
  const { distill, device, threads, classAxis: axis } = options
  if (distill === undefined) return (samples) => samples
  const teacher = await load(distill)
  return (samples) => distilled(samples, teacher, { session: { device, threads }, axis })
}

/** What is measured after each epoch, and what decides that an epoch is the best one. */
function watching(options: TrainOptions) {
  const { metric, earlyStopping } = options
  if (!keepsBest(options)) return {}
  return {
    metrics: metric,
    earlyStopping: { patience: earlyStopping ?? Number.MAX_SAFE_INTEGER, metric: metric?.[0] },
  }
}
