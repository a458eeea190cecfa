/**
 * The IDX format of MNIST: two zero bytes, a type code, the number of dimensions, the dimensions
 * as big-endian 32-bit integers, then the elements, big-endian.
 */
import { inputError } from '../errors.ts'
import { byteLengthOf } from '../tensor/dtype.ts'
import { allocate, elementCount, type NumericDType, Tensor } from '../tensor/tensor.ts'
import { swapBytes } from './bytes.ts'

const types: Readonly<Record<number, NumericDType>> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
}

/** What the header of an IDX file says. */
export interface IdxHeader {
  readonly dtype: NumericDType
  readonly dims: readonly number[]
  /** Where the elements begin. */
  readonly start: number
}

/**
 * The header of an IDX file that begins with these bytes.
 *
 * @param size of the file
 * @throws input where it is none, or has another size than the header says
 */
export function idxHeader(bytes: Uint8Array, size: number, source: string): IdxHeader {
  const dtype = bytes[0] === 0 && bytes[1] === 0 ? types[bytes[2] ?? 0] : undefined
  if (dtype === undefined || bytes.length < 4)
    throw inputError(
      `${source} is not an IDX file: it does not begin with the format's magic number.`,
    )
  const rank = bytes[3]!
  const start = 4 + 4 * rank
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const dims = Array.from({ length: rank }, (_, i) =>
    bytes.length < start ? 0 : view.getUint32(4 + 4 * i),
  )
  const expected = start + byteLengthOf(dtype, elementCount(dims))
  if (size < start || size !== expected)
    throw inputError(
      `${source} is ${size < expected ? 'truncated' : 'too long'}: it should have ${expected} bytes for its shape [${dims.join(', ')}], but has ${size}.`,
    )
  return { dtype, dims, start }
}

/**
 * Decodes an IDX file (not compressed). Bytes are not copied.
 *
 * @param source what to call the data in messages
 * @throws input where the bytes are not a whole IDX file
 */
export function decodeIdx(bytes: Uint8Array, source = 'The IDX data'): Tensor {
  const { dtype, dims, start } = idxHeader(bytes, bytes.length, source)
  const body = bytes.subarray(start)
  if (dtype === 'uint8') return new Tensor(dtype, dims, body)
  const data = allocate(dtype, elementCount(dims))
  new Uint8Array(data.buffer).set(body)
  swapBytes(new Uint8Array(data.buffer), data.BYTES_PER_ELEMENT)
  return new Tensor(dtype, dims, data)
}
