/**
 * Units that nothing but linear maps lies behind: whether more of them add to what the network can compute.
 *
 * Say that a group has k units. A is the matrix of what they are computed by (for each unit a row: its in-weights and its bias), B that of all
 * that they are read by (for each unit a column: its out-weights). Where units are only added to one another, moved, averaged over other axes,
 * multiplied by numbers that are the same for all of them and then contracted with B, everything else is a function of the product B·A: so a
 * convolution behind a convolution, a dense layer behind flattened pictures, and the values of attention. B·A can be any matrix of a rank up
 * to k. Once k is at least the number of rows of B or that of columns of A, it can be any matrix at all, and more units add no function,
 * although new weights have a gradient: it is that of the old product in other words.
 *
 * This asks for weights that can be any numbers, independently: what is computed from constants (a mask, a norm, integers), or read in
 * several places of which not all are of these units, is no such weight. What cannot be followed counts as not linear.
 */
import { Net2NetError } from '../errors.ts'
import { type AxisMap, type AxisRole, sizeWith } from '../growth/growth-plan.ts'
import {
  type GrowthPlan,
  neighbourhood,
  type ParameterChange,
  planNewUnits,
  type Solution,
} from '../growth/index.ts'
import type { LayerSite } from '../growth/solve/facts.ts'
import type { Contraction } from '../growth/solve/rule-context.ts'
import type { Node } from '../model/model.ts'
import type { Axis } from '../operators/contract/axis.ts'
import { movesElements, scalingOf } from '../operators/helpers/scaling.ts'
import { isFloat } from '../tensor/dtype.ts'
import { elementCount } from '../tensor/tensor.ts'

/** Why more units of a group add nothing to what the network can compute; undefined where they do, or where that is not proven. */
export function whyNoNewFunction(solution: Solution, variable: number): string | undefined {
  const size = solution.axes.sizeOfVariable(variable)
  if (typeof size !== 'number') return undefined
  const sites = sitesOf(solution, variable)
  if (!sites.nodes.every((node) => isLinearAt(solution, sites, node))) return undefined
  const plan = planOneMore(solution, variable, size)
  const matrices = plan && matricesOf(solution, plan, variable)
  if (!matrices) return undefined
  const { rows, columns, biases } = matrices
  const needed = Math.min(rows, columns + (canBeBehind(solution, sites) ? 0 : biases))
  return size >= needed
    ? `no activation lies between its units and what reads them, and ${needed} units are enough for every linear map: it has ${size}`
    : undefined
}

function planOneMore(solution: Solution, variable: number, size: number): GrowthPlan | undefined {
  try {
    return planNewUnits(solution, new Map([[variable, size + 1]]), 0)
  } catch (error) {
    if (error instanceof Net2NetError && error.kind !== 'internal') return undefined
    throw error
  }
}

interface Matrices {
  /** Of B: numbers by which each unit is read. */
  readonly rows: number
  /** Of A: in-weights of each unit, and what is added to it place by place, such as positions. */
  readonly columns: number
  /** Of A, too: numbers that are added to each unit everywhere. */
  readonly biases: number
}

/** undefined where the weights are no two matrices of numbers that can be chosen independently. */
function matricesOf(solution: Solution, plan: GrowthPlan, variable: number): Matrices | undefined {
  const counts = { rows: 0, columns: 0, biases: 0 }
  const sizeOf = (id: string) => plan.units.find((units) => units.id === id)!.from
  const roleOf = new Map<string, keyof Matrices>()
  for (const change of plan.parameters) {
    const { name, before, added } = change
    const [units, ...others] = change.axes.map(({ axis, map, role }) => {
      const { copied, split } = placesOf(map, role, sizeOf)
      const beside = elementCount(before) / before[axis]!
      return { copied: copied * beside, split: split * beside }
    })
    // With the same units on two axes it stands between them.
    if (!units || others.length > 0) return undefined
    const role = rolesOf(units, added)
    if (!role || (roleOf.get(name) ?? role) !== role) return undefined
    roleOf.set(name, role)
    counts[role] += units.copied + units.split
  }
  return [...roleOf.keys()].every((name) => isFree(solution, name, variable)) ? counts : undefined
}

function rolesOf(
  { copied, split }: { readonly copied: number; readonly split: number },
  added: ParameterChange['added'],
): keyof Matrices | undefined {
  if (split > 0) return copied > 0 ? undefined : 'rows'
  if (added?.start === 'random') return 'columns'
  if (added?.start !== 'zero') return undefined
  return copied === 1 ? 'biases' : 'columns'
}

/** How many places of an axis are of one unit, by what becomes of them. */
function placesOf(
  map: AxisMap,
  role: AxisRole,
  sizeOf: (units: string) => number,
): Readonly<Record<AxisRole, number>> {
  if ('keep' in map) return { copied: 0, split: 0 }
  if ('units' in map) return { copied: 0, split: 0, [map.role ?? role]: 1 }
  const parts = 'sum' in map ? map.sum : map.product
  const sizes = parts.map((part) => ('sum' in map ? 1 : sizeWith(part, sizeOf)))
  const all = sizes.reduce((product, size) => product * size, 1)
  const sum = { copied: 0, split: 0 }
  parts.forEach((part, i) => {
    const { copied, split } = placesOf(part, role, sizeOf)
    sum.copied += (copied * all) / sizes[i]!
    sum.split += (split * all) / sizes[i]!
  })
  return sum
}

/** Can the constant be any numbers, and is it read for these units alone? */
function isFree({ facts, relations, axes }: Solution, name: string, variable: number): boolean {
  const readings = [...relations.readings].filter(([reading]) => reading.name === name)
  const areOfUnits = readings.every(([{ tensor }, found]) => {
    return isFloat(tensor.dtype) && found.axes.some((axis) => axes.leaves(axis).includes(variable))
  })
  return areOfUnits && (facts.links.uses.get(name) ?? []).length === readings.length
}

/** What is looked up for each group of units, sorted once for all of them. */
interface Lookup {
  /** The nodes that read or compute something with an axis of these units, in the order of the graph. */
  readonly nodes: ReadonlyMap<number, readonly Node[]>
  readonly contractions: ReadonlyMap<Node, readonly Contraction[]>
}

const lookups = new WeakMap<Solution, Lookup>()

function lookupOf(solution: Solution): Lookup {
  const known = lookups.get(solution)
  if (known) return known
  const { facts, relations, axes, model } = solution
  const contractions = new Map<Node, Contraction[]>()
  for (const each of relations.contractions) listed(contractions, each.node).push(each)
  const nodes = new Map<number, Node[]>()
  for (const node of model.graph.nodes) {
    const readings = [...node.inputs.keys()].flatMap((i) => facts.readingAt(node, i) ?? [])
    const met = [
      ...[...node.inputs, ...node.outputs].flatMap((name) => relations.axes.get(name) ?? []),
      ...readings.flatMap((reading) => relations.readings.get(reading)?.axes ?? []),
      ...(contractions.get(node) ?? []).map(({ axis }) => axis),
    ]
    for (const leaf of new Set(met.flatMap((axis) => axes.leaves(axis))))
      listed(nodes, leaf).push(node)
  }
  const lookup = { nodes, contractions }
  lookups.set(solution, lookup)
  return lookup
}

function listed<K, V>(lists: Map<K, V[]>, key: K): V[] {
  const known = lists.get(key) ?? []
  lists.set(key, known)
  return known
}

/** Where values and constants have the units. */
function sitesOf(solution: Solution, variable: number) {
  const { facts, relations, axes } = solution
  const { nodes, contractions } = lookupOf(solution)
  const has = (axis: Axis) => axes.leaves(axis).includes(variable)
  const isOn = (name: string) => relations.axes.get(name)?.some(has) === true
  /** The constant that is read, if it has the units. */
  const readingAt = (node: Node, input: number) => {
    const reading = facts.readingAt(node, input)
    return reading && relations.readings.get(reading)?.axes.some(has) ? reading : undefined
  }
  return {
    nodes: nodes.get(variable) ?? [],
    isOn,
    readingAt,
    /** The inputs that have the units, and depend on what the network is given. */
    valuesAt: (node: Node) =>
      [...node.inputs.keys()].filter((i) => {
        const name = node.inputs[i]!
        return name !== '' && facts.provenance(name).kind === 'activation' && isOn(name)
      }),
    /** The inputs that have them, and do not depend on it. */
    constantsAt: (node: Node) =>
      [...node.inputs.keys()].filter((i) => {
        const name = node.inputs[i]!
        if (name === '' || facts.provenance(name).kind === 'activation') return false
        return readingAt(node, i) !== undefined || (!facts.readingAt(node, i) && isOn(name))
      }),
    contractionsAt: (node: Node) => (contractions.get(node) ?? []).filter(({ axis }) => has(axis)),
  }
}
type Sites = ReturnType<typeof sitesOf>

/** Does a node keep the units apart, or contract them with weights, and is it linear in what has them? */
function isLinearAt({ facts }: Solution, sites: Sites, node: Node): boolean {
  const operator = facts.operatorOf(node)
  const values = sites.valuesAt(node)
  const constants = sites.constantsAt(node)
  const outputs = node.outputs.filter((name) => name !== '' && sites.isOn(name))
  const inputs = [...values, ...constants]
  if (operator?.reads?.shapes || (inputs.length === 0 && outputs.length === 0)) return true
  if (facts.isAlone(node)) return movesElements(operator)
  const sets = scalingOf(operator)?.linear ? scalingOf(operator)!.inputs(node) : []
  const setOf = (some: readonly number[]) =>
    some.length > 0 ? sets.find((set) => some.every((i) => set.includes(i))) : undefined
  const contractions = sites.contractionsAt(node)
  if (contractions.length > 0) {
    // Two values that are contracted with one another are a product of them.
    const isWithWeight = contractions.every(({ factors }) => factors === undefined)
    return isWithWeight && outputs.length === 0 && setOf(values) !== undefined
  }
  const isPassedOn =
    outputs.length > 0 && (movesElements(operator) || outputs[0] === node.outputs[0])
  // Other outputs than the first may be anything, unless all are views.
  if (!isPassedOn || (outputs.length > 1 && !movesElements(operator))) return false
  // What is computed of other values is so by weights; what has the units already is added to its like alone.
  const set = setOf(values.length > 0 ? [...values, ...constants] : constants)
  if (!set) return false
  if (values.length === 0 || scalingOf(operator)!.joins) return true
  return set.every((i) => (node.inputs[i] ?? '') === '' || inputs.includes(i))
}

/**
 * Is what is added to the units the same as what is added behind them? In dense layers with a bias it is: B·b is another one. (Around a
 * convolution's border a bias before it is not the same as one behind it.)
 */
function canBeBehind(solution: Solution, sites: Sites): boolean {
  const { facts } = solution
  return sites.nodes.every((node) => {
    if (sites.valuesAt(node).length === 0) return true
    const { reads, growth } = facts.operatorOf(node) ?? {}
    if (sites.contractionsAt(node).length === 0)
      return movesElements(facts.operatorOf(node)) || growth?.bias || reads?.shapes
    const layer = facts.layers.find((each) => each.node === node)
    return layer?.weightDims.length === 2 && hasBias(solution, layer)
  })
}

/** Whether each unit of a layer has a bias of its own, which is added before an activation or another layer. */
export function hasBias({ facts, relations }: Solution, layer: LayerSite): boolean {
  const { links } = facts
  const width = relations.layers.find(({ node }) => node === layer.node)?.width
  const isBias = (node: Node, input: number): boolean => {
    const reading = facts.readingAt(node, input)
    if (!reading || elementCount(reading.tensor.dims) !== width) return false
    return links.uses.get(reading.name)?.length === 1
  }
  if (isBias(layer.node, layer.operator.growth?.layer?.bias?.(layer.node) ?? -1)) return true
  const { value, normalization } = neighbourhood(facts, layer)
  if (normalization) return true
  const isValue = (name: string) => name !== '' && facts.provenance(name).kind === 'activation'
  for (let node = links.producers.get(value); node && node !== layer.node; ) {
    const at: Node = node
    if (at.inputs.some((_, input) => isBias(at, input))) return true
    node = links.producers.get(at.inputs.find(isValue) ?? '')
  }
  return false
}

/** Can the layer's weight be any numbers, and is it this layer's alone? */
export function isOwnWeight({ facts }: Solution, { node, weightInput }: LayerSite): boolean {
  const name = node.inputs[weightInput]!
  const found = facts.provenance(name)
  const isMoved = found.kind === 'weight' && found.derivation === 'moved'
  const reading = facts.readingAt(node, weightInput)
  const constants = reading ? [reading] : isMoved ? [...found.readings] : []
  const isOnly = (read: string) => facts.links.uses.get(read)?.length === 1
  return (
    constants.length > 0 &&
    isOnly(name) &&
    constants.every((each) => isFloat(each.tensor.dtype) && isOnly(each.name))
  )
}
