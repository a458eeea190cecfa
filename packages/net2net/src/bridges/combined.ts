import { dtypes } from '../tensor/dtype.ts'
import { decode, encode } from '../tensor/lazy.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

/**
 * Elements computed from those of several tensors of one shape at the same place, in float64. The result has the type of
 * the first.
 */
export function combined(
  tensors: readonly [LazyTensor, ...LazyTensor[]],
  compute: (at: number, ...values: number[]) => number,
): LazyTensor {
  const [first] = tensors
  const item = dtypes[first.dtype].bits / 8
  return {
    dtype: first.dtype,
    dims: first.dims,
    byteLength: first.byteLength,
    read(offset, length) {
      const start = offset / item
      const parts = tensors.map((tensor) => {
        const size = dtypes[tensor.dtype].bits / 8
        return decode(tensor.dtype, tensor.read(start * size, (length / item) * size))
      })
      const values = parts[0]!.map((_, i) => compute(start + i, ...parts.map((part) => part[i]!)))
      const bytes = new Uint8Array(length)
      encode(first.dtype, values, bytes)
      return bytes
    },
  }
}
