/**
 * The units of axis expressions and what is known of each: its size and name, whether it is free or
 * bound to an expression over other units, what freezes it, and which units pass that on.
 */
import type { Dim } from '../../model/model.ts'
import {
  type Axis,
  partsOf,
  product,
  sizeOf,
  sum,
  type UnitAxis,
} from '../../operators/contract/axis.ts'
import { sizeKey } from '../../operators/contract/axis-size.ts'

/** A reason for which units may not grow, and where it arose. */
export interface FreezeSource {
  readonly unit: number
  readonly reason: string
  /** Position of the node whose rule froze it; -1 for the graph's own inputs and outputs. */
  readonly node: number
}

/**
 * What freezes `from` freezes `to`; `node` is where the two were tied together, or -1 where `to` is
 * but an earlier number of `from`.
 */
export interface Edge {
  readonly from: number
  readonly to: number
  readonly node: number
}

export class Units {
  readonly sources: FreezeSource[] = []
  readonly edges: Edge[] = []
  readonly equalCopies: { axis: Axis; reason: string; node: number }[] = []
  /** Position of the node whose rule runs; recorded with edges and reasons. */
  node = -1
  readonly #units: UnitAxis[] = []
  readonly #names: string[] = []
  readonly #fixed: boolean[] = []
  readonly #bindings: (Axis | undefined)[] = []
  /** Of units that were bound to another unit: to which, whatever became of that. */
  readonly #successors = new Map<number, number>()

  /** A new free unit. */
  unit(size: Dim, what: string): UnitAxis {
    const unit: UnitAxis = { kind: 'unit', id: this.#units.length, size }
    this.#units.push(unit)
    this.#names.push(what)
    this.#fixed.push(false)
    this.#bindings.push(undefined)
    return unit
  }

  /** A new unit that never grows. */
  fixed(size: Dim, reason: string): UnitAxis {
    const unit = this.unit(size, reason)
    this.#fixed[unit.id] = true
    this.sources.push({ unit: unit.id, reason, node: this.node })
    return unit
  }

  get unitCount(): number {
    return this.#units.length
  }

  /** Size of a unit by itself. */
  sizeOfUnit(unit: number): Dim {
    return this.#units[unit]?.size ?? null
  }

  nameOf(unit: number): string {
    return this.#names[unit] ?? ''
  }

  freeze(axis: Axis, reason: string): void {
    for (const unit of new Set(this.origins(axis)))
      this.sources.push({ unit, reason, node: this.node })
  }

  /** The axis with its outermost binding looked up: a free unit, a sum or a product. */
  resolve(axis: Axis): Axis {
    if (axis.kind !== 'unit') return axis
    let bound = this.#bindings[axis.id]
    if (bound === undefined) return this.#units[axis.id] ?? axis
    let last = axis.id
    const path: number[] = []
    while (bound.kind === 'unit') {
      const next: Axis | undefined = this.#bindings[bound.id]
      path.push(last)
      last = bound.id
      if (next === undefined) {
        bound = this.#units[bound.id]!
        break
      }
      bound = next
    }
    for (const id of path) this.#bindings[id] = bound
    return bound
  }

  /** The unit's number and those of the units that it became in turn. */
  lineage(unit: number): readonly number[] {
    const numbers = [unit]
    for (
      let next = this.#successors.get(unit);
      next !== undefined;
      next = this.#successors.get(next)
    )
      numbers.push(next)
    return numbers
  }

  /** The axis in terms of free units alone. */
  expand(axis: Axis): Axis {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'unit') return resolved
    return resolved.kind === 'sum'
      ? sum(resolved.terms.map((term) => this.expand(term)))
      : product(resolved.factors.map((factor) => this.expand(factor)))
  }

  sizeOf(axis: Axis): number | null {
    return sizeOf(this.expand(axis))
  }

  /** Ids of the free units in an axis, with repetitions, in order. */
  leaves(axis: Axis, into: number[] = []): number[] {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'unit') into.push(resolved.id)
    else for (const part of partsOf(resolved)) this.leaves(part, into)
    return into
  }

  /** The same units by the numbers that the axis was written with, before others were joined to them. */
  origins(axis: Axis): number[] {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'unit') return [axis.kind === 'unit' ? axis.id : resolved.id]
    return partsOf(resolved).flatMap((part) => this.origins(part))
  }

  /** Have two axes the same size whatever grows, although they may be composed differently? */
  sameSize(a: Axis, b: Axis): boolean {
    const [left, right] = [this.expand(a), this.expand(b)]
    const constants = new Map<number, number>()
    for (const unit of [...this.leaves(left), ...this.leaves(right)]) {
      const size = this.#units[unit]?.size
      if (this.#fixed[unit] && typeof size === 'number') constants.set(unit, size)
    }
    return sizeKey(left, constants) === sizeKey(right, constants)
  }

  /** The flattened factors of an axis, outermost first, without axes of size one that never grow. */
  factors(axis: Axis): Axis[] {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'product')
      return resolved.factors.flatMap((factor) => this.factors(factor))
    if (resolved.kind === 'unit' && resolved.size === 1 && this.#fixed[resolved.id]) return []
    return [resolved]
  }

  terms(axis: Axis): Axis[] {
    const resolved = this.resolve(axis)
    return resolved.kind === 'sum' ? resolved.terms.flatMap((term) => this.terms(term)) : [resolved]
  }

  /** Are two axes the same expression already? */
  identical(a: Axis, b: Axis): boolean {
    const [x, y] = [this.resolve(a), this.resolve(b)]
    if (x === y) return true
    if (x.kind === 'unit' || y.kind === 'unit')
      return x.kind === 'unit' && y.kind === 'unit' && x.id === y.id
    if (x.kind !== y.kind) return false
    const [p, q] =
      x.kind === 'sum' ? [this.terms(x), this.terms(y)] : [this.factors(x), this.factors(y)]
    return p.length === q.length && p.every((part, i) => this.identical(part, q[i]!))
  }

  /** Binds a free unit to an expression over others; what freezes the unit freezes its parts. */
  protected bind(unit: UnitAxis, axis: Axis): void {
    this.#bindings[unit.id] = axis
    if (axis.kind === 'unit') this.#successors.set(unit.id, axis.id)
    for (const leaf of new Set(this.leaves(axis))) this.#edge(unit.id, leaf)
  }

  /**
   * Makes two free units one, which is what `known` is. It gets a number of its own, so that the
   * numbers of either still tell which of them was meant (cells.ts).
   */
  protected join(known: UnitAxis, other: UnitAxis): void {
    const joined = this.derive(known, known.size)
    for (const unit of [known, other]) {
      this.bind(unit, joined)
      if (this.#fixed[unit.id]) this.#fixed[joined.id] = true
      this.edges.push({ from: joined.id, to: unit.id, node: -1 })
    }
  }

  protected fixToOne(unit: UnitAxis): void {
    this.sources.push({ unit: unit.id, reason: 'fixes it to size one', node: this.node })
    this.#fixed[unit.id] = true
  }

  /** A new unit for a part of one, fixed where that is. */
  protected derive(parent: UnitAxis, size: Dim): UnitAxis {
    const part = this.unit(size, this.nameOf(parent.id))
    this.#fixed[part.id] = this.#fixed[parent.id]!
    return part
  }

  #edge(from: number, to: number): void {
    this.edges.push({ from, to, node: this.node })
  }
}
