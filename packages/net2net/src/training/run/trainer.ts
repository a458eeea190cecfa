/** Trains a model: epochs, validation, schedules, stopping, and a state that can be taken away. */

import {
  batchesOf,
  emptyData,
  isSampleSet,
  mustServe,
  type TrainingData,
} from '../../data/samples.ts'
import { Net2NetError, usageError } from '../../errors.ts'
import { mustHaveClassesOf, withClasses } from '../../model/classes.ts'
import type { Model } from '../../model/model.ts'
import { withNewEntries } from '../../model/new-entries.ts'
import { withColumns, withOutputMeaning } from '../../model/output-meaning.ts'
import { withPreparation } from '../../model/preparation.ts'
import { inFloat32 } from '../../passes/single-precision.ts'
import { permutation, randomStream } from '../../tensor/random.ts'
import type { Tensor } from '../../tensor/tensor.ts'
import { slotName } from '../compile/optimizers/optimizer.ts'
import { buildStep, type StepGraph, type StepOptions } from '../compile/step-graph.ts'
import { forServing, withParameters } from '../compile/trainable.ts'
import { metricOf } from '../metrics/metrics.ts'
import { afterEpoch, rateAt } from '../schedules.ts'
import type { CheckpointHook, StepEvent, TrainOptions } from '../train-options.ts'
import { createStepper } from './create-stepper.ts'
import { type EvaluateOptions, mustBeFitForEvaluation } from './evaluate.ts'
import { batchOptionsOf, mustFitSamples } from './feeds.ts'
import { assertFinite, notFinite } from './finite.ts'
import { throwIfAborted } from './interrupted.ts'
import {
  copyTensor,
  type EpochResult,
  type EpochTotals,
  noTotals,
  startingState,
  type TrainingState,
  withRecent,
} from './state.ts'
import type { StepOutcome, Stepper } from './stepper.ts'
import { formsFor } from './targets.ts'
import { Validation } from './validation.ts'

export type { CheckpointHook, EarlyStopping, StepEvent, TrainOptions } from '../train-options.ts'

/** How the step of a training on this data is compiled. */
export const stepOptionsOf = (options: TrainOptions, data: TrainingData): StepOptions => ({
  ...options,
  ...batchOptionsOf(data),
  watch: true,
  ...formsFor(options.runtime, options.session?.device),
})

/**
 * Trains a model. Iterating yields one result per epoch; afterwards `model` is the trained one.
 * The model that was given stays as it is.
 *
 * @throws while iterating: refused or usage where the model cannot be trained so; internal where
 *   a number became NaN or infinite (named); interrupted where the signal said so
 */
export class Training implements AsyncIterable<EpochResult> {
  /** The compiled step. */
  readonly step: StepGraph
  /** What differs from what was asked for, in sentences: a model of another precision, say. */
  readonly notes: readonly string[]
  readonly #model: Model
  readonly #data: TrainingData
  readonly #options: TrainOptions
  #state: TrainingState
  /** While epochs are made. */
  #validation: Validation | undefined

  /** @param compiled the step of this model with these options, where it is at hand */
  constructor(model: Model, data: TrainingData, options: TrainOptions, compiled?: StepGraph) {
    mustBeOptions(options)
    const { validation, resume } = options
    this.#data = data
    this.#options = options
    const passes = this.#passesLeft(resume)
    mustServe(data, trainingData, data === validation ? 2 * passes : passes)
    if (validation) mustServe(validation, validationData, passes)
    this.step = compiled ?? buildStep(model, stepOptionsOf(options, data))
    this.#model = model
    if (isSampleSet(data)) {
      const classes = this.step.target.classAxis === undefined ? undefined : data.classes
      mustHaveClassesOf(model, classes, trainingData)
      if (classes) this.#model = withClasses(model, classes)
      if (data.columns) this.#model = withColumns(this.#model, data.columns)
      if (data.preparation) this.#model = withPreparation(this.#model, data.preparation)
    }
    this.#model = withOutputMeaning(this.#model, this.step.output, this.step.meaning)
    const { from } = inFloat32(model)
    this.notes = [
      ...[...from].map(
        (dtype) =>
          `The model holds ${dtype} numbers: it is trained in float32, and stored as ${dtype} again.`,
      ),
      ...(this.step.adaptersAlone
        ? [
            'The model has low-rank adapters: these are trained, and nothing else (trainOnly names others).',
          ]
        : []),
      ...this.step.left.map(({ name, reason }) => `${name} is not trained: ${reason}.`),
    ]
    this.#state = resume ? fitting(resume, this.step) : startingState(this.step.state)
  }

  #evaluating(): EvaluateOptions {
    const { evaluationBatchSize, loss, metrics, output, runtime, session, signal, weighted } =
      this.#options
    return {
      loss,
      runtime,
      signal,
      ...(metrics ? { metrics, intervals: false } : {}),
      session,
      output,
      weighted,
      batchSize: evaluationBatchSize,
    }
  }

  /** What would fail later fails before the first step. */
  async #checkData(): Promise<void> {
    const { validation, batchSize = 32 } = this.#options
    if (isSampleSet(this.#data)) await mustFitSamples(this.step, this.#data, batchSize)
    if (!validation) return
    const passes = this.#passesLeft(this.#state)
    await mustBeFitForEvaluation(
      this.#model,
      validation,
      this.#evaluating(),
      validationData,
      passes,
    )
  }

  #passesLeft(state: TrainingState | undefined): number {
    return (this.#options.epochs ?? 1) - (state?.epoch ?? 0)
  }

  /** Everything that decides the future, as of the last step that was waited for. */
  get state(): TrainingState {
    return this.#state
  }

  /** The model with its present weights and running statistics. */
  get model(): Model {
    const names = [...this.step.parameters, ...this.step.statistics]
    return this.#with(names.map((name) => [name, name]))
  }

  /** The model with the moving averages of its weights, where the optimizer keeps them. */
  get averagedModel(): Model {
    const { parameters, statistics } = this.step
    return this.#with([
      ...parameters.map((name) => [name, slotName(name, 'ema')] as const),
      ...statistics.map((name) => [name, name] as const),
    ])
  }

  /** The present values of what is trained. */
  get #trained(): ReadonlyMap<string, Tensor> {
    const names = [...this.step.parameters, ...this.step.statistics]
    return new Map(names.map((name) => [name, this.#state.tensors.get(name)!]))
  }

  #with(names: readonly (readonly [string, string])[]): Model {
    const values = new Map<string, Tensor>()
    for (const [name, source] of names) {
      const tensor = this.#state.tensors.get(source)
      if (!tensor) throw usageError(`This training keeps no "${source}".`)
      values.set(name, tensor)
    }
    const model = forServing(withParameters(this.#model, values))
    // What has been trained is new no more.
    return this.#state.step > 0 ? withNewEntries(model, new Map()) : model
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<EpochResult, void> {
    const { epochs = 1, runtime, session = {} } = this.#options
    if (this.#state.epoch >= epochs || this.#stopped()) return
    await this.#checkData()
    const stepper = await createStepper(this.step, this.#state.tensors, runtime, session)
    const { validation, onValidation: onProgress } = this.#options
    this.#validation =
      validation && new Validation(validation, { ...this.#evaluating(), onProgress })
    try {
      while (this.#state.epoch < epochs && !this.#stopped()) {
        const result = await this.#epoch(stepper)
        if (!result) return
        yield result
      }
      const { bestTensors } = this.#state
      if (bestTensors)
        this.#state = {
          ...this.#state,
          tensors: new Map([...this.#state.tensors, ...bestTensors]),
        }
    } finally {
      await this.#validation?.release()
      await stepper.release()
    }
  }

  /** undefined where `untilStep` ends the training before the epoch is over. */
  async #epoch(stepper: Stepper): Promise<EpochResult | undefined> {
    const { batchSize = 32, seed = 0, shuffle = true, optimizer, signal } = this.#options
    const { checkpoint, untilStep = Number.POSITIVE_INFINITY } = this.#options
    const start = performance.now() - this.#state.totals.seconds * 1000
    const data = this.#data
    const { epoch } = this.#state
    let { batch: done, step, totals } = this.#state
    let batches: number | undefined
    let order: Uint32Array | undefined
    let skip = done
    if (isSampleSet(data)) {
      order = shuffle
        ? permutation(data.length, randomStream(seed, 'shuffle', epoch))
        : Uint32Array.from({ length: data.length }, (_, i) => i)
      order = order.subarray(done * batchSize)
      batches = Math.ceil(data.length / batchSize)
      skip = 0
    }
    const seconds = () => (performance.now() - start) / 1000
    const take = async () => {
      this.#state = {
        ...this.#state,
        tensors: new Map([...(await stepper.read())].map(([n, t]) => [n, copyTensor(t)])),
        batch: done,
        step,
        totals: { ...totals, seconds: seconds() },
      }
    }

    try {
      for await (const batch of batchesOf(data, batchSize, order, epoch)) {
        if (skip-- > 0) continue
        if (step >= untilStep) {
          await take()
          return undefined
        }
        throwIfAborted(signal)
        const part = batches === undefined ? 0 : done / batches
        const learningRate = rateAt(optimizer.learningRate, {
          step,
          epoch: epoch + part,
          batches,
          plateau: this.#state.plateau,
        })
        const outcome = await stepper.step(batch, learningRate)
        if (!Number.isFinite(outcome.loss)) throw notFinite(stepper, batch, step + 1)
        if (!Number.isFinite(outcome.stateSum)) assertFinite(await stepper.read(), step + 1)
        step++
        done++
        totals = addOutcome(totals, outcome, learningRate)
        this.#options.onStep?.(
          this.#stepEvent(outcome, totals, {
            epoch: epoch + 1,
            step,
            batch: done,
            batches,
            learningRate,
            samples: batch.target.dims[0] ?? 1,
            seconds: seconds(),
          }),
        )
        if (checkpoint && isDue(checkpoint, step)) {
          await take()
          assertFinite(this.#state.tensors, step)
          await checkpoint.save(this.#state)
        }
      }
    } catch (error) {
      // Whoever stopped this gets the state of the last whole step.
      if (error instanceof Net2NetError && error.kind === 'interrupted') await take()
      throw error
    }
    if (totals.predictions === 0) throw emptyData(trainingData, epoch > 0)
    await take()
    assertFinite(this.#state.tensors, step)
    return this.#finishEpoch(totals, seconds)
  }

  #stepEvent(
    outcome: StepOutcome,
    totals: EpochTotals,
    rest: Pick<
      StepEvent,
      'epoch' | 'step' | 'batch' | 'batches' | 'learningRate' | 'samples' | 'seconds'
    >,
  ): StepEvent {
    const { loss, correct, predictions } = outcome
    return {
      ...rest,
      loss,
      epochLoss: totals.loss / totals.predictions,
      ...(this.step.counts
        ? {
            accuracy: correct / predictions,
            epochAccuracy: totals.correct / totals.predictions,
          }
        : {}),
      predictions,
      ...(this.step.gradientNorm === undefined ? {} : { gradientNorm: outcome.gradientNorm }),
    }
  }

  async #finishEpoch(totals: EpochTotals, seconds: () => number): Promise<EpochResult> {
    const { validation } = this.#options
    const measured =
      validation &&
      (await this.#validation?.measure(
        () => this.model,
        this.#trained,
        validationData,
        isSampleSet(validation) || this.#passesLeft(this.#state) > 1 || this.#state.epoch > 0,
      ))
    const mean = totals.loss / totals.predictions
    const result: EpochResult = {
      epoch: this.#state.epoch + 1,
      loss: mean,
      ...(this.step.counts ? { accuracy: totals.correct / totals.predictions } : {}),
      ...(measured ? { valLoss: measured.loss } : {}),
      ...(measured?.accuracy === undefined ? {} : { valAccuracy: measured.accuracy }),
      ...(measured?.metrics
        ? {
            metrics: Object.fromEntries(
              Object.entries(measured.metrics).map(([name, { value }]) => [name, value]),
            ),
          }
        : {}),
      seconds: seconds(),
      learningRate: totals.learningRate,
      step: this.#state.step,
    }
    this.#state = this.#afterEpoch(result)
    await this.#options.checkpoint?.save(this.#state)
    return result
  }

  #afterEpoch(result: EpochResult): TrainingState {
    const { optimizer, earlyStopping } = this.#options
    const plateauLoss = result.valLoss ?? result.loss
    const watched = watchedOf(this.#options, result)
    const state = this.#state
    const better = watched < state.best - (earlyStopping?.minimumChange ?? 0)
    const best = better && earlyStopping?.restoreBest
    const trained = [...this.step.parameters, ...this.step.statistics]
    return {
      ...state,
      epoch: result.epoch,
      batch: 0,
      totals: noTotals,
      plateau: afterEpoch(optimizer.learningRate, state.plateau, plateauLoss),
      history: [...state.history, result],
      recent: withRecent(state, result),
      best: better ? watched : state.best,
      waited: better ? 0 : state.waited + 1,
      ...(best
        ? { bestTensors: new Map(trained.map((name) => [name, state.tensors.get(name)!])) }
        : {}),
    }
  }

  #stopped(): boolean {
    const { earlyStopping } = this.#options
    return earlyStopping !== undefined && this.#state.waited >= earlyStopping.patience
  }
}

const isDue = (checkpoint: CheckpointHook, step: number): boolean =>
  (checkpoint.everySteps !== undefined && step % checkpoint.everySteps === 0) ||
  (checkpoint.isDue?.() ?? false)

/** What is to become smaller: the loss, or the metric that is asked for. */
function watchedOf({ earlyStopping, metrics = [] }: TrainOptions, result: EpochResult): number {
  const metric = metrics.map(metricOf).find(({ name }) => name === earlyStopping?.metric)
  if (!metric) return result.valLoss ?? result.loss
  const value = result.metrics?.[metric.name] ?? Number.NaN
  return metric.better === 'higher' ? -value : value
}

const trainingData = 'The training data'
const validationData = 'The validation data'

/** @throws usage for a number that no training can be told */
function mustBeOptions(options: TrainOptions): void {
  const { epochs, batchSize, evaluationBatchSize, untilStep, earlyStopping, checkpoint } = options
  const { patience, minimumChange = 0 } = earlyStopping ?? {}
  const everySteps = checkpoint?.everySteps
  const counts = { epochs, batchSize, evaluationBatchSize, patience, everySteps }
  for (const [name, value] of Object.entries(counts))
    if (value !== undefined && !(Number.isInteger(value) && value >= 1))
      throw usageError(`${name} must be a whole number from 1 on, not ${value}.`, { where: name })
  const names = (options.metrics ?? []).map((metric) => metricOf(metric).name)
  if (names.length > 0 && !options.validation)
    throw usageError(
      `The metrics ${names.join(', ')} are measured on validation data, but there are none.`,
      { where: 'metrics' },
    )
  const watched = earlyStopping?.metric
  if (watched !== undefined && !names.includes(watched))
    throw usageError(
      `Early stopping watches the metric "${watched}", which is not measured${names.length > 0 ? `; measured are ${names.join(', ')}` : ''}.`,
      { where: 'earlyStopping.metric' },
    )
  for (const [name, value] of Object.entries({ untilStep, minimumChange }))
    if (value !== undefined && !(value >= 0))
      throw usageError(`${name} must be a number from 0 on, not ${value}.`, { where: name })
}

const addOutcome = (
  totals: EpochTotals,
  outcome: StepOutcome,
  learningRate: number,
): EpochTotals => ({
  ...totals,
  learningRate,
  loss: totals.loss + outcome.loss * outcome.predictions,
  correct: totals.correct + outcome.correct,
  predictions: totals.predictions + outcome.predictions,
})

/** The state, if it is one of this step graph. */
function fitting(state: TrainingState, step: StepGraph): TrainingState {
  for (const [name, { dims }] of step.state) {
    const given = state.tensors.get(name)
    if (!given)
      throw usageError(`The state to go on from has no "${name}": it is of another training.`)
    if (String(given.dims) !== String(dims))
      throw usageError(
        `The state to go on from has "${name}" as [${given.dims}] instead of [${dims}].`,
      )
  }
  const names = [...step.state.keys()]
  return { ...state, tensors: new Map(names.map((name) => [name, state.tensors.get(name)!])) }
}
