/**
 * Widths through layer norms that are no multiple. Copies of units keep mean and variance only if all units have equally many.
 * Other units can be added instead: such that hold the mean of the old ones (for a root mean square: zero) tell a norm nothing
 * new (`StatisticsFacet`). A norm makes β of them, here 0, so that whoever reads its output may do so with any weights.
 *
 * So every value along the stream must hold, at the added units, the mean of the old ones or zero. A layer that writes into the
 * stream gets the mean of the old weights per unit, or zeros; what lies in between must pass the mean (or zero) on. That is followed here,
 * node by node, from what operators say of themselves: `scaling`, `statistics`, `difference`, `keepsZero`.
 *
 * The idea is that of LEMON (Wang et al., arXiv:2310.07999); docs/growth.md has the argument.
 */
import { floatAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { describeNode, NameSupply, nodeKey, nodeLabel, valueNames } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { StatisticsFacet } from '../../operators/contract/facets.ts'
import { scalingOf } from '../../operators/helpers/scaling.ts'
import { zeros } from '../../tensor/fill.ts'
import { toNumbers } from '../../tensor/tensor.ts'
import type { AddedStart, FloatChange, Insertion } from '../growth-plan.ts'
import type { Reading } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'

/** What a value holds at added units: the mean of the old ones, zero, or nothing that is known. */
type Held = 'mean' | 'zero' | 'any'

export interface AddedWidth {
  /** What entries of added units begin with where a constant is read, and the factor on all entries. */
  readonly parameters: ReadonlyMap<Reading, Beginning>
  readonly scaled: ReadonlyMap<Reading, number>
  readonly floats: readonly FloatChange[]
  readonly inserted: readonly Insertion[]
}

/** What entries of added units begin with where a constant is read. */
interface Beginning {
  /** Where they are copied. */
  readonly start: AddedStart
  /** Are they on an axis that is copied? */
  readonly isStarted: boolean
  /** Along an axis that is summed over: `any` where the added units hold zero. */
  readonly read?: 'zero' | 'any'
}

/** Why there is no such width, as the rest of a sentence. */
interface NoWidth {
  readonly reason: string
}

/** What is written into a stream at added units, and what norms with equal scales give there. */
const ways = [
  { written: 'mean', normal: 'zero' },
  { written: 'zero', normal: 'zero' },
  { written: 'mean', normal: 'mean' },
] as const
type Way = (typeof ways)[number]

/** How a balanced variable grows by units that hold the mean of the others, or zero. */
export function addedWidth(
  solution: Solution,
  variable: number,
  from: number,
  to: number,
): AddedWidth | NoWidth {
  let reason: string | undefined
  for (const way of ways) {
    const found = new StreamOfUnits(solution, variable, way, to / from).follow()
    if ('parameters' in found) return found
    reason ??= found.reason
  }
  return { reason: reason! }
}

/**
 * Two of them at once: where both meet in a parameter, entries of both are means of rows that may be read with any weights. What
 * only one of them may change must not be changed by both.
 */
export function joinedWidth(a: AddedWidth, b: AddedWidth): AddedWidth | NoWidth {
  const both = 'is changed by two widths at once that are no multiples'
  for (const reading of a.scaled.keys())
    if (b.scaled.has(reading)) return { reason: `${describeNode(reading.node)} ${both}` }
  const inserted = new Set(a.inserted.flatMap(({ name, value }) => [name, value]))
  const again = b.inserted.find(({ name, value }) => inserted.has(name) || inserted.has(value))
  if (again) return { reason: `${again.after} ${both}` }
  const parameters = new Map(a.parameters)
  for (const [reading, own] of b.parameters) {
    const other = parameters.get(reading)
    if (other?.isStarted && own.isStarted && other.start !== own.start)
      return { reason: `${describeNode(reading.node)} ${both}` }
    const reads = [other?.read, own.read].filter((read) => read !== undefined)
    parameters.set(reading, {
      start: (own.isStarted ? own : (other ?? own)).start,
      isStarted: own.isStarted || other?.isStarted === true,
      ...(reads.length > 0 && { read: reads.includes('zero') ? 'zero' : 'any' }),
    })
  }
  return {
    parameters,
    scaled: new Map([...a.scaled, ...b.scaled]),
    floats: [...a.floats, ...b.floats],
    inserted: [...a.inserted, ...b.inserted],
  }
}

class Misfit extends Error {}

/** A scale that is the same for all units. */
function isEqual({ tensor }: Reading): boolean {
  const values = toNumbers(tensor)
  return values.length > 0 && Array.from(values).every((value) => value === values[0])
}

class StreamOfUnits {
  readonly #solution: Solution
  readonly #variable: number
  /** What layers write into the stream. */
  readonly #written: Way['written']
  /** What norms of equal scales make of it. */
  readonly #normal: Way['normal']
  /** Units after growth over units before. */
  readonly #growth: number
  readonly #held = new Map<string, Held>()
  readonly #parameters = new Map<Reading, Beginning>()
  readonly #scaled = new Map<Reading, number>()
  readonly #floats: FloatChange[] = []
  readonly #inserted: Insertion[] = []
  readonly #names: NameSupply

  constructor(solution: Solution, variable: number, { written, normal }: Way, growth: number) {
    this.#solution = solution
    this.#variable = variable
    this.#written = written
    this.#normal = normal
    this.#growth = growth
    const { graph } = solution.facts.model
    this.#names = new NameSupply([...valueNames(graph), ...graph.nodes.map(({ name }) => name)])
  }

  follow(): AddedWidth | { readonly reason: string } {
    try {
      for (const node of this.#solution.facts.model.graph.nodes) this.#visit(node)
    } catch (error) {
      if (!(error instanceof Misfit)) throw error
      return { reason: error.message }
    }
    return {
      parameters: this.#parameters,
      scaled: this.#scaled,
      floats: this.#floats,
      inserted: this.#inserted,
    }
  }

  #refuse(node: Node, reason: string): never {
    throw new Misfit(`${describeNode(node)} ${reason}`)
  }

  readonly #has = (axis: Axis): boolean => this.#solution.axes.leaves(axis).includes(this.#variable)

  /** Is the variable on an axis of this input that is not summed over? */
  #isOn(node: Node, i: number): boolean {
    const { facts, relations } = this.#solution
    const reading = facts.readingAt(node, i)
    const known = reading && relations.readings.get(reading)
    if (known) return known.axes.some((axis, k) => !known.contracted[k] && this.#has(axis))
    return relations.axes.get(node.inputs[i] ?? '')?.some(this.#has) === true
  }

  #visit(node: Node): void {
    const { facts, relations, splits } = this.#solution
    const operator = facts.operatorOf(node)
    if (operator?.reads?.shapes) return
    const inputs = [...node.inputs.keys()].filter((i) => !operator?.reads?.numbers?.includes(i))
    const balanced = relations.balanced.filter(
      ({ axis, at }) => facts.model.graph.nodes[at] === node && this.#has(axis),
    )
    const sums = relations.contractions.filter((each) => each.node === node && this.#has(each.axis))
    const gives = node.outputs.some((name) => relations.axes.get(name)?.some(this.#has))
    for (const i of inputs) {
      const reading = facts.readingAt(node, i)
      const axes = (reading && relations.readings.get(reading)?.axes) ?? []
      if (reading && axes.some((_, k) => splits.axisOf(reading, k)))
        if (axes.some((axis, k) => splits.axisOf(reading, k) && this.#has(axis)))
          this.#refuse(node, 'computes a factor of a product that is summed over them')
    }
    if (balanced.length > 0) {
      this.#normalize(node, operator?.growth?.statistics, balanced)
      return
    }
    if (sums.length > 0) {
      this.#contract(
        node,
        inputs,
        sums.some(({ factors }) => factors !== undefined),
      )
      if (!gives) return
    }
    const given = inputs.filter(
      (i) => this.#isOn(node, i) && (sums.length === 0 || facts.readingAt(node, i)),
    )
    if (given.length === 0) return
    if (!gives) this.#refuse(node, 'reduces them')
    const held = this.#passed(node, given)
    for (const name of node.outputs) this.#held.set(name, held)
  }

  /** Sums over the units with a weight; where these hold zero, the weight may be anything. */
  #contract(node: Node, inputs: readonly number[], isOpen: boolean): void {
    const { facts, relations } = this.#solution
    const values = inputs.filter(
      (i) => !facts.readingAt(node, i) && this.#held.has(node.inputs[i]!),
    )
    const isZero =
      values.length > 0 && values.every((i) => this.#held.get(node.inputs[i]!) === 'zero')
    if (isOpen && !isZero) this.#refuse(node, 'sums over products of them without a weight')
    for (const i of inputs) {
      const reading = facts.readingAt(node, i)
      const found = reading && relations.readings.get(reading)
      if (reading && found?.axes.some((axis, k) => found.contracted[k] && this.#has(axis)))
        this.#parameters.set(reading, {
          start: this.#written,
          isStarted: false,
          ...this.#parameters.get(reading),
          read: isZero ? 'any' : 'zero',
        })
    }
  }

  #begin(reading: Reading, start: AddedStart): void {
    this.#parameters.set(reading, {
      ...this.#parameters.get(reading),
      start,
      isStarted: true,
    })
  }

  #normalize(
    node: Node,
    statistics: StatisticsFacet | undefined,
    balanced: readonly { readonly axis: Axis; readonly reason: string }[],
  ): void {
    const { axes, facts } = this.#solution
    const held = this.#held.get(node.inputs[0] ?? '') ?? 'any'
    const { reason } = balanced[0]!
    const isAlone = balanced.every(({ axis }) => axes.expand(axis).kind === 'variable')
    if (!statistics) this.#refuse(node, reason)
    const { kind, scale, shift, epsilon } = statistics
    const wanted = kind === 'variance' || (kind === 'mean' && held !== 'zero') ? 'mean' : 'zero'
    if (
      held !== wanted ||
      (wanted === 'mean' && (!isAlone || axes.leaves(balanced[0]!.axis).length > 1))
    )
      this.#refuse(
        node,
        `${reason}, and what it takes there is not ${wanted === 'mean' ? 'the mean of the others' : 'zero'} at units that are added`,
      )
    if (kind === 'mean') {
      if (held === 'zero') this.#rescale(node)
      return
    }
    if (node.outputs.slice(1).some((name) => (facts.links.uses.get(name) ?? []).length > 0))
      this.#refuse(node, 'gives its statistics to other nodes')
    const gamma = scale === undefined ? undefined : facts.readingAt(node, scale)
    const beta = shift === undefined ? undefined : facts.readingAt(node, shift)
    const hasShift = shift !== undefined && (node.inputs[shift] ?? '') !== ''
    if (!gamma || !this.#isOn(node, scale!) || (hasShift && !beta) || !epsilon)
      this.#refuse(node, 'has a scale or shift that is computed')
    // Where all scales are equal, the mean of what the norm gives is that of its shifts.
    const isMean = this.#normal === 'mean' && kind === 'variance' && isEqual(gamma)
    const result = isMean ? 'mean' : 'zero'
    this.#begin(gamma, 'mean')
    this.#scaled.set(gamma, Math.sqrt(1 / this.#growth))
    if (beta) this.#begin(beta, result)
    const old = floatAttribute(node, epsilon.attribute, epsilon.default)
    this.#floats.push({
      node: nodeKey(node),
      attribute: epsilon.attribute,
      from: old,
      to: Math.fround(old / this.#growth),
    })
    for (const name of node.outputs) this.#held.set(name, result)
  }

  /** Makes up for a mean over more units, of which the added ones hold zero. */
  #rescale(node: Node): void {
    const value = node.outputs[0]!
    const name = this.#names.fresh(`${nodeLabel(node)}-rescaled`)
    this.#inserted.push({
      after: nodeLabel(node),
      name,
      value,
      source: this.#names.fresh(`${value}_before`),
      init: 'net2deeper',
      dtype: this.#solution.facts.values.get(value)?.dtype ?? 'float32',
      names: { factor: this.#names.fresh(`${name}.factor`) },
      layer: {
        nodes: [{ opType: 'Mul', inputs: ['$in', 'factor'], outputs: ['$out'], attributes: {} }],
        parameters: [
          {
            name: 'factor',
            dims: [],
            identity: { kind: 'values', values: [this.#growth] },
            random: zeros,
          },
        ],
      },
    })
  }

  /** What the output of a node holds, whose inputs `given` have the units; constants among them begin as it suits. */
  #passed(node: Node, given: readonly number[]): Held {
    const { facts } = this.#solution
    const operator = facts.operatorOf(node)
    const readings = given.flatMap((i) => facts.readingAt(node, i) ?? [])
    const values = given.filter((i) => !facts.readingAt(node, i))
    const held = new Set(values.map((i) => this.#held.get(node.inputs[i]!) ?? 'any'))
    const scaling = scalingOf(operator)
    const sets = scaling?.inputs(node) ?? []
    const joint = sets.find((set) => given.every((i) => set.includes(i)))
    if (joint && scaling) {
      const start = held.size === 0 ? this.#written : held.size === 1 ? [...held][0]! : 'any'
      for (const reading of readings) this.#begin(reading, start === 'any' ? 'mean' : start)
      if (start === 'mean') {
        if (!scaling.linear) return 'any'
        return operator?.growth?.difference && this.#isCentred(node) ? 'zero' : 'mean'
      }
      // Zero plus what all units share is not zero.
      const isWhole = joint.every((i) => given.includes(i) || (node.inputs[i] ?? '') === '')
      return start === 'zero' && isWhole ? 'zero' : 'any'
    }
    for (const reading of readings) this.#begin(reading, 'mean')
    const isFactor = (i: number) =>
      this.#held.get(node.inputs[i]!) === 'zero' &&
      sets.some((set) => set.length === 1 && set[0] === i)
    if (values.some(isFactor)) return 'zero'
    const constant = (i: number) => facts.values.get(node.inputs[i] ?? '')?.constant
    return held.size === 1 && held.has('zero') && operator?.growth?.keepsZero?.(constant)
      ? 'zero'
      : 'any'
  }

  /** Is the mean of input 0 subtracted from it? */
  #isCentred(node: Node): boolean {
    const { facts, relations } = this.#solution
    const mean = facts.links.producers.get(node.inputs[1] ?? '')
    if (!mean || mean.inputs[0] !== node.inputs[0]) return false
    const { nodes } = facts.model.graph
    return (
      facts.operatorOf(mean)?.growth?.statistics?.kind === 'mean' &&
      relations.balanced.some(({ at, axis }) => nodes[at] === mean && this.#has(axis))
    )
  }
}
