/** Tensors with their axes in another order, and with axes of size one more or fewer. */
import { internalError } from '../errors.ts'
import { dtypes } from '../tensor/dtype.ts'
import { bytesFrom, elementCount, type LazyTensor, readInto } from '../tensor/tensor.ts'

/**
 * The tensor whose axis i is axis `from[i]` of the source, or a new axis of size one where that is undefined.
 * Axes of the source that nobody takes must have size one.
 */
export function rearranged(source: LazyTensor, from: readonly (number | undefined)[]): LazyTensor {
  const dims = from.map((axis) => (axis === undefined ? 1 : source.dims[axis]!))
  if (elementCount(dims) !== elementCount(source.dims))
    throw internalError(`Axes ${from} do not cover a tensor of shape [${source.dims}].`)
  const { dtype, byteLength } = source
  const moved = from.filter((axis) => axis !== undefined && source.dims[axis] !== 1)
  if (moved.every((axis, i) => i === 0 || axis! > moved[i - 1]!))
    return { dtype, dims, byteLength, ...bytesFrom(source, 0) }
  const item = dtypes[dtype].bits / 8
  const strides = from.map((axis) =>
    axis === undefined ? 0 : elementCount(source.dims.slice(axis + 1)),
  )
  // Writers read a tensor from its beginning to its end, a piece at a time: between the pieces the whole is
  // kept, and given up with the last one.
  let whole: Uint8Array | undefined
  return {
    dtype,
    dims,
    byteLength,
    read(offset, length) {
      whole ??= rearrange(source, dims, strides, item)
      const part = whole.subarray(offset, offset + length)
      if (offset + length === byteLength) whole = undefined
      return part
    },
  }
}

function rearrange(
  source: LazyTensor,
  dims: readonly number[],
  strides: readonly number[],
  item: number,
): Uint8Array {
  const bytes = new Uint8Array(source.byteLength)
  readInto(source, 0, bytes)
  const out = new Uint8Array(source.byteLength)
  const index = dims.map(() => 0)
  const last = dims.length - 1
  const run = dims[last]!
  const step = strides[last]! * item
  for (let at = 0; at < out.length; ) {
    let place = item * index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0)
    for (let i = 0; i < run; i++, place += step)
      for (let byte = 0; byte < item; byte++) out[at++] = bytes[place + byte]!
    for (let axis = last - 1; axis >= 0 && ++index[axis]! === dims[axis]; axis--) index[axis] = 0
  }
  return out
}
