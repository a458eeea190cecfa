/** Helpers of infer rules. */
import { inputError } from '../../errors.ts'
import type { Dim, Shape } from '../../model/model.ts'
import type { InferContext, ValueInfo } from '../contract/infer.ts'

/** An output of the element type of input 0 (or of another input). */
export const inferredFrom = (
  context: InferContext,
  shape: Shape | undefined,
  input = 0,
): ValueInfo => ({ dtype: context.dtype(input), shape })

/** The product of all dimensions; null where one is not a number or a shape is missing. */
export function countProduct(shapes: readonly (readonly Dim[] | undefined)[]): number | null {
  let count = 1
  for (const shape of shapes) {
    if (!shape) return null
    for (const dim of shape) {
      if (typeof dim !== 'number') return null
      count *= dim
    }
  }
  return count
}

/** An axis attribute as a position from the front; throws where it lies outside the rank. */
export function axisPosition(axis: number, rank: number): number {
  if (axis < -rank || axis >= Math.max(rank, 1))
    throw inputError(`Axis ${axis} does not exist in a value of rank ${rank}.`)
  return axis < 0 ? axis + rank : axis
}

/** A dimension times a factor, rounded down as runtimes do: in float32. */
export const scaled = (dim: Dim, factor: number): Dim =>
  factor === 1 ? dim : typeof dim === 'number' ? Math.floor(Math.fround(dim * factor)) : null
