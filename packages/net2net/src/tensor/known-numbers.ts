/** Small tensors of which every element is known, as plain data. */
import { allocate, elementCount, type NumericDType, Tensor } from './tensor.ts'

export interface KnownNumbers {
  readonly dtype: NumericDType
  readonly dims: readonly number[]
  /** Row-major. */
  readonly elements: readonly number[]
}

export function numbersTensor({ dtype, dims, elements }: KnownNumbers): Tensor {
  const data = allocate(dtype, elementCount(dims))
  elements.forEach((element, i) => {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(element)
    else data[i] = element
  })
  return new Tensor(dtype, dims, data)
}
