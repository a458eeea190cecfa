/**
 * The algebra of axes: every axis of every tensor is a variable, a sum (concatenation) or a product
 * (regrouping) of axes. docs/growth.md has the theory; the growth solver evaluates it.
 *
 * Indices are row-major: entry (i, j) of the product a·b lies at i·|b| + j, and the entries of
 * the sum a + b are those of a, then those of b.
 */
import type { Dim } from '../../model/model.ts'

/** An axis that no operator has taken apart: the channels of a convolution, a height, a batch. */
export interface AxisVariable {
  readonly kind: 'variable'
  readonly id: number
  readonly size: Dim
  /** Set on an axis of a parameter whose entries take the split coefficients of the variable. */
  readonly split?: true
}
export interface SumAxis {
  readonly kind: 'sum'
  readonly terms: readonly Axis[]
}
export interface ProductAxis {
  readonly kind: 'product'
  readonly factors: readonly Axis[]
}
export type Axis = AxisVariable | SumAxis | ProductAxis

/** Concatenation; nested sums are flattened. */
export function sum(terms: readonly Axis[]): Axis {
  const flat: Axis[] = []
  for (const term of terms)
    if (term.kind === 'sum') for (const part of term.terms) flat.push(part)
    else flat.push(term)
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

/** Is it that of size one, which never grows? */
export const isOne = (axis: Axis | undefined): boolean =>
  axis?.kind === 'product' && axis.factors.length === 0

/** Size of an axis before growth; null where a part is symbolic or unknown. */
export function sizeOf(axis: Axis): number | null {
  if (axis.kind === 'variable') return typeof axis.size === 'number' ? axis.size : null
  return joinSizes(axis.kind, partsOf(axis).map(sizeOf))
}

/** The size of a sum or product of parts of these sizes. */
export function joinSizes(kind: 'sum' | 'product', sizes: readonly (number | null)[]) {
  let total = kind === 'sum' ? 0 : 1
  for (const size of sizes) {
    if (size === null) return null
    total = kind === 'sum' ? total + size : total * size
  }
  return total
}
