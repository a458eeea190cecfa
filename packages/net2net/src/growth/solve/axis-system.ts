/**
 * The variables of axis expressions and what is known of each: its size and name, whether it is free or
 * bound to an expression over other variables, what fixes it, and which variables pass that on.
 *
 * Bindings have no cycles, so that an axis is an expression over free variables. Expressions are kept
 * within bounds: an axis of more than `MOST_PARTS` parts is refused, which also bounds every recursion
 * over an expression.
 */
import { internalError } from '../../errors.ts'
import type { Dim } from '../../model/model.ts'
import type { Appended } from '../../operators/contract/axes.ts'
import {
  type Axis,
  type AxisVariable,
  joinSizes,
  partsOf,
  product,
  sum,
} from '../../operators/contract/axis.ts'
import { sizeKey } from '../../operators/contract/axis-size.ts'

/** The node that relates axes, by its place in the graph; `OUTSIDE` for the graph's inputs and outputs. */
export type Position = number
export const OUTSIDE: Position = -1

/** A reason for which a variable may not grow, and the node that gives it. */
export interface FixedSource {
  readonly variable: number
  readonly reason: string
  readonly at: Position
  /** Set where the axis may be extended although it may not be widened. */
  readonly extends?: Extensible
}

/** Where an axis may be extended: it is one of an output, or what is appended must be so (`Appended`). */
export type Extensible = Appended | 'output'

/**
 * What fixes `from` fixes `to`. `at` is the node that tied the two together, or `OUTSIDE` where `to` is an
 * earlier number of `from`.
 */
export interface Edge {
  readonly from: number
  readonly to: number
  readonly at: Position
}

/** Thrown where the axes of a node cannot be related: the solver gives the node up, for this reason. */
export class Refusal extends Error {}

/** No network concatenates an axis of so many parts, or cuts one into so many. */
const MOST_PARTS = 512
/** Parts of a product of sums, multiplied out. */
const MOST_TERMS = 4096

const tooIntricate = 'takes an axis apart into more parts than can be followed'

/** What can be asked of axes when all nodes have related theirs. Nothing can change them any more. */
export type SolvedAxes = Pick<
  AxisSystem,
  | 'edges'
  | 'expand'
  | 'factors'
  | 'isIntricate'
  | 'leaves'
  | 'lineage'
  | 'nameOf'
  | 'originOf'
  | 'origins'
  | 'resolve'
  | 'sizeOf'
  | 'sizeOfVariable'
  | 'sources'
  | 'variableCount'
>

const one = () => 1
const numberOf = ({ size }: AxisVariable): number | null => (typeof size === 'number' ? size : null)

export class AxisSystem {
  readonly sources: FixedSource[] = []
  readonly edges: Edge[] = []
  readonly #variables: AxisVariable[] = []
  readonly #names: string[] = []
  readonly #fixed: boolean[] = []
  readonly #bindings: (Axis | undefined)[] = []
  /** Of variables that were bound to another variable: to which, whatever became of that. */
  readonly #successors = new Map<number, number>()
  #isClosed = false
  /** Expressions and leaves of variables; they hold until a variable is bound. */
  readonly #expanded = new Map<number, Axis>()
  readonly #leaves = new WeakMap<Axis, readonly number[]>()
  readonly #sizes = new WeakMap<Axis, number>()
  /** Axes that were found to have few parts, when so many variables were bound. */
  readonly #simple = new WeakMap<Axis, number>()
  #bound = 0
  /** The node whose cuts are counted, and how many there are. */
  #cutter: Position | undefined
  #cuts = 0

  // ------------------------------------------------------------ variables

  /** A new free variable. */
  variable(size: Dim, what: string): AxisVariable {
    const variable: AxisVariable = { kind: 'variable', id: this.#variables.length, size }
    this.#variables.push(variable)
    this.#names.push(what)
    this.#fixed.push(false)
    this.#bindings.push(undefined)
    return variable
  }

  /** A new variable that never grows. */
  fixed(size: Dim, reason: string, at: Position): AxisVariable {
    const variable = this.variable(size, reason)
    this.#fix(variable.id, reason, at)
    return variable
  }

  /** A new variable for a part of one, which is fixed where that is. */
  derive(parent: AxisVariable, size: Dim): AxisVariable {
    const part = this.variable(size, this.nameOf(parent.id))
    this.#fixed[part.id] = this.#fixed[parent.id]!
    return part
  }

  get variableCount(): number {
    return this.#variables.length
  }

  /** Size of a variable, whatever it is bound to. */
  sizeOfVariable(id: number): Dim {
    return this.#variables[id]?.size ?? null
  }

  nameOf(id: number): string {
    return this.#names[id] ?? ''
  }

  // -------------------------------------------------------------- changes

  /** The axis may not grow. */
  fix(axis: Axis, reason: string, at: Position, extensible?: Extensible): void {
    for (const variable of this.origins(axis))
      this.sources.push({ variable, reason, at, ...(extensible && { extends: extensible }) })
  }

  /** A variable of size one that stays so, and is left out of products. */
  fixToOne(variable: AxisVariable, at: Position): void {
    this.#fix(variable.id, 'fixes it to size one', at)
  }

  #fix(variable: number, reason: string, at: Position): void {
    this.sources.push({ variable, reason, at })
    this.#fixed[variable] = true
  }

  /** Binds a free variable to an expression over others; what fixes the variable fixes its parts. */
  bind(variable: AxisVariable, axis: Axis, at: Position): void {
    if (this.#isClosed) throw internalError('An axis was bound after all axes had been related.')
    this.#bound++
    this.#expanded.clear()
    this.#bindings[variable.id] = axis
    if (axis.kind === 'variable') this.#successors.set(variable.id, axis.id)
    for (const leaf of this.leaves(axis)) this.edges.push({ from: variable.id, to: leaf, at })
  }

  /**
   * Makes two free variables one, which is what `known` is. It gets a number of its own, so that the
   * numbers of either still tell which of them was meant (tensor-parts.ts).
   */
  join(known: AxisVariable, other: AxisVariable, at: Position): void {
    const joined = this.derive(known, known.size)
    for (const variable of [known, other]) {
      this.bind(variable, joined, at)
      if (this.#fixed[variable.id]) this.#fixed[joined.id] = true
      this.edges.push({ from: joined.id, to: variable.id, at: OUTSIDE })
    }
  }

  /** Counts the cuts of a node, of which there may be as many as an axis may have parts. */
  countCut(at: Position): void {
    this.#cuts = this.#cutter === at ? this.#cuts + 1 : 1
    this.#cutter = at
    if (this.#cuts > MOST_PARTS) throw new Refusal(tooIntricate)
  }

  /** From here on, axes are only read. */
  close(): SolvedAxes {
    this.#isClosed = true
    return this
  }

  // ---------------------------------------------------------------- reads

  /** The axis with its outermost binding looked up: a free variable, a sum or a product. */
  resolve(axis: Axis): Axis {
    if (axis.kind !== 'variable') return axis
    let bound = this.#bindings[axis.id]
    if (bound === undefined) return this.#variables[axis.id] ?? axis
    let last = axis.id
    const path: number[] = []
    while (bound.kind === 'variable') {
      const next: Axis | undefined = this.#bindings[bound.id]
      path.push(last)
      last = bound.id
      if (next === undefined) {
        bound = this.#variables[bound.id]!
        break
      }
      bound = next
    }
    for (const id of path) this.#bindings[id] = bound
    return bound
  }

  /**
   * Combines what is known of the free variables in an axis, from the inside to the outside. A bound
   * variable that occurs often is evaluated once, and nothing is recursive: before this has counted its
   * parts, an expression may be of any depth.
   */
  #fold<T>(
    axis: Axis,
    leaf: (variable: AxisVariable) => T,
    join: (kind: 'sum' | 'product', values: readonly T[]) => T,
  ): T {
    const known = new Map<number, T>()
    const stack: { key: number | undefined; axis: Exclude<Axis, AxisVariable>; values: T[] }[] = []
    const enter = (next: Axis): T | undefined => {
      const key = next.kind === 'variable' ? next.id : undefined
      const found = key === undefined ? undefined : known.get(key)
      if (found !== undefined) return found
      const resolved = this.resolve(next)
      if (resolved.kind === 'variable') return leaf(resolved)
      stack.push({ key, axis: resolved, values: [] })
      return undefined
    }
    let value = enter(axis)
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      if (value !== undefined) top.values.push(value)
      const part = partsOf(top.axis)[top.values.length]
      if (part) {
        value = enter(part)
        continue
      }
      stack.pop()
      value = join(top.axis.kind, top.values)
      if (top.key !== undefined) known.set(top.key, value)
    }
    return value!
  }

  /** Does an axis have more parts than are worth following? */
  isIntricate(axis: Axis): boolean {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'variable' || this.#simple.get(resolved) === this.#bound) return false
    const parts = this.#fold(resolved, one, (_, counts) => joinSizes('sum', counts)!)
    const terms = this.#fold(resolved, one, (kind, counts) => joinSizes(kind, counts)!)
    if (parts > MOST_PARTS || terms > MOST_TERMS) return true
    this.#simple.set(resolved, this.#bound)
    return false
  }

  /** @throws Refusal for an axis of too many parts. */
  #check(axis: Axis): void {
    if (this.isIntricate(axis)) throw new Refusal(tooIntricate)
  }

  /**
   * The axis in terms of free variables alone.
   *
   * @throws Refusal for an axis of too many parts.
   */
  expand(axis: Axis): Axis {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'variable') return resolved
    const key = axis.kind === 'variable' ? axis.id : undefined
    const known = key === undefined ? undefined : this.#expanded.get(key)
    if (known) return known
    this.#check(resolved)
    const expanded = this.#expandParts(resolved)
    if (key !== undefined) this.#expanded.set(key, expanded)
    return expanded
  }

  #expandParts(axis: Exclude<Axis, AxisVariable>): Axis {
    const parts: Axis[] = []
    for (const part of partsOf(axis)) {
      const resolved = this.resolve(part)
      parts.push(resolved.kind === 'variable' ? resolved : this.#expandParts(resolved))
    }
    return axis.kind === 'sum' ? sum(parts) : product(parts)
  }

  /** Size before growth; null where a part is symbolic or unknown. */
  sizeOf(axis: Axis): number | null {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'variable') return numberOf(resolved)
    const known = this.#sizes.get(resolved)
    if (known !== undefined) return known
    const size = this.#fold<number | null>(resolved, numberOf, joinSizes)
    // A size that is known stays what it is, whatever is bound later.
    if (size !== null) this.#sizes.set(resolved, size)
    return size
  }

  /** The free variables in an axis, in order. */
  leaves(axis: Axis): readonly number[] {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'variable') return [resolved.id]
    const known = this.#isClosed ? this.#leaves.get(resolved) : undefined
    if (known) return known
    const found = [...this.#occurrences(resolved).values()]
    const leaves = [...new Set(found)]
    if (this.#isClosed) this.#leaves.set(resolved, leaves)
    return leaves
  }

  /** The same variables by the numbers that the axis was written with, before others were joined to them. */
  origins(axis: Axis): readonly number[] {
    return [...this.#occurrences(axis).keys()]
  }

  /** The number by which a free variable was written in an axis. */
  originOf(axis: Axis, leaf: number): number {
    for (const [origin, found] of this.#occurrences(axis)) if (found === leaf) return origin
    return leaf
  }

  /** The numbers by which free variables are written in an axis, in order, with what became of each. */
  #occurrences(axis: Axis): ReadonlyMap<number, number> {
    const found = new Map<number, number>()
    const seen = new Set<number>()
    const stack = [axis]
    for (let next = stack.pop(); next; next = stack.pop()) {
      if (next.kind === 'variable') {
        if (seen.has(next.id)) continue
        seen.add(next.id)
      }
      const resolved = this.resolve(next)
      if (resolved.kind === 'variable') {
        const origin = next.kind === 'variable' ? next.id : resolved.id
        found.set(origin, resolved.id)
      } else {
        const parts = partsOf(resolved)
        for (let i = parts.length - 1; i >= 0; i--) stack.push(parts[i]!)
      }
    }
    return found
  }

  /** The variable's number and those of the variables that it became in turn. */
  lineage(variable: number): readonly number[] {
    const numbers = [variable]
    for (
      let next = this.#successors.get(variable);
      next !== undefined;
      next = this.#successors.get(next)
    )
      numbers.push(next)
    return numbers
  }

  /** Have two axes the same size whatever grows, although they may be composed differently? */
  sameSize(a: Axis, b: Axis): boolean {
    const [left, right] = [this.expand(a), this.expand(b)]
    const constants = new Map<number, number>()
    for (const id of [...this.leaves(left), ...this.leaves(right)]) {
      const size = this.#variables[id]?.size
      if (this.#fixed[id] && typeof size === 'number') constants.set(id, size)
    }
    return sizeKey(left, constants) === sizeKey(right, constants)
  }

  /** The flattened factors of an axis, outermost first, without axes of size one that never grow. */
  factors(axis: Axis): Axis[] {
    this.#check(axis)
    return this.#factorsOf(axis)
  }

  #factorsOf(axis: Axis): Axis[] {
    const resolved = this.resolve(axis)
    if (resolved.kind === 'product')
      return resolved.factors.flatMap((factor) => this.#factorsOf(factor))
    const isOne =
      resolved.kind === 'variable' && resolved.size === 1 && this.#fixed[resolved.id] === true
    return isOne ? [] : [resolved]
  }

  /** The flattened terms of an axis. */
  terms(axis: Axis): Axis[] {
    this.#check(axis)
    return this.#termsOf(axis)
  }

  #termsOf(axis: Axis): Axis[] {
    const resolved = this.resolve(axis)
    return resolved.kind === 'sum'
      ? resolved.terms.flatMap((term) => this.#termsOf(term))
      : [resolved]
  }

  /** Are two axes the same expression already? */
  identical(a: Axis, b: Axis): boolean {
    const [x, y] = [this.resolve(a), this.resolve(b)]
    if (x === y) return true
    if (x.kind === 'variable' || y.kind === 'variable')
      return x.kind === 'variable' && y.kind === 'variable' && x.id === y.id
    if (x.kind !== y.kind) return false
    const [p, q] =
      x.kind === 'sum' ? [this.terms(x), this.terms(y)] : [this.factors(x), this.factors(y)]
    return p.length === q.length && p.every((part, i) => this.identical(part, q[i]!))
  }
}
