/**
 * Growth in the middle of training: joins growth (which knows how a network and its slots grow) with
 * training (which knows when, and goes on).
 */
import { isSampleSet, mustServe, type TrainingData } from '../data/samples.ts'
import {
  applyPlan,
  type GrowthPlan,
  type GrowthStep,
  grow,
  type ResolvedStep,
  shareOf,
  solve,
} from '../growth/index.ts'
import { planChosen } from '../measuring/gradmax.ts'
import type { Model } from '../model/model.ts'
import { newEntriesOf } from '../model/new-entries.ts'
import { withoutUnitRates } from '../training/compile/parameter-groups.ts'
import type { StepGraph } from '../training/compile/step-graph.ts'
import { withParameters } from '../training/compile/trainable.ts'
import { type EpochResult, momentOf, type TrainingState } from '../training/run/state.ts'
import { stepOptionsOf, Training } from '../training/run/trainer.ts'
import { freshPlateau, rateAt } from '../training/schedules.ts'
import type { TrainOptions } from '../training/train-options.ts'
import { carryInto } from './carry-state.ts'
import { growMeasured } from './grow-measured.ts'
import { type GrowthStage, isDue, mustBeStages, rateFactor, slowed } from './schedule.ts'

/** Where a growing training stands, beside the state of its training. */
export interface GrowthPosition {
  /** The network as it is now. */
  readonly model: Model
  /** Stages that are done. */
  readonly stage: number
}

export interface GrowingOptions extends Omit<TrainOptions, 'checkpoint' | 'resume' | 'untilStep'> {
  /** In the order in which they come. */
  readonly stages: readonly GrowthStage[]
  readonly checkpoint?: {
    readonly everySteps?: number | undefined
    save(state: TrainingState, position: GrowthPosition): Promise<void>
  }
  readonly resume?: { readonly state: TrainingState; readonly position: GrowthPosition } | undefined
}

export type GrowingEvent =
  | { readonly kind: 'epoch'; readonly result: EpochResult }
  | {
      readonly kind: 'growth'
      /** How many stages are done. */
      readonly stage: number
      /** Steps since the training began. */
      readonly step: number
      readonly plans: readonly GrowthPlan[]
      /** The steps with every option, seed and plan written down: they grow the same network to the same bits. */
      readonly steps: readonly ResolvedStep[]
      readonly learningRateFactor: number
    }
  | { readonly kind: 'end'; readonly model: Model; readonly state: TrainingState }

/**
 * Trains a network that grows as the stages say, in their order. Ends with the event `end`.
 *
 * @throws usage or refused, at once, where a stage cannot be grown; while iterating, as `train`
 */
export class GrowingTraining implements AsyncIterable<GrowingEvent> {
  readonly #data: TrainingData
  readonly #options: GrowingOptions
  #training: Training
  /** The network that `#training` began with. */
  #model: Model
  #stage: number

  constructor(model: Model, data: TrainingData, options: GrowingOptions) {
    const { resume, stages } = options
    this.#data = data
    this.#options = options
    this.#stage = resume?.position.stage ?? 0
    mustBeStages(stages)
    const left = stages.slice(this.#stage)
    // An epoch may be interrupted by growth, and is gone through anew up to there.
    mustServe(data, 'The training data', 1 + left.length)
    const current = resume?.position.model ?? model
    mustGrow(current, left, isSampleSet(data))
    this.#model = current
    this.#training = this.#start(current, resume?.state)
  }

  /** Everything that decides the future, with `position`. */
  get state(): TrainingState {
    return this.#training.state
  }
  /** The network with its present weights. */
  get model(): Model {
    return this.#training.model
  }
  /** The network with the moving averages of its weights, where the optimizer keeps them. */
  get averagedModel(): Model {
    return this.#training.averagedModel
  }
  /** What differs from what was asked for, in sentences. */
  get notes(): readonly string[] {
    return this.#training.notes
  }
  get position(): GrowthPosition {
    const { step, state } = this.#training
    return { model: withTrained(this.#model, step, state), stage: this.#stage }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GrowingEvent, void> {
    const { stages, epochs = 1 } = this.#options
    for (;;) {
      const next = stages[this.#stage]
      const isDueNow = () => next !== undefined && isDue(next.when, this.state)
      if (!isDueNow())
        for await (const result of this.#training) {
          yield { kind: 'epoch', result }
          if (isDueNow()) break
        }
      if (!next || !isDueNow() || this.state.epoch >= epochs) break
      yield await this.#grow(next)
    }
    yield { kind: 'end', model: this.model, state: this.state }
  }

  async #grow(stage: GrowthStage): Promise<GrowingEvent> {
    const old = this.#training
    const { runtime, session, loss, output, signal } = this.#options
    const { model, plans, steps } = await growMeasured(old.model, stage.steps, {
      seed: stage.seed,
      loss,
      output,
      signal,
      // Batches that are not a set of samples can be gone through only once.
      samples: isSampleSet(this.#data) ? this.#data : undefined,
      runtime,
      session,
    })
    this.#stage++
    this.#model = model
    const options = this.#trainOptions()
    const { step, state } = carryInto(model, old, plans, {
      ...stepOptionsOf(options, this.#data),
      learningRate: this.#nextRate(options, old.state),
    })
    this.#training = this.#start(model, state, step)
    return {
      kind: 'growth',
      stage: this.#stage,
      step: state.step,
      plans,
      steps,
      learningRateFactor: rateFactor(stage),
    }
  }

  /** The learning rate of the next step. */
  #nextRate({ optimizer, batchSize = 32 }: TrainOptions, state: TrainingState): number {
    const data = this.#data
    const batches = isSampleSet(data) ? Math.ceil(data.length / batchSize) : undefined
    return rateAt(optimizer.learningRate, momentOf({ ...state, plateau: freshPlateau }, batches))
  }

  /** Of the training up to the next stage, but for its checkpoints and state. */
  #trainOptions(): TrainOptions {
    const { stages, resume: _, checkpoint: __, ...rest } = this.#options
    const when = stages[this.#stage]?.when
    // Until something has grown, nothing is new.
    const isMixed = stages.length === 0 || newEntriesOf(this.#model).size > 0
    return {
      ...rest,
      ...(isMixed ? {} : { rates: withoutUnitRates(rest.rates) }),
      optimizer: slowed(rest.optimizer, stages.slice(0, this.#stage)),
      ...(when && 'step' in when ? { untilStep: when.step } : {}),
    }
  }

  #start(model: Model, state: TrainingState | undefined, step?: StepGraph): Training {
    const { checkpoint } = this.#options
    const stage = this.#stage
    const options: TrainOptions = {
      ...this.#trainOptions(),
      resume: state,
      ...(checkpoint
        ? {
            checkpoint: {
              everySteps: checkpoint.everySteps,
              save: (saved) =>
                checkpoint.save(saved, { stage, model: withTrained(model, training.step, saved) }),
            },
          }
        : {}),
    }
    const training: Training = new Training(model, this.#data, options, step)
    return training
  }
}

/** A growth that is not possible is refused before the first step, not after hours. */
function mustGrow(model: Model, stages: readonly GrowthStage[], hasSamples: boolean): void {
  let grown = model
  for (const { steps, seed = 0 } of stages)
    for (const [i, step] of steps.entries())
      grown =
        (hasSamples && measuredLater(grown, step)) || grow(grown, [step], { seed: seed + i }).model
}

/** A network as large as it will be after a step that depends on what is measured then, as far as that is known. */
function measuredLater(model: Model, step: GrowthStep): Model | undefined {
  if (!('widen' in step) || step.plan) return undefined
  if (shareOf(step.widen) !== undefined) return model
  return step.init === 'gradmax'
    ? applyPlan(model, planChosen(solve(model), step.widen))
    : undefined
}

const withTrained = (model: Model, step: StepGraph, state: TrainingState): Model =>
  withParameters(
    model,
    new Map(
      [...step.parameters, ...step.statistics].map((name) => [name, state.tensors.get(name)!]),
    ),
  )
