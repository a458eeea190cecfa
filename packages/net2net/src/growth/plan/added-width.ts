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
import type { FloatChange, Insertion, ParameterChange } from '../growth-plan.ts'
import type { Reading } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'

/** What a value holds at added units: the mean of the old ones, zero, or nothing that is known. */
type Held = 'mean' | 'zero' | 'any'

export interface AddedWidth {
  /** What entries of added units begin with where a constant is read, and the factor on all entries. */
  readonly parameters: ReadonlyMap<Reading, NonNullable<ParameterChange['added']>>
  readonly scaled: ReadonlyMap<Reading, number>
  readonly floats: readonly FloatChange[]
  readonly inserted: readonly Insertion[]
}

/**
 * How a balanced variable grows by units that hold the mean of the others, or zero.
 *
 * @returns why it cannot, as the rest of a sentence, where it cannot
 */
export function addedWidth(
  solution: Solution,
  variable: number,
  from: number,
  to: number,
): AddedWidth | { readonly reason: string } {
  let reason: string | undefined
  for (const held of ['mean', 'zero'] as const) {
    const found = new StreamOfUnits(solution, variable, held, to / from).follow()
    if ('parameters' in found) return found
    reason ??= found.reason
  }
  return { reason: reason! }
}

class Misfit extends Error {}

class StreamOfUnits {
  readonly #solution: Solution
  readonly #variable: number
  /** What layers write into the stream. */
  readonly #written: 'mean' | 'zero'
  /** Units after growth over units before. */
  readonly #growth: number
  readonly #held = new Map<string, Held>()
  readonly #parameters = new Map<Reading, NonNullable<ParameterChange['added']>>()
  readonly #scaled = new Map<Reading, number>()
  readonly #floats: FloatChange[] = []
  readonly #inserted: Insertion[] = []
  readonly #names: NameSupply

  constructor(solution: Solution, variable: number, written: 'mean' | 'zero', growth: number) {
    this.#solution = solution
    this.#variable = variable
    this.#written = written
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
      if (
        reading &&
        isZero &&
        found?.axes.some((axis, k) => found.contracted[k] && this.#has(axis))
      )
        this.#begin(reading, {
          ...(this.#parameters.get(reading) ?? { start: this.#written }),
          read: 'random',
        })
    }
  }

  #begin(reading: Reading, added: NonNullable<ParameterChange['added']>): void {
    this.#parameters.set(reading, { ...this.#parameters.get(reading), ...added })
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
    this.#begin(gamma, { start: 'mean' })
    this.#scaled.set(gamma, Math.sqrt(1 / this.#growth))
    if (beta) this.#begin(beta, { start: 'zero' })
    const old = floatAttribute(node, epsilon.attribute, epsilon.default)
    this.#floats.push({
      node: nodeKey(node),
      attribute: epsilon.attribute,
      from: old,
      to: Math.fround(old / this.#growth),
    })
    for (const name of node.outputs) this.#held.set(name, 'zero')
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
      for (const reading of readings)
        this.#begin(reading, { start: start === 'any' ? 'mean' : start })
      if (start === 'mean') {
        if (!scaling.linear) return 'any'
        return operator?.growth?.difference && this.#isCentred(node) ? 'zero' : 'mean'
      }
      // Zero plus what all units share is not zero.
      const isWhole = joint.every((i) => given.includes(i) || (node.inputs[i] ?? '') === '')
      return start === 'zero' && isWhole ? 'zero' : 'any'
    }
    for (const reading of readings) this.#begin(reading, { start: 'mean' })
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
