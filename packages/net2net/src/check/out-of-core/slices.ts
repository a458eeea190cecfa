/** Taking tensors apart along an axis, and putting them together again. */
import { internalError } from '../../errors.ts'
import { gather } from '../../tensor/lazy.ts'
import { allocate, bytesFrom, elementCount, type LazyTensor, Tensor } from '../../tensor/tensor.ts'

/** [0, size) in `count` consecutive ranges (fewer where the size is smaller) of about equal length. */
export function cuts(size: number, count: number): readonly (readonly [number, number])[] {
  const parts = Math.max(1, Math.min(size, count))
  const at = (i: number) => Math.floor((i * size) / parts)
  return Array.from({ length: parts }, (_, i) => [at(i), at(i + 1)] as const)
}

/** Entries [start, end) of an axis (from the back where negative), read when they are needed. */
export function sliceAxis(
  source: LazyTensor,
  axis: number,
  start: number,
  end: number,
): LazyTensor {
  const { dtype, dims, byteLength } = source
  const at = axis < 0 ? dims.length + axis : axis
  const size = dims[at]
  if (size === undefined)
    throw internalError(`A tensor of rank ${dims.length} has no axis ${axis}.`)
  if (start === 0 && end === size) return source
  if (elementCount(dims.slice(0, at)) > 1)
    return gather(source, [
      { axis: at, index: Uint32Array.from({ length: end - start }, (_, i) => start + i) },
    ])
  const entry = byteLength / size
  return {
    dtype,
    dims: dims.map((dim, k) => (k === at ? end - start : dim)),
    byteLength: (end - start) * entry,
    ...bytesFrom(source, start * entry),
  }
}

/** The tensors side by side along an axis (from the back where negative). */
export function concatenate(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors
  if (!first) throw internalError('No tensors to put together.')
  if (tensors.length === 1) return first
  const at = axis < 0 ? first.dims.length + axis : axis
  const size = tensors.reduce((sum, { dims }) => sum + dims[at]!, 0)
  const dims = first.dims.map((dim, k) => (k === at ? size : dim))
  const data = allocate(first.dtype, elementCount(dims))
  const bytes = new Uint8Array(data.buffer)
  const rows = elementCount(dims.slice(0, at))
  let position = 0
  for (let row = 0; row < rows; row++)
    for (const tensor of tensors) {
      const length = tensor.byteLength / rows
      bytes.set(tensor.read(row * length, length), position)
      position += length
    }
  return new Tensor(first.dtype, dims, data)
}

/** sum += addend, for floating-point tensors of one shape. */
export function addTo(sum: Tensor, addend: Tensor): void {
  const [into, values] = [sum.data as Float32Array, addend.data as Float32Array]
  for (let i = 0; i < into.length; i++) into[i]! += values[i]!
}

/** Have two tensors the same type, shape and bits? */
export function sameBits(a: Tensor, b: Tensor): boolean {
  if (a.dtype !== b.dtype || `${a.dims}` !== `${b.dims}`) return false
  const [bytes, others] = [bytesOf(a), bytesOf(b)]
  // Node compares many times as fast as a loop does.
  const { Buffer } = globalThis as {
    readonly Buffer?: { compare(a: Uint8Array, b: Uint8Array): number }
  }
  if (Buffer) return Buffer.compare(bytes, others) === 0
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== others[i]) return false
  return true
}

const bytesOf = ({ data: { buffer, byteOffset, byteLength } }: Tensor): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)
