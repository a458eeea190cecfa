import { mustFit, numbers, object, oneOf } from '../arguments.ts'
import { internalError } from '../errors.ts'
import { byteLengthOf, type DType } from './dtype.ts'
import { fromBfloat16, fromFloat16 } from './half.ts'

/** Bytes that can be read anywhere: in memory, in a file, or computed. */
/** Bytes of an open file. */
export interface StoredBytes {
  readonly file: OpenFile
  readonly at: number
}
export interface OpenFile {
  readonly path: string
  /**
   * Works with the file's descriptor, which stays open meanwhile.
   *
   * @throws input where the file is no longer what was opened, whatever the work gave
   */
  use<T>(work: (descriptor: number) => Promise<T>): Promise<T>
}

export interface ReadableBytes {
  /**
   * Bytes `[offset, offset + length)`. The result may be a view of shared memory: callers never
   * write to it.
   */
  read(offset: number, length: number): Uint8Array
  /**
   * The same into memory of the caller's; where it is absent, `read` does not copy. Call it as
   * `readInto(source, offset, into)`.
   */
  readInto?(offset: number, into: Uint8Array): void
  /** The same while the caller does something else; absent where there is nothing to wait for. */
  readAsync?(offset: number, into: Uint8Array): Promise<void>
  /** Kept as soon as these bytes can be read; absent where they always can. */
  ready?(offset: number, length: number): Promise<void>
  /** Where the bytes from `offset` on lie in a file as they are; absent where they do not. */
  stored?(offset: number): StoredBytes | undefined
}

/**
 * A tensor whose elements are fetched only when somebody reads them: from memory, from a file,
 * or computed from other lazy tensors. Row-major, little-endian, immutable.
 */
export interface LazyTensor extends ReadableBytes {
  readonly dtype: DType
  readonly dims: readonly number[]
  /** Size of the data; 0 for strings. What is read of it falls on element boundaries. */
  readonly byteLength: number
  /** The elements of a string tensor, UTF-8; absent for every other type. */
  readonly strings?: readonly Uint8Array[]
}

/** Reads bytes `[offset, offset + into.length)` into `into`. */
export function readInto(source: ReadableBytes, offset: number, into: Uint8Array): void {
  if (source.readInto) source.readInto(offset, into)
  else into.set(source.read(offset, into.length))
}

/** The bytes from `start` on. */
export const bytesFrom = (source: ReadableBytes, start: number): ReadableBytes => ({
  read: (offset, length) => source.read(start + offset, length),
  ...(source.readInto && {
    readInto: (offset, into) => source.readInto?.(start + offset, into),
  }),
  ...(source.readAsync && {
    readAsync: async (offset, into) => source.readAsync?.(start + offset, into),
  }),
  ...(source.ready && {
    ready: async (offset, length) => source.ready?.(start + offset, length),
  }),
  ...(source.stored && { stored: (offset) => source.stored?.(start + offset) }),
})

export interface ArrayTypes {
  float32: Float32Array
  float64: Float64Array
  float16: Uint16Array
  bfloat16: Uint16Array
  int8: Int8Array
  uint8: Uint8Array
  bool: Uint8Array
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
}
export type NumericDType = keyof ArrayTypes
export type TypedArray = ArrayTypes[NumericDType]

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const

export const isNumeric = (dtype: DType): dtype is NumericDType => dtype in arrays

/** The number of elements of a tensor with these dimensions (1 for a scalar). */
export const elementCount = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1)

/** A zeroed typed array for `count` elements. float16 and bfloat16 hold their bit patterns. */
export function allocate<T extends NumericDType>(dtype: T, count: number): ArrayTypes[T] {
  return new arrays[dtype](count) as ArrayTypes[T]
}

/** The first `count` elements of memory as a typed array that shares it. */
export function viewAs<T extends NumericDType>(
  dtype: T,
  memory: ArrayBuffer,
  count: number,
): ArrayTypes[T] {
  return new arrays[dtype](memory, 0, count) as ArrayTypes[T]
}

const parameters = {
  dtype: oneOf('a type of numbers, as "float32"', Object.keys(arrays)),
  dims: numbers,
  data: object('an array of numbers, as Float32Array', 'buffer', 'object'),
}

/** A tensor in memory. `data` has one entry per element and must not be written to. */
export class Tensor<T extends NumericDType = NumericDType> implements LazyTensor {
  readonly dtype: T
  readonly dims: readonly number[]
  readonly data: ArrayTypes[T]

  constructor(dtype: T, dims: readonly number[], data: ArrayTypes[T]) {
    if (!(isNumeric(dtype) && Array.isArray(dims) && ArrayBuffer.isView(data)))
      mustFit('Tensor', parameters, [dtype, dims, data])
    if (data.length !== elementCount(dims))
      throw internalError(`A tensor of shape [${dims}] was given ${data.length} elements.`)
    this.dtype = dtype
    this.dims = dims
    this.data = data instanceof Uint8Array ? (plainBytes(data) as typeof data) : data
  }

  get byteLength(): number {
    return this.data.byteLength
  }

  read(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.data.buffer, this.data.byteOffset + offset, length)
  }
}

/** The same bytes as no Buffer of Node, whose `slice` copies nothing. */
export const plainBytes = (bytes: Uint8Array): Uint8Array =>
  bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A float32 tensor from numbers. */
export const float32 = (dims: readonly number[], values: ArrayLike<number>): Tensor<'float32'> =>
  new Tensor('float32', dims, values instanceof Float32Array ? values : Float32Array.from(values))

/** An int64 tensor from safe integers; a vector unless `dims` says otherwise. */
export const int64 = (
  values: readonly number[],
  dims: readonly number[] = [values.length],
): Tensor<'int64'> =>
  new Tensor(
    'int64',
    dims,
    BigInt64Array.from(values, (v) => BigInt(v)),
  )

/** A scalar of a numeric type (not float16 or bfloat16). */
export function scalar<T extends NumericDType>(dtype: T, value: number): Tensor<T> {
  const data = allocate(dtype, 1)
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[0] = BigInt(value)
  else data[0] = value
  return new Tensor(dtype, [], data)
}

/** Reads a whole lazy tensor into memory. Throws for strings and sub-byte types. */
export function materialize(source: LazyTensor): Tensor {
  if (source instanceof Tensor) return source
  const { dtype, dims } = source
  if (!isNumeric(dtype)) throw internalError(`Tensors of type ${dtype} have no array form.`)
  const count = elementCount(dims)
  const data = allocate(dtype, count)
  readInto(source, 0, new Uint8Array(data.buffer, 0, byteLengthOf(dtype, count)))
  return new Tensor(dtype, dims, data)
}

/** The same for one whose bytes may have to be fetched first. */
export async function materializeWhenReady(source: LazyTensor): Promise<Tensor> {
  await source.ready?.(0, source.byteLength)
  return materialize(source)
}

/**
 * The elements as JavaScript numbers, for small tensors (shapes, axes, scales, slopes). int64 beyond
 * ±2^53 is clamped, so that "to the end" stays "very far".
 */
export function toNumbers(source: LazyTensor): number[] {
  const { dtype, data } = materialize(source)
  if (dtype === 'float16') return Array.from(data as Uint16Array, fromFloat16)
  if (dtype === 'bfloat16') return Array.from(data as Uint16Array, fromBfloat16)
  return Array.from<number | bigint, number>(data, (value) =>
    typeof value === 'bigint' ? clampToSafe(value) : value,
  )
}

/** A bigint as a number, clamped to the safe integers. */
export function clampToSafe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER
  if (value < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER
  return Number(value)
}
