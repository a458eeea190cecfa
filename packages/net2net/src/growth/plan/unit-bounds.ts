/**
 * Between which numbers the values of units lie, whatever the network is given: units that are zero behind their activation for every
 * input. Bounds begin where an operator has them by itself (a Relu, a Sigmoid, a Clip), pass through layers as
 * Σ max(w·low, w·high) + b, and through what works on entries as operators say. They hold for what single precision makes of sums: where
 * not all terms have one sign, there is room for rounding.
 */
import type { Node } from '../../model/model.ts'
import { type Axis, partsOf } from '../../operators/contract/axis.ts'
import type { Bounds } from '../../operators/contract/facets.ts'
import { movesElements, scalingOf } from '../../operators/helpers/scaling.ts'
import { isNonNegative } from '../../operators/sign.ts'
import { elementCount, toNumbers } from '../../tensor/tensor.ts'
import type { Reading } from '../solve/facts.ts'
import { isWeight } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import type { UnitsAxis } from './units-on-axis.ts'

/** A sum of n terms in single precision is as far from its exact value as so many times n times their sizes, at most. */
const ROUNDING = 2 ** -23
const unknown: Bounds = { low: -Infinity, high: Infinity }

/** Of each unit, or of all entries alike. */
type Found = readonly Bounds[] | Bounds
const isOfUnits = (found: Found): found is readonly Bounds[] => Array.isArray(found)
const isZero = ({ low, high }: Bounds): boolean => low === 0 && high === 0

export class UnitBounds {
  readonly #solution: Solution
  readonly #variable: number
  readonly #count: number
  readonly #axes: ReadonlyMap<Reading, readonly UnitsAxis[]>
  readonly #known = new Map<string, Found>()

  constructor(solution: Solution, variable: number, count: number, axes: readonly UnitsAxis[]) {
    this.#solution = solution
    this.#variable = variable
    this.#count = count
    const byReading = new Map<Reading, UnitsAxis[]>()
    for (const axis of axes)
      byReading.set(axis.reading, [...(byReading.get(axis.reading) ?? []), axis])
    this.#axes = byReading
  }

  /** Which units have only zeros in the values that a weight sums over along this axis? */
  zerosAt({ reading: { node, input }, noise }: UnitsAxis): (unit: number) => boolean {
    const others = node.inputs.filter((name, i) => i !== input && this.#countIn(name) > 0)
    const [name, another] = others
    const never = () => false
    if (noise !== 'contracted' || name === undefined || another !== undefined) return never
    const found = this.#of(name)
    return isOfUnits(found) ? (unit) => isZero(found[unit]!) : never
  }

  /** By how many indices at once an entry of a value belongs to units: two where a product of the variable with itself is. */
  #countIn(name: string): number {
    const axes = this.#solution.relations.axes.get(name) ?? []
    return axes.reduce((count, axis) => count + this.#countOn(axis), 0)
  }

  #countOn(axis: Axis): number {
    const { axes } = this.#solution
    if (!axes.leaves(axis).includes(this.#variable)) return 0
    if (axes.isIntricate(axis)) return Infinity
    const resolved = axes.resolve(axis)
    if (resolved.kind === 'variable') return 1
    const counts = partsOf(resolved).map((part) => this.#countOn(part))
    return resolved.kind === 'sum'
      ? Math.max(...counts)
      : counts.reduce((count, more) => count + more)
  }

  #of(name: string): Found {
    const known = this.#known.get(name)
    if (known) return known
    // What is computed from itself is not known.
    this.#known.set(name, unknown)
    const { producers } = this.#solution.facts.links
    const node = producers.get(name)
    const computed = node?.outputs[0] === name ? this.#computed(node) : undefined
    // Where an entry belongs to two units, bounds by one of them say nothing of the other.
    const found = computed && isOfUnits(computed) && this.#countIn(name) > 1 ? undefined : computed
    const isPositive = isNonNegative(name, producers, this.#solution.facts.values)
    const all = found ?? (isPositive ? { low: 0, high: Infinity } : unknown)
    this.#known.set(name, all)
    return all
  }

  #computed(node: Node): Found | undefined {
    const { facts } = this.#solution
    const operator = facts.operatorOf(node)
    const bounds = operator?.growth?.bounds
    if (bounds) {
      const inputs = node.inputs.map((name, i) =>
        name === '' ? undefined : (this.#constant(node, i) ?? this.#of(name)),
      )
      const at = (unit: number) =>
        bounds(
          inputs.map((each) => (each && isOfUnits(each) ? each[unit] : each)),
          node,
        ) ?? unknown
      return inputs.some((each) => each && isOfUnits(each))
        ? Array.from({ length: this.#count }, (_, unit) => at(unit))
        : at(0)
    }
    const layer = this.#layer(node)
    if (layer) return layer
    const isLinear =
      scalingOf(operator)
        ?.inputs(node)
        .some((set) => `${set}` === '0') === true
    if (!movesElements(operator) && !isLinear) return undefined
    const found = this.#of(node.inputs[0] ?? '')
    if (movesElements(operator)) return found
    // Of a sum only that it is zero where all terms are.
    return isOfUnits(found) ? found.map((each) => (isZero(each) ? each : unknown)) : undefined
  }

  /** What a constant holds for each unit, or at all; undefined for what is no constant. */
  #constant(node: Node, input: number): Found | undefined {
    const { facts } = this.#solution
    const tensor =
      facts.readingAt(node, input)?.tensor ?? facts.values.get(node.inputs[input]!)?.constant
    if (!tensor) return isWeight(facts.provenance(node.inputs[input]!)) ? unknown : undefined
    const reading = facts.readingAt(node, input)
    const [along, another] = (reading && this.#axes.get(reading)) ?? []
    const values = toNumbers(tensor)
    if (!along || another) {
      const hull = values.reduce(
        ({ low, high }, value) => ({ low: Math.min(low, value), high: Math.max(high, value) }),
        { low: Infinity, high: -Infinity },
      )
      return along ? unknown : hull
    }
    const found = Array.from({ length: this.#count }, () => ({ low: Infinity, high: -Infinity }))
    this.#visit(along, values, (value, unit) => {
      const own = found[unit]!
      own.low = Math.min(own.low, value)
      own.high = Math.max(own.high, value)
    })
    return found
  }

  /** A layer that writes the units: sums of products of its weight with a value whose bounds are known. */
  #layer(node: Node): Found | undefined {
    const { facts } = this.#solution
    const facet = facts.operatorOf(node)?.growth?.layer
    const isParameter = (i: number) => isWeight(facts.provenance(node.inputs[i] ?? ''))
    const weight = facet?.weight(isParameter, node)?.input
    const bias = facet?.bias?.(node)
    const reading = weight === undefined ? undefined : facts.readingAt(node, weight)
    const [along, another] = (reading && this.#axes.get(reading)) ?? []
    const dtype = reading?.tensor.dtype
    const isExact = dtype === 'float32' || dtype === 'float64'
    if (!along || another || bias === undefined || along.noise || !isExact) return undefined
    const source = this.#of(node.inputs[weight === 0 ? 1 : 0] ?? '')
    const x = isOfUnits(source) ? unknown : source
    // Padding is zero.
    const [low, high] = [Math.min(0, x.low), Math.max(0, x.high)]
    const sums = Array.from({ length: this.#count }, () => ({
      below: 0,
      above: 0,
      size: 0,
      terms: 1,
    }))
    const isAbove = new Uint8Array(this.#count)
    const isBelow = new Uint8Array(this.#count)
    const take = (unit: number, a: number, b: number) => {
      const own = sums[unit]!
      own.below += Math.min(a, b)
      own.above += Math.max(a, b)
      own.size += Math.max(Math.abs(a), Math.abs(b))
      own.terms++
      if (a > 0 || b > 0) isAbove[unit] = 1
      if (a < 0 || b < 0) isBelow[unit] = 1
    }
    this.#visit(along, toNumbers(reading!.tensor), (w, unit) => {
      if (w !== 0) take(unit, w * low || 0, w * high || 0)
    })
    if ((node.inputs[bias] ?? '') !== '') {
      const shift = this.#constant(node, bias)
      if (!shift) return undefined
      for (let unit = 0; unit < this.#count; unit++) {
        const own = isOfUnits(shift) ? shift[unit]! : shift
        take(unit, own.low, own.high)
      }
    }
    // Rounding keeps the sign of sums whose terms have one.
    return sums.map(({ below, above, size, terms }, unit) => {
      const room = terms * ROUNDING * size
      return {
        low: isBelow[unit] === 1 ? below - room : Math.max(0, below - room),
        high: isAbove[unit] === 1 ? above + room : Math.min(0, above + room),
      }
    })
  }

  #visit(
    { axis, unit, reading: { tensor } }: UnitsAxis,
    values: readonly number[],
    take: (value: number, unit: number) => void,
  ): void {
    const stride = elementCount(tensor.dims.slice(axis + 1))
    values.forEach((value, position) => {
      const at = unit[Math.floor(position / stride) % unit.length]!
      if (at >= 0) take(value, at)
    })
  }
}
