/**
 * Tensors computed from others when they are read: gathers along any axes, factors, changes of
 * single elements, fills. Any byte range can be read by itself, in memory bounded by the range
 * and one source row.
 */
import { internalError } from '../errors.ts'
import { byteLengthOf, type DType, dtypes } from './dtype.ts'
import { type Fill, fillRange, fillTensor, isRegular } from './fill.ts'
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './half.ts'
import { RowGather } from './row-gather.ts'
import { elementCount, type LazyTensor, readInto } from './tensor.ts'

/** New entries of one axis: entry j is old entry `index[j]`, times `factors[j]`. */
export interface AxisSelection {
  readonly axis: number
  readonly index: Uint32Array
  readonly factors?: Float64Array
}

/** Changes elements [start, start + values.length) of a tensor in place. */
export type ElementChange = (values: Float64Array, start: number) => void

/** Entries of one axis, with flag 1 where neither factors nor a change touch them: they are copied. */
export interface Untouched {
  readonly axis: number
  readonly flags: Uint8Array
}

/** Elements that are decoded at a time. */
const CHUNK = 1 << 14
/** From this many neighbours on, untouched ones are left alone. */
const LONG_RUN = 64

/**
 * The tensor gathered along some axes, at most one selection per axis. Factors and `change` need a
 * floating-point type (float16, bfloat16, float32, float64) and are computed in float64.
 */
export function gather(
  source: LazyTensor,
  selections: readonly AxisSelection[],
  change?: ElementChange,
  untouched?: Untouched,
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
  const run = untouched ? elementCount(dims.slice(untouched.axis + 1)) : 0
  const touched = (start: number, count: number) =>
    untouched && run >= LONG_RUN
      ? touchedRanges(untouched.flags, run, start, count)
      : [[0, count] as const]
  const rows = last < 0 ? undefined : new RowGather(source, indices, dims, last, item)
  const copy = (offset: number, into: Uint8Array) =>
    rows ? rows.readInto(offset, into) : readInto(source, offset, into)
  const compute = (offset: number, into: Uint8Array) => {
    copy(offset, into)
    const start = offset / item
    const count = into.length / item
    const scratch = new Float64Array(Math.min(CHUNK, count))
    for (const [from, to] of touched(start, count))
      for (let done = from; done < to; done += CHUNK) {
        const size = Math.min(CHUNK, to - done)
        const part = into.subarray(done * item, (done + size) * item)
        const values = scratch.subarray(0, size)
        decodeInto(dtype, part, values)
        for (const factor of factors) scale(values, start + done, factor.values, factor.stride)
        change?.(values, start + done)
        encode(dtype, values, part)
      }
  }
  const fill = factors.length === 0 && !change ? copy : compute
  return {
    dtype,
    dims,
    byteLength: byteLengthOf(dtype, elementCount(dims)),
    read(offset, length) {
      const bytes = new Uint8Array(length)
      fill(offset, bytes)
      return bytes
    },
    readInto: fill,
    ...(source.ready && { ready: async () => source.ready?.(0, source.byteLength) }),
  }
}

/** Of `count` elements from `start` on, the ranges of those whose index along an axis has no flag. */
function* touchedRanges(
  flags: Uint8Array,
  stride: number,
  start: number,
  count: number,
): Generator<readonly [from: number, to: number], void> {
  let at = Math.floor(start / stride) % flags.length
  let from = 0
  for (let to = 0, run = stride - (start % stride); to < count; run = stride) {
    if (flags[at] === 1) {
      if (from < to) yield [from, to]
      from = to + run
    }
    to = Math.min(count, to + run)
    if (++at === flags.length) at = 0
  }
  if (from < count) yield [from, count]
}

/** Multiplies each element by the factor of its index along one axis. */
function scale(values: Float64Array, start: number, factors: Float64Array, stride: number): void {
  let at = Math.floor(start / stride) % factors.length
  let run = stride - (start % stride)
  for (let i = 0; i < values.length; ) {
    const factor = factors[at]!
    const end = Math.min(values.length, i + run)
    if (factor === 1) i = end
    else for (; i < end; i++) values[i]! *= factor
    if (++at === factors.length) at = 0
    run = stride
  }
}

/** Float32 numbers that need not lie on a boundary of four bytes. */
const alignedFloats = (bytes: Uint8Array): Float32Array => {
  const { buffer, byteOffset, length } = isAligned(bytes) ? bytes : new Uint8Array(bytes)
  return new Float32Array(buffer, byteOffset, length / 4)
}
const isAligned = (bytes: Uint8Array): boolean => bytes.byteOffset % 4 === 0

/** The elements of little-endian data as float64: floating-point numbers, or integers of at most 32 bits. */
export function decode(dtype: DType, bytes: Uint8Array): Float64Array {
  const values = new Float64Array((bytes.length * 8) / dtypes[dtype].bits)
  decodeInto(dtype, bytes, values)
  return values
}

function decodeInto(dtype: DType, bytes: Uint8Array, into: Float64Array): void {
  switch (dtype) {
    case 'float32':
      into.set(alignedFloats(bytes))
      return
    case 'float64':
      new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(bytes)
      return
    case 'float16':
    case 'bfloat16': {
      const convert = dtype === 'float16' ? fromFloat16 : fromBfloat16
      for (let i = 0; i < into.length; i++)
        into[i] = convert(bytes[2 * i]! | (bytes[2 * i + 1]! << 8))
      return
    }
    default: {
      const integers = integersIn(dtype, new Uint8Array(bytes))
      if (!integers) throw internalError(`Elements of type ${dtype} cannot be computed with.`)
      into.set(integers)
    }
  }
}

/** Integers of at most 32 bits in bytes of their own. */
function integersIn(dtype: DType, { buffer }: Uint8Array<ArrayBuffer>) {
  switch (dtype) {
    case 'int8':
      return new Int8Array(buffer)
    case 'uint8':
      return new Uint8Array(buffer)
    case 'int16':
      return new Int16Array(buffer)
    case 'uint16':
      return new Uint16Array(buffer)
    case 'int32':
      return new Int32Array(buffer)
    case 'uint32':
      return new Uint32Array(buffer)
    default:
      return undefined
  }
}

/** Writes float64 values as elements of another type, little-endian; as integers only what integers hold. */
export function encode(dtype: DType, values: Float64Array, into: Uint8Array): void {
  switch (dtype) {
    case 'float32':
      if (isAligned(into)) alignedFloats(into).set(values)
      else into.set(new Uint8Array(new Float32Array(values).buffer))
      return
    case 'float64':
      into.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
      return
    case 'float16':
    case 'bfloat16': {
      const convert = dtype === 'float16' ? toFloat16 : toBfloat16
      values.forEach((value, i) => {
        const bits = convert(value)
        into[2 * i] = bits & 0xff
        into[2 * i + 1] = bits >> 8
      })
      return
    }
    default: {
      const bytes = new Uint8Array(into.length)
      const integers = integersIn(dtype, bytes)
      if (!integers) throw internalError(`Elements of type ${dtype} cannot be computed with.`)
      integers.set(values)
      into.set(bytes)
    }
  }
}

/**
 * A tensor that is filled when it is read; `key` names what its random numbers are for. Random
 * ones are drawn all at once and kept, others range by range.
 */
export function lazyFill(
  fill: Fill,
  dtype: DType,
  dims: readonly number[],
  seed: number,
  ...key: readonly (string | number)[]
): LazyTensor {
  const byteLength = byteLengthOf(dtype, elementCount(dims))
  if (!isRegular(fill))
    return computedTensor(dtype, dims, byteLength, () => {
      if (dtype === 'float32' || dtype === 'float64')
        return fillTensor(fill, dtype, dims, seed, ...key).read(0, byteLength)
      const bytes = new Uint8Array(byteLength)
      encode(dtype, fillTensor(fill, 'float64', dims, seed, ...key).data as Float64Array, bytes)
      return bytes
    })
  const item = dtypes[dtype].bits / 8
  const readRange = (offset: number, into: Uint8Array) => {
    const scratch = new Float64Array(Math.min(FILL_CHUNK, into.length / item))
    for (let done = 0; done < into.length; done += FILL_CHUNK * item) {
      const part = into.subarray(done, done + FILL_CHUNK * item)
      const values = scratch.subarray(0, part.length / item)
      fillRange(fill, dims, (offset + done) / item, values)
      encode(dtype, values, part)
    }
  }
  return {
    dtype,
    dims,
    byteLength,
    read(offset, length) {
      const bytes = new Uint8Array(length)
      readRange(offset, bytes)
      return bytes
    },
    readInto: readRange,
  }
}

/** Elements that are filled at a time. */
const FILL_CHUNK = 1 << 18

/** A tensor whose bytes are computed, all at once, when it is first read. */
export function computedTensor(
  dtype: DType,
  dims: readonly number[],
  byteLength: number,
  compute: () => Uint8Array,
): LazyTensor {
  let bytes: Uint8Array | undefined
  return {
    dtype,
    dims,
    byteLength,
    read(offset, length) {
      bytes ??= compute()
      return bytes.subarray(offset, offset + length)
    },
  }
}
