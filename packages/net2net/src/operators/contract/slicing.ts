/** How a node that is linear in a large weight is computed from slices of it. */
import type { Node } from '../../model/model.ts'

/**
 * Negative axes count from the back. With W = [W₁, W₂] cut along `outputAxis.weight`, the output is
 * [f(x, W₁), f(x, W₂)] along `outputAxis.output`; cut along `contractedAxis.weight`, and x with it along
 * `contractedAxis.data`, the output is f(x₁, W₁) + f(x₂, W₂), the bias being added once.
 */
export interface WeightSlicing {
  /** Input position of x. */
  readonly data: number
  readonly contractedAxis: { readonly weight: number; readonly data: number }
  readonly outputAxis: { readonly weight: number; readonly output: number }
  /** Axes of x and of the output along which several x may lie side by side: none reads another. */
  readonly batch: { readonly data: number; readonly output: number }
  /** Input position of the bias; its last axis is the output axis, or has size 1. */
  readonly bias?: number
}

/** How a node is computed from slices of its input at `position`, of dimensions `dims`; undefined where it cannot be. */
export type WeightSlicingOf = (
  node: Node,
  position: number,
  dims: readonly number[],
) => WeightSlicing | undefined
