/**
 * Tensors computed from others when they are read: gathers along any axes, factors, changes of
 * single elements, fills. Any byte range can be read by itself, in memory bounded by the range
 * and one source row.
 */
import { internalError } from '../errors.ts'
import { byteLengthOf, type DType, dtypes } from './dtype.ts'
import { type Fill, fillTensor } from './fill.ts'
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './half.ts'
import { elementCount, type LazyTensor } from './tensor.ts'

/** New entries of one axis: entry j is old entry `index[j]`, times `factors[j]`. */
export interface AxisSelection {
  readonly axis: number
  readonly index: Uint32Array
  readonly factors?: Float64Array
}

/** Changes elements [start, start + values.length) of a tensor in place. */
export type ElementChange = (values: Float64Array, start: number) => void

/** Source rows up to this size are read as a whole; of longer ones only what is asked for. */
const ROW_LIMIT = 8 * 1024 * 1024
/** Elements that are decoded at a time. */
const CHUNK = 1 << 16

/**
 * The tensor gathered along some axes, at most one selection per axis. Factors and `change` need a
 * floating-point type (float16, bfloat16, float32, float64) and are computed in float64.
 */
export function gather(
  source: LazyTensor,
  selections: readonly AxisSelection[],
  change?: ElementChange,
): LazyTensor {
  const { dtype } = source
  const itemBits = dtypes[dtype].bits
  if (itemBits < 8) throw internalError(`Tensors of type ${dtype} cannot be gathered.`)
  const item = itemBits / 8
  const indices = source.dims.map(
    (_, axis) => selections.find((selection) => selection.axis === axis)?.index,
  )
  const dims = source.dims.map((size, axis) => indices[axis]?.length ?? size)
  const last = indices.reduce((found, index, axis) => (index ? axis : found), -1)
  const factors = selections.flatMap(({ axis, factors: values }) =>
    values?.some((value) => value !== 1)
      ? [{ values, stride: elementCount(dims.slice(axis + 1)) }]
      : [],
  )
  const readBytes =
    last < 0
      ? (offset: number, length: number) => source.read(offset, length).slice()
      : rowGather(source, indices, dims, last, item)
  const byteLength = byteLengthOf(dtype, elementCount(dims))
  if (factors.length === 0 && !change) return { dtype, dims, byteLength, read: readBytes }
  return {
    dtype,
    dims,
    byteLength,
    read(offset, length) {
      const bytes = readBytes(offset, length)
      const start = offset / item
      const count = length / item
      for (let done = 0; done < count; done += CHUNK) {
        const size = Math.min(CHUNK, count - done)
        const part = bytes.subarray(done * item, (done + size) * item)
        const values = decode(dtype, part)
        for (const factor of factors) scale(values, start + done, factor.values, factor.stride)
        change?.(values, start + done)
        encode(dtype, values, part)
      }
      return bytes
    },
  }
}

/** Multiplies each element by the factor of its index along one axis. */
function scale(values: Float64Array, start: number, factors: Float64Array, stride: number): void {
  for (let i = 0; i < values.length; ) {
    const position = start + i
    const run = Math.min(values.length - i, stride - (position % stride))
    const factor = factors[Math.floor(position / stride) % factors.length]!
    if (factor === 1) i += run
    else for (const end = i + run; i < end; i++) values[i]! *= factor
  }
}

/** Reads gathered bytes row by row, where a row spans the axes from the last gathered one on. */
function rowGather(
  source: LazyTensor,
  indices: readonly (Uint32Array | undefined)[],
  dims: readonly number[],
  last: number,
  item: number,
): (offset: number, length: number) => Uint8Array {
  const index = indices[last]!
  const block = elementCount(dims.slice(last + 1)) * item
  const rowBytes = index.length * block
  const sourceRowBytes = source.dims[last]! * block
  let cached: { row: number; bytes: Uint8Array } | undefined

  const sourceRow = (row: number): number => {
    let rest = row
    let result = 0
    let stride = 1
    for (let axis = last - 1; axis >= 0; axis--) {
      const size = dims[axis]!
      const at = rest % size
      rest = (rest - at) / size
      result += (indices[axis]?.[at] ?? at) * stride
      stride *= source.dims[axis]!
    }
    return result
  }
  const readRow = (row: number): Uint8Array => {
    if (cached?.row !== row)
      cached = { row, bytes: source.read(row * sourceRowBytes, sourceRowBytes) }
    return cached.bytes
  }

  return (offset, length) => {
    const out = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const row = Math.floor((offset + done) / rowBytes)
      let at = offset + done - row * rowBytes
      const end = Math.min(rowBytes, at + length - done)
      const from = sourceRow(row)
      const whole = sourceRowBytes <= ROW_LIMIT ? readRow(from) : undefined
      while (at < end) {
        // Neighbours that stay neighbours are copied in one go.
        const first = Math.floor(at / block)
        let next = first + 1
        while (next * block < end && index[next] === index[next - 1]! + 1) next++
        const run = Math.min(end, next * block) - at
        const position = index[first]! * block + (at - first * block)
        const bytes = whole
          ? whole.subarray(position, position + run)
          : source.read(from * sourceRowBytes + position, run)
        out.set(bytes, done)
        done += run
        at += run
      }
      if (at === rowBytes) cached = undefined
    }
    return out
  }
}

/** The elements of little-endian floating-point data as float64. */
export function decode(dtype: DType, bytes: Uint8Array): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (dtype) {
    case 'float32': {
      const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
      return Float64Array.from(
        new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4),
      )
    }
    case 'float64': {
      const copy = bytes.slice()
      return new Float64Array(copy.buffer, 0, copy.byteLength / 8)
    }
    case 'float16':
    case 'bfloat16': {
      const convert = dtype === 'float16' ? fromFloat16 : fromBfloat16
      return Float64Array.from({ length: bytes.length / 2 }, (_, i) =>
        convert(view.getUint16(2 * i, true)),
      )
    }
    default:
      throw internalError(`Elements of type ${dtype} cannot be computed with.`)
  }
}

/** Writes float64 values as elements of a floating-point type, little-endian. */
export function encode(dtype: DType, values: Float64Array, into: Uint8Array): void {
  switch (dtype) {
    case 'float32':
      into.set(new Uint8Array(Float32Array.from(values).buffer))
      return
    case 'float64':
      into.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      return
    case 'float16':
    case 'bfloat16': {
      const convert = dtype === 'float16' ? toFloat16 : toBfloat16
      into.set(new Uint8Array(Uint16Array.from(values, convert).buffer))
      return
    }
    default:
      throw internalError(`Elements of type ${dtype} cannot be computed with.`)
  }
}

/** A tensor that is filled when it is read; `key` names what its random numbers are for. */
export function lazyFill(
  fill: Fill,
  dtype: DType,
  dims: readonly number[],
  seed: number,
  ...key: readonly (string | number)[]
): LazyTensor {
  const byteLength = byteLengthOf(dtype, elementCount(dims))
  const exact = dtype === 'float32' || dtype === 'float64'
  let filled: Uint8Array | undefined
  const compute = (): Uint8Array => {
    const tensor = fillTensor(fill, exact ? dtype : 'float64', dims, seed, ...key)
    if (exact) return tensor.read(0, byteLength)
    const bytes = new Uint8Array(byteLength)
    encode(dtype, Float64Array.from(tensor.data as Float64Array), bytes)
    return bytes
  }
  return {
    dtype,
    dims,
    byteLength,
    read(offset, length) {
      filled ??= compute()
      return filled.subarray(offset, offset + length)
    },
  }
}
