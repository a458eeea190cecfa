/** What a training begins with that goes on from an earlier one of the same network. */
import type { GrowthPlan } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { buildStep, type StepOptions } from '../training/compile/step-graph.ts'
import { startingState, type TrainingState } from '../training/run/state.ts'
import { carryState } from './carry-state.ts'

/**
 * The state before the first step of a new training, with the slots at the end of the earlier one, grown by these plans; undefined
 * where the optimizer keeps other slots than before, or the tensors are not of this model.
 *
 * @param model as the earlier training left it
 * @param tensors its parameters, statistics and slots: `state.tensors`
 * @param plans what the model has grown by since
 */
export function continueState(
  model: Model,
  tensors: ReadonlyMap<string, Tensor>,
  plans: readonly GrowthPlan[],
  options: StepOptions,
): TrainingState | undefined {
  const step = buildStep(model, options)
  for (const [name, { dims }] of step.state)
    if (String(tensors.get(name)?.dims) !== String(dims)) return undefined
  const own = new Map([...step.state.keys()].map((name) => [name, tensors.get(name)!]))
  const state = startingState(own)
  return plans.length === 0
    ? state
    : startingState(carryState({ model, step, state }, plans, options).state.tensors)
}
