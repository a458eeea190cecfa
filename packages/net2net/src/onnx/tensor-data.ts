/** The forms in which a TensorProto can give its numbers, all read as little-endian bytes. */
import { inputError } from '../errors.ts'
import { shapeText } from '../model/quote.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import { byteLengthOf, type DType, dtypes } from '../tensor/dtype.ts'
import { computedTensor } from '../tensor/lazy.ts'
import { bytesFrom, elementCount, type LazyTensor } from '../tensor/tensor.ts'
import type { TensorDataField } from './schema.ts'
import type { Payload, Span } from './skeleton.ts'
import { type Where, WireReader } from './wire.ts'

/** The element types that each typed list may give; `raw_data` may give all of these. */
const typesOfField: Readonly<Record<TensorDataField, (dtype: DType) => boolean>> = {
  raw_data: (dtype) => dtype !== 'string',
  float_data: (dtype) => dtype === 'float32' || dtype === 'complex64',
  double_data: (dtype) => dtype === 'float64' || dtype === 'complex128',
  int32_data: (dtype) => dtype === 'int32' || (dtypes[dtype].bits <= 16 && dtype !== 'string'),
  int64_data: (dtype) => dtype === 'int64',
  uint64_data: (dtype) => dtype === 'uint32' || dtype === 'uint64',
}

/** Numbers of a list that take up to this many bytes are converted at once. */
const EAGER_BYTES = 2 ** 20
/** Payloads up to this size are copied out of the file while it is read. */
const INLINE_BYTES = 4096
const CHUNK = 2 ** 20
/** Larger lists of varints are refused: nobody writes them, and counting takes its time. */
const MAX_LIST_BYTES = 2 ** 28
/** The longest tag and the longest value. */
const MAX_ENTRY_BYTES = 20

/** A tensor whose bytes are a range of a source. */
export function sourceTensor(
  source: ByteSource,
  start: number,
  dtype: DType,
  dims: readonly number[],
): LazyTensor {
  const byteLength = byteLengthOf(dtype, elementCount(dims))
  return { dtype, dims, byteLength, ...bytesFrom(source, start) }
}

function bytesTensor(bytes: Uint8Array, dtype: DType, dims: readonly number[]): LazyTensor {
  return {
    dtype,
    dims,
    byteLength: bytes.byteLength,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  }
}

/** The tensor that a payload describes. Throws where its size is not that of the dimensions. */
export function payloadTensor(
  source: ByteSource,
  payload: Payload,
  dtype: DType,
  dims: readonly number[],
  where: Where,
): LazyTensor {
  const { field, spans } = payload
  if (!typesOfField[field](dtype))
    throw inputError(`${where()}: ${field} cannot hold elements of type ${dtype}.`)
  const needed = byteLengthOf(dtype, elementCount(dims))
  const shape = `dims ${shapeText(dims)} of ${dtype}`
  if (field === 'raw_data') {
    const { start, end } = spans[0]!
    if (end - start !== needed)
      throw inputError(`${where()}: raw_data has ${end - start} bytes, ${shape} need ${needed}.`)
    if (needed > INLINE_BYTES) return sourceTensor(source, start, dtype, dims)
    return bytesTensor(Uint8Array.from(source.read(start, needed)), dtype, dims)
  }

  const reader = new WireReader(source)
  const size = entrySize(field, dtype)
  const fixed = field === 'float_data' || field === 'double_data'
  const length = spans.reduce((sum, { start, end }) => sum + end - start, 0)
  if (!fixed && length > Math.min(MAX_LIST_BYTES, (needed / size) * MAX_ENTRY_BYTES))
    throw inputError(
      `${where()}: ${field} has ${length} bytes, too many for ${shape} (large tensors belong into raw_data).`,
    )
  const given = spans.reduce((sum, span) => sum + countEntries(reader, span, field, where), 0)
  if (given * size !== needed)
    throw inputError(
      `${where()}: ${field} has ${given} entries, ${shape} need ${Math.ceil(needed / size)}.`,
    )
  if (fixed && spans.length === 1 && spans[0]!.packed && needed > INLINE_BYTES)
    return sourceTensor(source, spans[0]!.start, dtype, dims)
  const convert = () => {
    const bytes = new Uint8Array(needed)
    if (fixed) copyFixed(source, spans, size, bytes)
    else convertVarints(source, spans, size, bytes, () => `${where()}: ${field}`)
    return bytes
  }
  return needed <= EAGER_BYTES
    ? bytesTensor(convert(), dtype, dims)
    : computedTensor(dtype, dims, needed, convert)
}

/** Bytes of the tensor that one list entry gives: several elements below 8 bits. */
function entrySize(field: TensorDataField, dtype: DType): number {
  if (field === 'float_data') return 4
  if (field === 'double_data') return 8
  return Math.max(1, dtypes[dtype].bits / 8)
}

function countEntries(reader: WireReader, span: Span, field: TensorDataField, where: Where) {
  const length = span.end - span.start
  if (field === 'float_data' || field === 'double_data') {
    const width = (field === 'float_data' ? 4 : 8) + (span.packed ? 0 : 1)
    if (length % width !== 0) throw inputError(`${where()}: ${field} ends inside a number.`)
    return length / width
  }
  const count = reader.countVarints(span.start, span.end, () => `${where()}: ${field}`)
  return span.packed ? count : count / 2
}

function copyFixed(source: ByteSource, spans: readonly Span[], size: number, to: Uint8Array) {
  let at = 0
  for (const { start, end, packed } of spans) {
    const bytes = source.read(start, end - start)
    if (packed) {
      to.set(bytes, at)
      at += bytes.length
      continue
    }
    for (let from = 1; from < bytes.length; from += size + 1, at += size)
      to.set(bytes.subarray(from, from + size), at)
  }
}

/** Writes each varint as a little-endian integer of `size` bytes. */
function convertVarints(
  source: ByteSource,
  spans: readonly Span[],
  size: number,
  to: Uint8Array,
  where: Where,
): void {
  const view = new DataView(to.buffer)
  let at = 0
  const put = (low: number, high: number) => {
    if (size === 8) {
      view.setUint32(at, low, true)
      view.setUint32(at + 4, high, true)
    } else {
      const value = low | 0
      const bits = size * 8
      if (size < 4 && (value >= 2 ** bits || value < -(2 ** (bits - 1))))
        throw inputError(
          `${where()}: entry ${at / size} is ${value}, which has more than ${bits} bits.`,
        )
      if (size === 4) view.setInt32(at, value, true)
      else if (size === 2) view.setInt16(at, value, true)
      else view.setInt8(at, value)
    }
    at += size
  }
  for (const span of spans) {
    let low = 0
    let high = 0
    let shift = 0
    let isTag = !span.packed
    for (let start = span.start; start < span.end; start += CHUNK) {
      for (const byte of source.read(start, Math.min(CHUNK, span.end - start))) {
        const bits = byte & 0x7f
        if (shift < 28) low |= bits << shift
        else if (shift === 28) {
          low |= bits << 28
          high |= bits >>> 4
        } else if (shift < 64) high |= bits << (shift - 32)
        else throw inputError(`${where()}: entry ${at / size} is too long.`)
        if (byte >= 0x80) {
          shift += 7
          continue
        }
        if (!isTag) put(low >>> 0, high >>> 0)
        if (!span.packed) isTag = !isTag
        low = 0
        high = 0
        shift = 0
      }
    }
  }
}
