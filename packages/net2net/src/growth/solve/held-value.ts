/** Small tensors of numbers that nodes compute from sizes, as constants. */

import type { ValueInfo } from '../../operators/contract/infer.ts'
import { elementsOf } from '../../operators/helpers/elements.ts'
import { dtypes, isFloat } from '../../tensor/dtype.ts'
import {
  allocate,
  elementCount,
  isNumeric,
  type NumericDType,
  Tensor,
} from '../../tensor/tensor.ts'

export interface HeldValue {
  readonly dtype: NumericDType
  readonly dims: readonly number[]
  readonly elements: readonly number[]
}

/** Larger numbers mean "to the end": no size is that large. */
const MAX_NUMBER = 2 ** 31 - 1

/**
 * What is known of a value, if that is all of its elements: a number, or a list of integers. (A
 * matrix is data, and so is a list of floats, even of one: as a constant it would be a weight.)
 */
export function heldValueOf(info: ValueInfo): HeldValue | undefined {
  const { dtype, shape } = info
  const elements = elementsOf(info)
  if (dtype === undefined || !isNumeric(dtype) || !shape || !elements || shape.length > 1)
    return undefined
  const float = isFloat(dtype)
  if (float && (shape.length > 0 || dtypes[dtype].bits < 32)) return undefined
  const isHeld = (element: unknown): element is number =>
    typeof element === 'number' &&
    Math.abs(element) <= MAX_NUMBER &&
    (float || Number.isInteger(element))
  return elements.every(isHeld)
    ? { dtype, dims: shape.map(() => elements.length), elements }
    : undefined
}

export function heldTensor({ dtype, dims, elements }: HeldValue): Tensor {
  const data = allocate(dtype, elementCount(dims))
  elements.forEach((element, i) => {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(element)
    else data[i] = element
  })
  return new Tensor(dtype, dims, data)
}
