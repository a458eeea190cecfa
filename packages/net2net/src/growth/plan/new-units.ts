/**
 * Units of their own: what reads them begins with weights of zero, so that the function stays whatever their in-weights are.
 * These begin with random numbers, until somebody chooses them by the gradient (GradMax, arXiv:2201.05125).
 *
 * What else a unit has (scale and statistics of a norm, a slope, the kernel of a depthwise convolution) is that of an old
 * unit; what is added to it, such as a bias, is zero.
 */
import { refusedError } from '../../errors.ts'
import type { Model, Node } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
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
    const reason = whyNotNew(solution, named.variable)
    if (reason !== undefined)
      throw refusedError(`${named.id} cannot get units with weights of their own: ${reason}.`, {
        where: named.id,
      })
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

/**
 * Why copies of units may keep the function and other units do not: there is a node to which the units say something even if all
 * that reads them with weights reads them with zeros.
 */
function whyNotNew(solution: Solution, variable: number): string | undefined {
  const { facts, relations, axes, groups } = solution
  const balanced = groups.balanced(variable)
  if (balanced !== undefined)
    return `every unit must be copied equally often, since a node ${balanced}`
  const has = (axis: Axis) => axes.leaves(axis).includes(variable)
  const summing = new Set(
    relations.contractions.filter(({ axis }) => has(axis)).map(({ node }) => node),
  )
  const isOn = (node: Node, input: number) => {
    const reading = facts.readingAt(node, input)
    const known = reading && relations.readings.get(reading)
    if (known) return known.axes.some((axis, k) => !known.contracted[k] && has(axis))
    return relations.axes.get(node.inputs[input] ?? '')?.some(has) === true
  }
  const reducing = facts.model.graph.nodes.find((node) => {
    const operator = facts.operatorOf(node)
    const { reads } = operator ?? {}
    // What only takes some entries leaves out the others.
    if (reads?.shapes || summing.has(node) || movesElements(operator)) return false
    if (node.outputs.some((name) => relations.axes.get(name)?.some(has))) return false
    return [...node.inputs.keys()].some((i) => !reads?.numbers?.includes(i) && isOn(node, i))
  })
  return reducing && `${describeNode(reducing)} reduces them without weights`
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
  { facts, relations, splits, axes }: Solution,
  reading: Reading,
  variables: ReadonlySet<number>,
): boolean {
  const { node, input, name } = reading
  const found = relations.readings.get(reading)!
  if (found.contracted.includes(true)) return true
  if (facts.operatorOf(node)?.reads?.positions?.of === input) return true
  const layers = facts.layers.filter(({ weight }) => weight === name)
  const copied = found.axes.filter((_, k) => !splits.axisOf(reading, k))
  const own = new Set(copied.flatMap((axis) => axes.leaves(axis)).filter((v) => variables.has(v)))
  // A depthwise convolution takes the units that it gives.
  const isOn = (value: string) =>
    facts.provenance(value).kind === 'activation' &&
    relations.axes.get(value)?.some((axis) => axes.leaves(axis).some((v) => own.has(v))) === true
  return layers.some((layer) => !layer.node.inputs.some((value) => isOn(value)))
}
