/** A training after growth: its network, its optimizer's slots and its averages, grown alike. */
import {
  applyPlan,
  type GrowthPlan,
  growAverages,
  growSlots,
  type SlotPower,
} from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { type LazyTensor, materialize, type Tensor } from '../tensor/tensor.ts'
import type { Slot } from '../training/compile/optimizers/index.ts'
import {
  buildStep,
  type StepGraph,
  type StepOptions,
  slotName,
} from '../training/compile/step-graph.ts'
import type { TrainingState } from '../training/run/state.ts'
import { freshPlateau } from '../training/schedules.ts'

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
