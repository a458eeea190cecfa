/**
 * Unification of axis expressions. To say that two expressions are the same axis aligns them: sums
 * by cutting variables in two (u := v + w), products by splitting them (u := v·w). What cannot be
 * aligned is fixed, on both sides.
 */
import { type Axis, type AxisVariable, product, sum } from '../../operators/contract/axis.ts'
import type { AxisSystem, Position } from './axis-system.ts'

/**
 * Makes two axes one. Where that is impossible, both are fixed.
 *
 * @throws Refusal where it would take axes of too many parts.
 */
export function unify(system: AxisSystem, a: Axis, b: Axis, at: Position): Axis {
  new Unification(system, at).unify(a, b)
  return system.resolve(a)
}

/**
 * Splits an axis into outer·inner with an outer part of the given size. A concatenation of equal
 * parts a + a + … is n·a; its parts then grow alike. undefined where the axis does not divide.
 */
export const split = (
  system: AxisSystem,
  axis: Axis,
  outer: number,
  at: Position,
): readonly [Axis, Axis] | undefined => new Unification(system, at).split(axis, outer)

/** The part [start, end) of an axis; undefined where it cannot be taken apart. */
export const slice = (
  system: AxisSystem,
  axis: Axis,
  start: number,
  end: number,
  at: Position,
): Axis | undefined => new Unification(system, at).slice(axis, start, end)

/** What one node says of axes. */
class Unification {
  readonly #system: AxisSystem
  readonly #at: Position

  constructor(system: AxisSystem, at: Position) {
    this.#system = system
    this.#at = at
  }

  unify(first: Axis, second: Axis): void {
    const a = this.#system.resolve(first)
    const b = this.#system.resolve(second)
    if (a === b || (a.kind === 'variable' && b.kind === 'variable' && a.id === b.id)) return
    if (a.kind === 'variable' && b.kind === 'variable') {
      this.#merge(a, b)
      return
    }
    if (a.kind === 'variable') {
      this.#express(a, b)
      return
    }
    if (b.kind === 'variable') {
      this.#express(b, a)
      return
    }
    if (a.kind === 'sum' && b.kind === 'sum') {
      this.#alignSums(this.#system.terms(a), this.#system.terms(b))
      return
    }
    this.#alignProducts(this.#system.factors(a), this.#system.factors(b))
  }

  #merge(a: AxisVariable, b: AxisVariable): void {
    if (typeof a.size === 'number' && typeof b.size === 'number' && a.size !== b.size) {
      this.#mismatch(a, b)
      return
    }
    // What is known is kept: a number, else a symbol.
    const keep = typeof a.size === 'number' || (a.size !== null && typeof b.size !== 'number')
    if (keep) this.#system.join(a, b, this.#at)
    else this.#system.join(b, a, this.#at)
  }

  #express(variable: AxisVariable, axis: Axis): void {
    if (axis.kind === 'product') {
      const factors = this.#system.factors(axis)
      const only = factors[0]
      if (factors.length === 1 && only) {
        this.unify(variable, only)
        return
      }
    }
    const leaves = this.#system.leaves(axis)
    const size = this.#system.sizeOf(axis)
    const fits = typeof variable.size !== 'number' || size === null || size === variable.size
    if (!fits || leaves.includes(variable.id)) {
      this.#mismatch(variable, axis)
      return
    }
    // An empty product stands for an axis of size one that never grows.
    if (leaves.length === 0) this.#system.fixToOne(variable, this.#at)
    else this.#system.bind(variable, axis, this.#at)
  }

  #mismatch(a: Axis, b: Axis): void {
    const reason = 'joins two axes that are composed differently'
    this.#system.fix(a, reason, this.#at)
    this.#system.fix(b, reason, this.#at)
  }

  #alignSums(left: readonly Axis[], right: readonly Axis[]): void {
    const a = [...left].reverse()
    const b = [...right].reverse()
    while (a.length > 0 && b.length > 0) {
      const x = a.pop()!
      const y = b.pop()!
      if (a.length === 0 && b.length === 0) {
        this.unify(x, y)
        return
      }
      const [sx, sy] = [this.#system.sizeOf(x), this.#system.sizeOf(y)]
      if (this.#system.identical(x, y) || (sx !== null && sx === sy)) {
        this.unify(x, y)
        continue
      }
      const [longer, shorter, rest] = (sx ?? 0) > (sy ?? 0) ? [x, sy, a] : [y, sx, b]
      const parts = shorter && sx && sy ? this.#cut(longer, shorter) : undefined
      if (!parts) {
        this.#mismatch(sum([x, ...a]), sum([y, ...b]))
        return
      }
      this.unify(longer === x ? parts[0] : x, longer === x ? y : parts[0])
      rest.push(parts[1])
    }
    for (const axis of [...a, ...b])
      this.#system.fix(axis, 'joins concatenations of different sizes', this.#at)
  }

  #alignProducts(left: readonly Axis[], right: readonly Axis[]): void {
    let a = [...left]
    let b = [...right]
    for (;;) {
      while (a.length > 0 && b.length > 0 && this.#system.identical(a[0]!, b[0]!)) {
        a.shift()
        b.shift()
      }
      while (a.length > 0 && b.length > 0 && this.#system.identical(a.at(-1)!, b.at(-1)!)) {
        a.pop()
        b.pop()
      }
      if (a.length === 0 || b.length === 0) {
        for (const axis of [...a, ...b])
          this.#system.fix(axis, 'drops an axis of size one', this.#at)
        return
      }
      if (a.length === 1 && b.length === 1) {
        const [x, y] = [this.#system.resolve(a[0]!), this.#system.resolve(b[0]!)]
        if (x.kind !== 'variable' && y.kind !== 'variable' && x.kind !== y.kind)
          this.#mismatch(x, y)
        else this.unify(x, y)
        return
      }
      if (a.length === 1 && a[0]!.kind === 'variable') {
        this.#express(a[0]!, product(b))
        return
      }
      if (b.length === 1 && b[0]!.kind === 'variable') {
        this.#express(b[0]!, product(a))
        return
      }
      const [x, y] = [a[0]!, b[0]!]
      const [sx, sy] = [this.#system.sizeOf(x), this.#system.sizeOf(y)]
      if (sx !== null && sx === sy) {
        this.unify(x, y)
      } else if (this.#fixSingle(x, y, a) || this.#fixSingle(y, x, b)) {
        continue
      } else if (sx !== null && sy !== null && (sx % sy === 0 || sy % sx === 0)) {
        const parts = sx > sy ? this.split(x, sy) : this.split(y, sx)
        if (!parts) {
          this.#mismatch(product(a), product(b))
          return
        }
        this.unify(parts[0], sx > sy ? y : x)
        if (sx > sy) a = [x, parts[1], ...a.slice(1)]
        else b = [y, parts[1], ...b.slice(1)]
      } else if (this.#compatible(a, b)) {
        a.forEach((axis, i) => {
          this.unify(axis, b[i]!)
        })
        return
      } else {
        this.#mismatch(product(a), product(b))
        return
      }
      a = a.slice(1).flatMap((axis) => this.#system.factors(axis))
      b = b.slice(1).flatMap((axis) => this.#system.factors(axis))
    }
  }

  /**
   * Of 1·u = u·v no end of splits of u is a solution, but that the 1 stays one. Drops it from its
   * factors then.
   */
  #fixSingle(single: Axis, other: Axis, factors: Axis[]): boolean {
    const resolved = this.#system.resolve(single)
    if (resolved.kind !== 'variable' || resolved.size !== 1) return false
    const leaves = this.#system.leaves(other)
    const isOnBothSides = this.#system
      .leaves(product(factors))
      .some((leaf) => leaves.includes(leaf))
    if (!isOnBothSides) return false
    this.#system.fixToOne(resolved, this.#at)
    factors.shift()
    return true
  }

  /** Same number of parts, no two of known but different size: unknown sizes are taken in order. */
  #compatible(a: readonly Axis[], b: readonly Axis[]): boolean {
    return (
      a.length === b.length &&
      a.every((axis, i) => {
        const [x, y] = [this.#system.sizeOf(axis), this.#system.sizeOf(b[i]!)]
        return x === null || y === null || x === y
      })
    )
  }

  /**
   * Splits an axis into outer·inner with an outer part of the given size. A concatenation of equal
   * parts a + a + … is n·a; its parts then grow alike.
   */
  split(axis: Axis, outer: number): readonly [Axis, Axis] | undefined {
    const resolved = this.#system.resolve(axis)
    const size = this.#system.sizeOf(resolved)
    if (size === null || size % outer !== 0 || resolved.kind === 'product') return undefined
    const inner = size / outer
    if (resolved.kind === 'variable') {
      this.#system.countCut(this.#at)
      const parts = [
        this.#system.derive(resolved, outer),
        this.#system.derive(resolved, inner),
      ] as const
      this.#system.bind(resolved, product(parts), this.#at)
      return parts
    }
    const parts: Axis[] = []
    for (let i = 0; i < outer; i++) {
      const part = this.slice(resolved, i * inner, (i + 1) * inner)
      if (!part) return undefined
      parts.push(part)
    }
    for (const part of parts.slice(1)) this.unify(parts[0]!, part)
    // What all parts have become, not the first of them.
    return [
      this.#system.fixed(outer, 'takes concatenated parts for groups', this.#at),
      this.#system.expand(parts[0]!),
    ]
  }

  /** Cuts an axis in two after `at` entries. */
  #cut(axis: Axis, at: number): readonly [Axis, Axis] | undefined {
    const size = this.#system.sizeOf(axis)
    if (size === null || at <= 0 || at >= size) return undefined
    const head = this.slice(axis, 0, at)
    const tail = head && this.slice(axis, at, size)
    return head && tail ? [head, tail] : undefined
  }

  /** The part [start, end) of an axis; undefined where it cannot be taken apart. */
  slice(axis: Axis, start: number, end: number): Axis | undefined {
    const resolved = this.#system.resolve(axis)
    const size = this.#system.sizeOf(resolved)
    const stop = size === null ? end : Math.min(end, size)
    if (start < 0 || stop <= start) return undefined
    if (start === 0 && stop === size) return resolved
    switch (resolved.kind) {
      case 'variable':
        return this.#cutVariable(resolved, start, stop)
      case 'sum':
        return this.#sliceSum(resolved.terms, start, stop)
      case 'product': {
        const factors = this.#system.factors(resolved)
        const outer = factors.findIndex((factor) => this.#system.sizeOf(factor) !== 1)
        if (outer < 0) return undefined
        const inner = this.#system.sizeOf(product(factors.slice(outer + 1)))
        if (inner === null || start % inner !== 0 || stop % inner !== 0) return undefined
        // Once an outer axis of size one grew, the part would no longer lie in one piece.
        for (const single of factors.slice(0, outer))
          this.#system.fix(single, 'takes a part of an axis inside of it', this.#at)
        const part = this.slice(factors[outer]!, start / inner, stop / inner)
        return part && product(factors.map((factor, i) => (i === outer ? part : factor)))
      }
    }
  }

  #cutVariable(variable: AxisVariable, start: number, end: number): Axis {
    const known = typeof variable.size === 'number' ? variable.size : null
    const toEnd = end === Number.MAX_SAFE_INTEGER
    const head = start > 0 ? [this.#system.derive(variable, start)] : []
    const middle = this.#system.derive(variable, toEnd ? null : end - start)
    const tail =
      toEnd || end === known
        ? []
        : [this.#system.derive(variable, known === null ? null : known - end)]
    const parts = [...head, middle, ...tail]
    if (parts.length > 1) {
      this.#system.countCut(this.#at)
      this.#system.bind(variable, sum(parts), this.#at)
      return middle
    }
    return variable
  }

  #sliceSum(terms: readonly Axis[], start: number, end: number): Axis | undefined {
    const taken: Axis[] = []
    let offset = 0
    for (const term of terms) {
      if (offset >= end) break
      const size = this.#system.sizeOf(term)
      if (size === null) return undefined
      const from = Math.max(start - offset, 0)
      const to = Math.min(end - offset, size)
      if (from < to) {
        const part = this.slice(term, from, to)
        if (!part) return undefined
        taken.push(part)
      }
      offset += size
    }
    return taken.length > 0 ? sum(taken) : undefined
  }
}
