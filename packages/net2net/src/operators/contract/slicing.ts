/** How a node that is linear in a large weight is computed from slices of it. */
import type { Node } from '../../model/model.ts'

/**
 * Negative axes count from the back. With W = [W₁, W₂] cut along `carried.weight`, the output is
 * [f(x, W₁), f(x, W₂)] along `carried.output`; cut along `summed.weight`, and x with it along
 * `summed.data`, the output is f(x₁, W₁) + f(x₂, W₂), the bias being added once.
 */
export interface LinearForm {
  /** Input position of x. */
  readonly data: number
  readonly summed: { readonly weight: number; readonly data: number }
  readonly carried: { readonly weight: number; readonly output: number }
  /** Axes of x and of the output along which several x may lie side by side: none reads another. */
  readonly batch: { readonly data: number; readonly output: number }
  /** Input position of the bias; its last axis is the carried one, or has size 1. */
  readonly bias?: number
}

/** The form of a node with respect to its input at `position`, of dimensions `dims`, if it has one. */
export type LinearFormOf = (
  node: Node,
  position: number,
  dims: readonly number[],
) => LinearForm | undefined
