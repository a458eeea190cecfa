/**
 * Net2WiderNet on any graph: from wanted widths to a plan. Units of a layer are channel groups
 * that the solver found; everything that their growth touches is in the plan.
 */
import type { Model } from '../../model/model.ts'
import { NameSupply, valueNames } from '../../model/names.ts'
import type { GrowthPlan } from '../growth-plan.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { integerChanges } from './integers.ts'
import { parameterChanges } from './parameters.ts'
import { pinnedNumbers } from './pinned.ts'
import { positionsChanges } from './positions.ts'
import { Projection } from './project.ts'
import { type Replicated, type ReplicateOptions, replicate, replicateOptions } from './replicate.ts'
import { refuseBoth } from './variants.ts'
import { chooseSizes, type Widths } from './widths.ts'

/** What planning is done with, and what does not change the plan. */
export interface PlanningContext {
  /**
   * Gets the bytes that planning will take for the grown units, about, before it takes them. What it
   * throws ends the planning.
   */
  readonly onMemory?: ((bytes: number) => void) | undefined
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
  return planOf(solution, grown, chosen)
}

/** The plan of units that grow, or are merged: what follows from them for everything else. */
export function planOf(
  solution: Solution,
  grown: readonly Replicated[],
  chosen: Pick<Required<ReplicateOptions>, 'seed' | 'noise' | 'noiseSize'>,
): GrowthPlan {
  const projection = new Projection(solution, grown)
  const names = new NameSupply(valueNames(solution.facts.model.graph))
  const noise = { kind: chosen.noise, relative: chosen.noiseSize }
  const parameters = parameterChanges(solution, projection, noise, names)
  const positions = positionsChanges(solution, projection, names)
  const sizes = integerChanges(solution, projection, names)
  refuseBoth(parameters, sizes.integers)
  const { integers, pinned } = pinnedNumbers(
    solution,
    projection,
    [...parameters, ...positions],
    sizes,
  )
  return {
    version: 2,
    seed: chosen.seed,
    units: grown.map(({ units }) => units),
    parameters,
    copied: sizes.copied,
    integers,
    pinned,
    positions,
    inserted: [],
  }
}
