/**
 * Growth in the middle of training: joins the growth room (which knows how a network and its
 * slots grow) with the training room (which knows when, and goes on).
 */

import { isSampleSet, type TrainingData } from '../data/samples.ts'
import { type GrowthPlan, planDeepen } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { growByRecipe, type RecipeStep } from '../recipe/growth-recipe.ts'
import type { Optimizer } from '../training/compile/optimizers/index.ts'
import type { StepGraph, StepOptions } from '../training/compile/step-graph.ts'
import { withParameters } from '../training/compile/trainable.ts'
import type { EpochResult, TrainingState } from '../training/run/state.ts'
import { Training, type TrainOptions } from '../training/run/trainer.ts'
import { scaled } from '../training/schedules.ts'
import { growTraining } from './carry-state.ts'
import { measureStatistics } from './channel-statistics.ts'

/** When to grow: after an epoch, after a step, or when the watched loss has stopped improving. */
export type GrowthMoment =
  | { readonly epoch: number }
  | { readonly step: number }
  /** Epochs without a better validation loss (or loss, without validation). */
  | { readonly plateau: number }

/** One growth in the middle of training. */
export interface GrowthStage {
  readonly when: GrowthMoment
  /** As in a recipe: what to widen and to deepen, and how. */
  readonly steps: readonly RecipeStep[]
  /** Of the steps that have none of their own. Default 0. */
  readonly seed?: number
  /** What the learning rate is multiplied by from then on. Default 0.1. */
  readonly learningRateFactor?: number
}

/** Where a growing training stands, beside the state of its training. */
export interface GrowthPosition {
  /** The network as it is now. */
  readonly model: Model
  /** Stages that are done. */
  readonly stage: number
}

export interface GrowingOptions extends Omit<TrainOptions, 'checkpoint' | 'resume' | 'untilStep'> {
  readonly stages: readonly GrowthStage[]
  readonly checkpoint?: {
    readonly everySteps?: number
    save(state: TrainingState, position: GrowthPosition): Promise<void>
  }
  readonly resume?: { readonly state: TrainingState; readonly position: GrowthPosition }
}

export type GrowingEvent =
  | { readonly kind: 'epoch'; readonly result: EpochResult }
  | {
      readonly kind: 'growth'
      readonly stage: number
      readonly step: number
      readonly plans: readonly GrowthPlan[]
      readonly learningRateFactor: number
    }
  | { readonly kind: 'end'; readonly model: Model; readonly state: TrainingState }

/**
 * Trains a network that grows as the stages say, in their order. Ends with the event `end`.
 *
 * @throws usage or refused, at once, where a stage cannot be grown; while iterating, as `train`
 */
export const trainGrowing = (
  model: Model,
  data: TrainingData,
  options: GrowingOptions,
): GrowingTraining => new GrowingTraining(model, data, options)

export class GrowingTraining implements AsyncIterable<GrowingEvent> {
  readonly #data: TrainingData
  readonly #options: GrowingOptions
  #training: Training
  #stage: number

  constructor(model: Model, data: TrainingData, options: GrowingOptions) {
    const { resume } = options
    this.#data = data
    this.#options = options
    this.#stage = resume?.position.stage ?? 0
    mustGrow(resume?.position.model ?? model, options.stages.slice(this.#stage))
    this.#training = this.#start(resume?.position.model ?? model, resume?.state)
  }

  /** Everything that decides the future, with `position`. */
  get state(): TrainingState {
    return this.#training.state
  }
  /** The network with its present weights. */
  get model(): Model {
    return this.#training.model
  }
  get position(): GrowthPosition {
    return { model: this.model, stage: this.#stage }
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
    const done = this.#options.stages.slice(0, this.#stage + 1)
    const optimizer = slowed(this.#options.optimizer, done)
    const grown = await growAll(this.#training, this.state, stage, {
      ...this.#options,
      optimizer,
      data: this.#data,
    })
    this.#stage++
    this.#training = this.#start(grown.model, grown.state)
    return {
      kind: 'growth',
      stage: this.#stage,
      step: grown.state.step,
      plans: grown.plans,
      learningRateFactor: stage.learningRateFactor ?? 0.1,
    }
  }

  /** The training up to the next stage. */
  #start(model: Model, state: TrainingState | undefined): Training {
    const { stages, resume: _, checkpoint, ...rest } = this.#options
    const stage = this.#stage
    const when = stages[stage]?.when
    const training: Training = new Training(model, this.#data, {
      ...rest,
      optimizer: slowed(rest.optimizer, stages.slice(0, stage)),
      ...(when && 'step' in when ? { untilStep: when.step } : {}),
      ...(state ? { resume: state } : {}),
      ...(checkpoint
        ? {
            checkpoint: {
              ...(checkpoint.everySteps === undefined ? {} : { everySteps: checkpoint.everySteps }),
              save: (saved) =>
                checkpoint.save(saved, { stage, model: withTrained(model, training.step, saved) }),
            },
          }
        : {}),
    })
    return training
  }
}

/** A growth that is not possible is refused before the first step, not after hours. */
function mustGrow(model: Model, stages: readonly GrowthStage[]): void {
  let grown = model
  for (const { steps, seed = 0 } of stages)
    grown = growByRecipe(grown, { seed, steps: [...steps] }).model
}

const withTrained = (model: Model, step: StepGraph, state: TrainingState): Model =>
  withParameters(
    model,
    new Map(
      [...step.parameters, ...step.statistics].map((name) => [name, state.tensors.get(name)!]),
    ),
  )

function isDue(when: GrowthMoment, state: TrainingState): boolean {
  if ('epoch' in when) return state.epoch >= when.epoch
  if ('step' in when) return state.step >= when.step
  return state.history.length > 0 && state.batch === 0 && state.waited >= when.plateau
}

const slowed = (optimizer: Optimizer, done: readonly GrowthStage[]): Optimizer => ({
  ...optimizer,
  learningRate: scaled(
    optimizer.learningRate,
    done.reduce((factor, stage) => factor * (stage.learningRateFactor ?? 0.1), 1),
  ),
})

interface Surroundings extends Pick<GrowingOptions, 'runtime' | 'session'> {
  readonly data: TrainingData
}

async function growAll(
  training: Training,
  state: TrainingState,
  stage: GrowthStage,
  options: StepOptions & Surroundings,
) {
  let { model } = training
  let current = state
  let step = training.step
  const plans: GrowthPlan[] = []
  for (const [i, each] of stage.steps.entries()) {
    // As a recipe of all steps counts the seeds.
    const seed = each.seed ?? (stage.seed ?? 0) + i
    const plan = await planStep({ ...each, seed }, model, options)
    const grown = growTraining(model, step, current, plan, options)
    plans.push(plan)
    model = grown.model
    current = grown.state
    step = grown.step
  }
  return { model, state: current, plans }
}

/** Where normalizations are inserted, with the statistics of what passes there now. */
async function planStep(
  step: RecipeStep,
  model: Model,
  { data, runtime, session }: Surroundings,
): Promise<GrowthPlan> {
  if ('deepen' in step && !step.plan && isSampleSet(data)) {
    const { deepen, seed, init, block } = step
    const layers = typeof deepen === 'string' ? [deepen] : deepen
    const statistics = await measureStatistics(model, layers, {
      samples: data,
      runtime,
      ...(session ? { session } : {}),
    })
    return planDeepen(model, layers, {
      statistics,
      ...(seed === undefined ? {} : { seed }),
      ...(init === undefined ? {} : { init }),
      ...(block === undefined ? {} : { block }),
    })
  }
  return growByRecipe(model, { steps: [step] }).plans[0]!
}
