/** A training after growth: its network, its optimizer's slots and its averages, grown alike. */
import { applyPlan, type GrowthPlan, growAverages, growSlots } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { float32, type LazyTensor, materialize, type Tensor } from '../tensor/tensor.ts'
import { meanOver, squaresOf } from '../training/compile/optimizers/factored.ts'
import type { Slot } from '../training/compile/optimizers/index.ts'
import { slotName } from '../training/compile/optimizers/optimizer.ts'
import { buildStep, type StepGraph, type StepOptions } from '../training/compile/step-graph.ts'
import { lastRate, momentOf, type TrainingState } from '../training/run/state.ts'
import { freshPlateau, rateAt } from '../training/schedules.ts'

/** A training at one moment: `Training` is one. */
export interface TrainingMoment {
  /** With its present weights. */
  readonly model: Model
  /** The compiled step that `state` belongs to. */
  readonly step: StepGraph
  readonly state: TrainingState
}

export interface CarryOptions extends StepOptions {
  /**
   * Learning rate of the first step after growth. Default: what the optimizer's schedule gives at the
   * beginning of the running epoch.
   */
  readonly learningRate?: number
}

/**
 * A training after growth by one plan, or by several in their order. Parameters, running statistics,
 * slots and averages follow the plans; slots of inserted parameters start fresh; counts of steps and
 * epochs go on; what was remembered of losses (early stopping, plateaus) starts anew. The new model is
 * compiled once.
 *
 * Where the learning rate changes at growth, velocity changes with it. SGD's velocity is Keras's: it
 * holds the learning rate, v ← μ v − η g, so an old velocity at a new rate would make steps as large
 * as before for about 1 / (1 − μ) steps. It is multiplied by the new rate over that of the last step:
 * the first update after growth is as if all steps before had been made at the new rate. Slots that
 * hold gradients alone (Adam's, Adagrad's) stay as they are.
 *
 * @param options of the new training; its optimizer has the same slots as the old one's
 * @throws Net2NetError (usage, refused) as `buildStep`
 */
export function carryState(
  training: TrainingMoment,
  plan: GrowthPlan | readonly GrowthPlan[],
  options: CarryOptions,
): TrainingMoment {
  const plans = 'parameters' in plan ? [plan] : plan
  return carryInto(plans.reduce(applyPlan, training.model), training, plans, options)
}

/** The same, where the grown model is at hand. */
export function carryInto(
  model: Model,
  { step: oldStep, state }: TrainingMoment,
  plans: readonly GrowthPlan[],
  { learningRate, ...options }: CarryOptions,
): TrainingMoment {
  const step = buildStep(model, options)
  const { optimizer } = options
  const grown: TrainingState = {
    ...withoutBest(state),
    plateau: freshPlateau,
    best: Number.POSITIVE_INFINITY,
    waited: 0,
    recent: [],
  }
  const before = lastRate(state)
  const after = learningRate ?? rateAt(optimizer.learningRate, momentOf(grown))
  const rateChange = before === undefined || before === 0 ? 1 : after / before
  const isFactored = (slot: Slot) => slot.shape === 'rows' || slot.shape === 'columns'
  const slots = new Map<Slot['name'], ReadonlyMap<string, Tensor>>(
    optimizer.slots
      .filter((slot) => !isFactored(slot))
      .map((slot) => {
        const factor = slot.holdsRate ? rateChange : 1
        return [slot.name, carriedSlot(slot, oldStep, state, plans, factor)] as const
      }),
  )
  if (optimizer.slots.some(isFactored)) {
    const { rows, columns } = carriedFactors(oldStep, state, plans)
    slots.set('rows', rows).set('columns', columns)
  }
  const tensors = new Map<string, Tensor>(step.state)
  for (const { name, parameter, slot } of step.slots) {
    const carried = slots.get(slot)?.get(parameter)
    if (carried) tensors.set(name, carried)
  }
  // What belongs to no parameter, such as the key of random masks, goes on.
  const grows = new Set([
    ...oldStep.parameters,
    ...oldStep.statistics,
    ...oldStep.slots.map(({ name }) => name),
  ])
  for (const [name, tensor] of state.tensors)
    if (!grows.has(name) && tensors.has(name)) tensors.set(name, tensor)
  return { model, step, state: { ...grown, tensors } }
}

/** One kind of slot, by the names of the grown parameters. */
function carriedSlot(
  slot: Slot,
  step: StepGraph,
  state: TrainingState,
  plans: readonly GrowthPlan[],
  factor: number,
): ReadonlyMap<string, Tensor> {
  let tensors: ReadonlyMap<string, LazyTensor> = new Map(
    step.slots
      .filter((entry) => entry.slot === slot.name)
      .map((entry) => [entry.parameter, state.tensors.get(entry.name)!]),
  )
  for (const plan of plans) tensors = grownSlot(slot, plan, tensors)
  return new Map(
    [...tensors].map(([name, tensor]) => [name, scaled(materialize(tensor), factor)] as const),
  )
}

/**
 * Means of squares that are kept as their means over rows and columns grow as the whole that they stand for: of the grown whole, the
 * means are taken again.
 */
function carriedFactors(step: StepGraph, state: TrainingState, plans: readonly GrowthPlan[]) {
  const parameters = step.slots.filter(({ slot }) => slot === 'rows').map((slot) => slot.parameter)
  const whole = new Map<string, LazyTensor>()
  for (const parameter of parameters) {
    const factor = (slot: Slot['name']) => state.tensors.get(slotName(parameter, slot))!
    whole.set(parameter, squaresOf(factor('rows'), factor('columns')))
  }
  let grown: ReadonlyMap<string, LazyTensor> = whole
  for (const plan of plans) grown = growSlots(plan, grown, 2)
  const means = (axis: -1 | -2) =>
    new Map([...grown].map(([name, tensor]) => [name, meanOver(materialize(tensor), axis)]))
  return { rows: means(-1), columns: means(-2) }
}

function grownSlot(
  { grows }: Slot,
  plan: GrowthPlan,
  tensors: ReadonlyMap<string, LazyTensor>,
): ReadonlyMap<string, LazyTensor> {
  if (grows === 'like-parameters') return growAverages(plan, tensors)
  if (grows !== 'not') return growSlots(plan, tensors, grows)
  // Single numbers: clones take that of the parameter that they come from.
  const result = new Map(tensors)
  for (const { name, to } of plan.parameters) {
    const count = tensors.get(name)
    if (count) result.set(to, count)
  }
  return result
}

const scaled = (tensor: Tensor, factor: number): Tensor =>
  factor === 1 || !(tensor.data instanceof Float32Array)
    ? tensor
    : float32(
        tensor.dims,
        tensor.data.map((value) => value * factor),
      )

/** The best parameters so far are of the network before it grew. */
function withoutBest({ bestTensors: _, ...state }: TrainingState): TrainingState {
  return state
}
