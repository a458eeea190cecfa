/**
 * Net2WiderNet on any graph: from wanted widths to a plan. Units of a layer are channel groups
 * that the solver found; everything that their growth touches is in the plan.
 */
import type { Model } from '../../model/model.ts'
import type { GrowthPlan } from '../growth-plan.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { planUnits } from './plan-units.ts'
import { type ReplicateOptions, replicate, replicateOptions } from './replicate.ts'
import { chooseSizes, type Widths } from './widths.ts'

/** What planning is done with, and what does not change the plan. */
export interface PlanningContext {
  /**
   * Gets the bytes that planning will take for the grown units, about, before it takes them. What it
   * throws ends the planning.
   */
  readonly onMemory?: (bytes: number) => void
}

export type WidenOptions = ReplicateOptions & PlanningContext

/** Measured from 1 to 16 million units: maps and coefficients, once in the plan and once for the tensors. */
const BYTES_PER_UNIT = 160

/**
 * Plans to widen layers and everything that must grow with them.
 *
 * A pattern (`conv*`) takes every layer that it fits and that can grow; a name takes exactly one.
 *
 * @param from A model, or what has been solved of it.
 * @throws Net2NetError (usage) for unknown layers and impossible widths; (refused) for a layer
 * that cannot grow, naming the node and the reason.
 */
export function planWiden(
  from: Model | Solution,
  widths: Widths,
  options: WidenOptions = {},
): GrowthPlan {
  const solution = solutionOf(from)
  const chosen = replicateOptions(options)
  const chosenSizes = chooseSizes(solution, widths)
  const units = [...chosenSizes.values()].reduce((sum, size) => sum + size, 0)
  options.onMemory?.(BYTES_PER_UNIT * units)
  const grown = replicate(solution, chosenSizes, chosen)
  const noise = { kind: chosen.noise, relative: chosen.noiseSize }
  return { version: 2, seed: chosen.seed, ...planUnits(solution, grown, noise), inserted: [] }
}
