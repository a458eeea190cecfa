/**
 * Growth in the middle of training: joins the growth room (which knows how a network and its
 * slots grow) with the training room (which knows when, and goes on).
 */
import {
  applyPlan,
  type GrowthPlan,
  growAverages,
  growByRecipe,
  growSlots,
  type RecipeStep,
  type SlotPower,
} from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { type LazyTensor, materialize, type Tensor } from '../tensor/tensor.ts'
import type { TrainingData } from '../training/data.ts'
import type { Optimizer, Slot } from '../training/optimizers/index.ts'
import { withParameters } from '../training/parameters.ts'
import { freshPlateau, scaled } from '../training/schedules.ts'
import type { EpochResult, TrainingState } from '../training/state.ts'
import { buildStep, type StepGraph, type StepOptions, slotName } from '../training/step-graph.ts'
import { Training, type TrainOptions } from '../training/trainer.ts'

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

/** Trains a network that grows as the stages say, in their order. Ends with the event `end`. */
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
      yield this.#grow(next)
    }
    yield { kind: 'end', model: this.model, state: this.state }
  }

  #grow(stage: GrowthStage): GrowingEvent {
    const done = this.#options.stages.slice(0, this.#stage + 1)
    const optimizer = slowed(this.#options.optimizer, done)
    const grown = growAll(this.#training, this.state, stage, { ...this.#options, optimizer })
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

function growAll(
  training: Training,
  state: TrainingState,
  stage: GrowthStage,
  options: StepOptions,
) {
  let { model } = training
  let current = state
  let step = training.step
  const { plans } = growByRecipe(model, { seed: stage.seed ?? 0, steps: [...stage.steps] })
  for (const plan of plans) {
    const grown = growTraining(model, step, current, plan, options)
    model = grown.model
    current = grown.state
    step = grown.step
  }
  return { model, state: current, plans }
}

/** With which power of the gradient each kind of slot scales; averages grow like the weights. */
const powers: Readonly<Record<Exclude<Slot['name'], 'ema' | 'step'>, SlotPower>> = {
  momentum: 1,
  m: 1,
  v: 2,
  accumulator: 2,
}

/**
 * A training after growth: parameters, running statistics, slots and averages follow the plan;
 * slots of inserted parameters start fresh; everything else goes on.
 *
 * @param model with its present weights
 * @param step the compiled step that `state` belongs to
 */
export function growTraining(
  model: Model,
  step: StepGraph,
  state: TrainingState,
  plan: GrowthPlan,
  options: StepOptions,
): { readonly model: Model; readonly step: StepGraph; readonly state: TrainingState } {
  const grownModel = applyPlan(model, plan)
  const grownStep = buildStep(grownModel, options)
  const origin = new Map(plan.parameters.map((change) => [change.to, change.name]))
  const grownSlots = new Map<Slot['name'], ReadonlyMap<string, LazyTensor>>()
  for (const { slot } of options.optimizer.slots.map(({ name }) => ({ slot: name }))) {
    const old = new Map(
      step.slots
        .filter((entry) => entry.slot === slot)
        .map((entry) => [entry.parameter, state.tensors.get(entry.name)!]),
    )
    grownSlots.set(slot, growKind(plan, slot, old, origin))
  }
  const tensors = new Map<string, Tensor>()
  for (const [name, fresh] of grownStep.state) tensors.set(name, fresh)
  for (const { name, parameter, slot } of grownStep.slots) {
    const grown = grownSlots.get(slot)?.get(parameter)
    if (grown) tensors.set(name, materialize(grown))
  }
  for (const [name, tensor] of state.tensors)
    if (!isOfParameters(step, name) && tensors.has(name)) tensors.set(name, tensor)
  return {
    model: grownModel,
    step: grownStep,
    state: withoutBest({
      ...state,
      tensors,
      plateau: freshPlateau,
      best: Number.POSITIVE_INFINITY,
      waited: 0,
    }),
  }
}

function growKind(
  plan: GrowthPlan,
  slot: Slot['name'],
  old: ReadonlyMap<string, LazyTensor>,
  origin: ReadonlyMap<string, string>,
): ReadonlyMap<string, LazyTensor> {
  if (slot === 'ema') return growAverages(plan, old)
  if (slot !== 'step') return growSlots(plan, old, powers[slot])
  // Step counts are single numbers: clones take that of the parameter that they come from.
  const result = new Map(old)
  for (const [to, from] of origin) {
    const count = old.get(from)
    if (count) result.set(to, count)
  }
  return result
}

/** Is this state a parameter, a statistic or a slot, and so grown with the model? */
const isOfParameters = (step: StepGraph, name: string): boolean =>
  step.parameters.includes(name) ||
  step.statistics.includes(name) ||
  step.slots.some((entry) => slotName(entry.parameter, entry.slot) === name)

/** The best parameters so far are of the network before it grew. */
function withoutBest({ bestTensors: _, ...state }: TrainingState): TrainingState {
  return state
}
