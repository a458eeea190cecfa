/**
 * Optimizer state of replicated units. A copy of a unit whose out-weights are split with coefficient α
 * receives α times the gradient on its way in, and the full gradient on its way out. So what an optimizer
 * remembers of a parameter follows the plan: where units are copied it is gathered and multiplied by
 * α (first powers of the gradient, momentum) or α² (second powers, Adam's v); where they are split
 * it is gathered as it is. The same holds of two factors q·k of which q is split: the gradient of q's
 * copies is that of k, as before, and k's copies meet α·q. Exact where the plan adds no noise; with noise up
 * to its size.
 *
 * Units that are merged are the way back: the gradients of copies that come in add up to that of the unit.
 */
import { isFloat } from '../../tensor/dtype.ts'
import { type AxisSelection, gather } from '../../tensor/lazy.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import type { GrowthPlan } from '../growth-plan.ts'
import { withAddedEntries } from './added-entries.ts'
import { addEntries, gatheredAxes, scaled, scaledBy, splitUp } from './grow-tensor.ts'
import { withBorder } from './larger-kernel.ts'
import { isMerged, mergeTensor, type SlotPower } from './merge-tensor.ts'

/**
 * The slots of one kind after growth, by the names of the grown parameters. Slots of parameters
 * that the plan leaves alone are passed on; parameters that it inserts have none yet.
 *
 * @param slots One tensor per parameter, of the parameter's shape before growth.
 * @param power 1 for momentum, 2 for squared gradients, 0 for averages of the weights themselves
 *   where the plan's parameter law does not apply.
 */
export function growSlots(
  plan: GrowthPlan,
  slots: ReadonlyMap<string, LazyTensor>,
  power: SlotPower,
): ReadonlyMap<string, LazyTensor> {
  const result = new Map(slots)
  // A shared parameter that was cloned everywhere has no reader left under its own name.
  for (const change of plan.parameters) {
    const slot = slots.get(change.name)
    if (!slot) continue
    if (isMerged(plan, change)) {
      gatheredAxes(plan, change, slot)
      result.set(change.to, mergeTensor(plan, change, slot, { adds: 'copied', power }))
      continue
    }
    const axes = gatheredAxes(plan, change, slot)
    const selections = axes.map(
      ({ axis, gathered: { index, copiedSplit } }): AxisSelection =>
        isFloat(slot.dtype)
          ? scaledBy(
              { axis, index },
              copiedSplit.map((coefficient) => coefficient ** power),
            )
          : { axis, index },
    )
    // Nothing is remembered of added units; their squared gradients are taken to be as those of the others.
    const start = power === 2 ? 'mean' : 'zero'
    const added = { start, seed: plan.seed, parameter: change.to } as const
    const grown = axes.reduce(
      (tensor, { axis, gathered }) =>
        isFloat(slot.dtype)
          ? withAddedEntries(
              tensor,
              { axis, gathered: { ...gathered, split: gathered.split.map(() => 1) } },
              added,
            )
          : tensor,
      gather(slot, selections),
    )
    // The gradient of γ is that of f·γ, times f.
    result.set(
      change.to,
      isFloat(slot.dtype) ? scaled(grown, (change.factor ?? 1) ** -power) : grown,
    )
  }
  enlarge(plan, slots, result)
  return result
}

/** Moving averages of the parameters grow like the parameters, but without noise. */
export function growAverages(
  plan: GrowthPlan,
  averages: ReadonlyMap<string, LazyTensor>,
): ReadonlyMap<string, LazyTensor> {
  const result = new Map(averages)
  for (const change of plan.parameters) {
    const average = averages.get(change.name)
    if (!average) continue
    if (isMerged(plan, change)) {
      result.set(change.to, mergeTensor(plan, change, average))
      continue
    }
    const axes = gatheredAxes(plan, change, average)
    const grown = gather(average, axes.map(splitUp))
    result.set(
      change.to,
      isFloat(average.dtype) ? scaled(addEntries(plan, change, grown, axes), change.factor) : grown,
    )
  }
  enlarge(plan, averages, result)
  return result
}

/** What is remembered of new taps, or averaged over them, is zero. */
function enlarge(
  plan: GrowthPlan,
  slots: ReadonlyMap<string, LazyTensor>,
  result: Map<string, LazyTensor>,
): void {
  for (const change of plan.kernels ?? []) {
    const slot = slots.get(change.name)
    if (slot) result.set(change.to, withBorder(change, slot))
  }
}
