/**
 * Net2WiderNet on any graph: from wanted widths to a plan. Units of a layer are channel groups
 * that the solver found; everything that their growth touches is in the plan.
 */
import { internalError, refusedError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import type { GrowthPlan } from '../growth-plan.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { addedWidth, joinedWidth } from './added-width.ts'
import type { AddedOf, Noise } from './parameters.ts'
import { planUnits } from './plan-units.ts'
import { type Replicated, type ReplicateOptions, replicate, replicateOptions } from './replicate.ts'
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
  const others = grown.filter(({ units: { init: start } }) => start === 'added')
  if (others.length === 0) return planOf(solution, grown, chosen)
  const { addedOf, floats, inserted } = addedUnits(solution, others, chosen.noise !== 'none')
  const plan = planUnits(solution, grown, noiseOf(chosen), addedOf)
  return {
    version: 3,
    seed: chosen.seed,
    ...plan,
    inserted,
    floats: [...floats, ...(plan.floats ?? [])],
  }
}

type Chosen = Pick<Required<ReplicateOptions>, 'seed' | 'noise' | 'noiseSize'>
const noiseOf = ({ noise, noiseSize }: Chosen): Noise => ({ kind: noise, relative: noiseSize })

/** The plan of units that are copied, or merged: what follows from them for everything else. */
export const planOf = (
  solution: Solution,
  grown: readonly Replicated[],
  chosen: Chosen,
): GrowthPlan => ({
  version: 2,
  seed: chosen.seed,
  ...planUnits(solution, grown, noiseOf(chosen)),
  inserted: [],
})

/**
 * What follows where units are added instead of copied.
 *
 * @param isRandom Whether weights that read them may be random, so that they learn different things.
 * @throws Net2NetError (refused) for groups of these that meet where only one may change what there is
 */
function addedUnits(solution: Solution, others: readonly Replicated[], isRandom: boolean) {
  const { parameters, scaled, floats, inserted } = others
    .map(({ variable, id, units }) => {
      const found = addedWidth(solution, variable, units.from, units.to)
      if ('reason' in found)
        throw internalError(`${id} cannot grow to ${units.to} units: ${found.reason}.`)
      return found
    })
    .reduce((all, next) => {
      const joined = joinedWidth(all, next)
      if ('parameters' in joined) return joined
      const ids = others.map(({ id }) => id).join(', ')
      throw refusedError(
        `The widths of ${ids} are no multiples of the old ones, and ${joined.reason}: widen one after the other.`,
      )
    })
  const addedOf: AddedOf = (reading) => {
    const [begin, factor] = [parameters.get(reading), scaled.get(reading)]
    if (!begin || (!begin.isStarted && begin.read === 'zero')) return undefined
    const { start, read } = begin
    return {
      added: { start, ...(read === 'any' && isRandom && { read: 'random' as const }) },
      ...(factor !== undefined && { factor }),
    }
  }
  return { addedOf, floats, inserted }
}
