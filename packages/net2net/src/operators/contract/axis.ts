/**
 * The algebra of axes: every axis of every tensor is a unit, a sum (concatenation) or a product
 * (regrouping) of axes. docs/architecture.md has the theory; the growth solver evaluates it.
 *
 * Indices are row-major: entry (i, j) of the product a·b lies at i·|b| + j, and the entries of
 * the sum a + b are those of a, then those of b.
 */
import type { Dim } from '../../model/model.ts'

/** An axis that no operator has taken apart: the channels of a conv, a height, a batch. */
export interface UnitAxis {
  readonly kind: 'unit'
  readonly id: number
  readonly size: Dim
  /** On an axis of a parameter: its entries take split coefficients. */
  readonly shares?: true
}
export interface SumAxis {
  readonly kind: 'sum'
  readonly terms: readonly Axis[]
}
export interface ProductAxis {
  readonly kind: 'product'
  readonly factors: readonly Axis[]
}
export type Axis = UnitAxis | SumAxis | ProductAxis

/** Concatenation; nested sums are flattened. */
export function sum(terms: readonly Axis[]): Axis {
  const flat = terms.flatMap((term) => (term.kind === 'sum' ? term.terms : [term]))
  return flat.length === 1 ? flat[0]! : { kind: 'sum', terms: flat }
}

/** Regrouping, outermost factor first; nested products are flattened. */
export function product(factors: readonly Axis[]): Axis {
  const flat = factors.flatMap((factor) => (factor.kind === 'product' ? factor.factors : [factor]))
  return flat.length === 1 ? flat[0]! : { kind: 'product', factors: flat }
}

/** What a sum or a product is made of. */
export const partsOf = (axis: SumAxis | ProductAxis): readonly Axis[] =>
  axis.kind === 'sum' ? axis.terms : axis.factors

/** The axis of size one: the empty product. */
export const one: Axis = { kind: 'product', factors: [] }

/** Size of an axis before growth; null where a part is symbolic or unknown. */
export function sizeOf(axis: Axis): number | null {
  switch (axis.kind) {
    case 'unit':
      return typeof axis.size === 'number' ? axis.size : null
    case 'sum':
      return fold(axis.terms, 0, (a, b) => a + b)
    case 'product':
      return fold(axis.factors, 1, (a, b) => a * b)
  }
}

function fold(axes: readonly Axis[], start: number, join: (a: number, b: number) => number) {
  let result = start
  for (const axis of axes) {
    const size = sizeOf(axis)
    if (size === null) return null
    result = join(result, size)
  }
  return result
}
