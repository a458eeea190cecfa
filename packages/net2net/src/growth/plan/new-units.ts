/**
 * Units of their own: what reads them begins with weights of zero, so that the function stays whatever their in-weights are.
 * These begin with random numbers, until somebody chooses them by the gradient (GradMax, arXiv:2201.05125).
 *
 * What else a unit has (scale and statistics of a norm, a slope, the kernel of a depthwise convolution) is that of an old
 * unit; what is added to it, such as a bias, is zero.
 */
import { refusedError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { scalingOf } from '../../operators/helpers/scaling.ts'
import { randomStream } from '../../tensor/random.ts'
import type { AddedStart, GrowthPlan } from '../growth-plan.ts'
import type { Reading } from '../solve/facts.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { planUnits } from './plan-units.ts'
import { namedUnits, type Replicated } from './replicate.ts'

/**
 * Plans to give variables new units.
 *
 * @param sizes The size that each variable gets.
 * @throws Net2NetError (refused) where units cannot be added, with the reason
 */
export function planNewUnits(
  from: Model | Solution,
  sizes: ReadonlyMap<number, number>,
  seed: number,
): GrowthPlan {
  const solution = solutionOf(from)
  const grown = namedUnits(solution, sizes).map(({ from: old, members, ...named }): Replicated => {
    const reason = solution.groups.balanced(named.variable)
    if (reason !== undefined)
      throw refusedError(
        `${named.id} cannot get units with weights of their own: what its units hold must keep a norm's statistics (${reason}).`,
        { where: named.id },
      )
    const { id, to } = named
    const random = randomStream(seed, 'map', id)
    const map = Array.from({ length: to }, (_, i) => (i < old ? i : random.below(old)))
    const split = map.map((_, i) => (i < old ? 1 : 0))
    return { ...named, units: { id, members, from: old, to, init: 'added', map, split } }
  })
  const variables = new Set(sizes.keys())
  const units = planUnits(solution, grown, { kind: 'none', relative: 0 }, (reading) => ({
    added: { start: startOf(solution, reading, variables) },
  }))
  return { version: 3, seed, ...units, inserted: [] }
}

function startOf(solution: Solution, reading: Reading, variables: ReadonlySet<number>): AddedStart {
  const { facts } = solution
  const { node, input } = reading
  if (isInWeight(solution, reading, variables)) return 'random'
  const sets = scalingOf(facts.operatorOf(node))?.inputs(node) ?? []
  const isValue = (i: number) =>
    (node.inputs[i] ?? '') !== '' && facts.provenance(node.inputs[i]!).kind === 'activation'
  const isAdded = sets.some((set) => set.includes(input) && set.some(isValue))
  return isAdded ? 'zero' : 'copy'
}

/** Does the constant say what a unit computes from other values, or what is looked up for it? */
function isInWeight(
  { facts, relations, axes }: Solution,
  { node, input, name }: Reading,
  variables: ReadonlySet<number>,
): boolean {
  const reading = facts.readingAt(node, input)
  const found = reading && relations.readings.get(reading)
  if (found?.contracted.includes(true)) return true
  if (facts.operatorOf(node)?.reads?.positions?.of === input) return true
  const layers = facts.layers.filter(({ weight }) => weight === name)
  // A depthwise convolution takes the units that it gives.
  const isOn = (value: string) =>
    relations.axes
      .get(value)
      ?.some((axis) => axes.leaves(axis).some((leaf) => variables.has(leaf))) === true
  return layers.some((layer) => !layer.node.inputs.some((value) => isOn(value)))
}
