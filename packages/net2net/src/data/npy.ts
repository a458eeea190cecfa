/**
 * NumPy's array files. Format:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { unzipSync, zipSync } from 'fflate'
import { inputError, usageError } from '../errors.ts'
import { byteLengthOf, type DType } from '../tensor/dtype.ts'
import {
  allocate,
  elementCount,
  type NumericDType,
  Tensor,
  type TypedArray,
} from '../tensor/tensor.ts'
import { swapBytes, viewOf } from './bytes.ts'

const types: Readonly<Record<string, NumericDType>> = {
  b1: 'bool',
  i1: 'int8',
  u1: 'uint8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
}
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const maxArchiveBytes = 2 ** 32

/** What the header of a .npy file says. */
export interface NpyHeader {
  readonly dtype: NumericDType
  readonly dims: readonly number[]
  readonly isFortran: boolean
  readonly isBigEndian: boolean
  /** Where the elements begin. */
  readonly start: number
}

/** So many bytes at the beginning of a file tell how long its header is. */
export const NPY_PREFIX = 12

/** Where the elements of a .npy file begin that begins with these bytes. @throws input */
export function npyStart(bytes: Uint8Array, source: string): number {
  if (magic.some((byte, i) => bytes[i] !== byte))
    throw inputError(
      `${source} is not an NPY file: it does not begin with the format's magic number.`,
    )
  const wide = (bytes[6] ?? 1) >= 2
  if (bytes.length < (wide ? 12 : 10)) throw truncatedHeader(source)
  const view = viewOf(bytes)
  return wide ? 12 + view.getUint32(8, true) : 10 + view.getUint16(8, true)
}

/** The header of a .npy file, of whose bytes at least the header is there. @throws input */
export function npyHeader(bytes: Uint8Array, source: string): NpyHeader {
  const start = npyStart(bytes, source)
  if (bytes.length < start) throw truncatedHeader(source)
  const header = new TextDecoder().decode(bytes.subarray((bytes[6] ?? 1) >= 2 ? 12 : 10, start))
  const descr = /'descr'\s*:\s*'([<>|=])(\w+)'/.exec(header)
  const shape = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(header)
  const dtype = types[descr?.[2] ?? '']
  if (!descr || !shape || dtype === undefined)
    throw inputError(
      `${source} does not hold an array of numbers; its header says ${header.trim().slice(0, 100)}.`,
    )
  return {
    dtype,
    dims: (shape[1]!.match(/\d+/g) ?? []).map(Number),
    isFortran: /'fortran_order'\s*:\s*True/.test(header),
    isBigEndian: descr[1] === '>',
    start,
  }
}

const truncatedHeader = (source: string) =>
  inputError(`${source} is truncated: its header is not whole.`)

/** The elements of a .npy file in the machine's byte order. */
export function npyElements(
  { dtype, isBigEndian }: Pick<NpyHeader, 'dtype' | 'isBigEndian'>,
  count: number,
  body: Uint8Array,
): TypedArray {
  const data = allocate(dtype, count)
  new Uint8Array(data.buffer).set(body)
  if (isBigEndian) swapBytes(new Uint8Array(data.buffer), data.BYTES_PER_ELEMENT)
  return data
}

/** Refuses a body that has not as many bytes as the header says. @throws input */
export function mustBeWholeNpy({ dtype, dims }: NpyHeader, bytes: number, source: string): void {
  const expected = byteLengthOf(dtype, elementCount(dims))
  if (bytes !== expected)
    throw inputError(
      `${source} is ${bytes < expected ? 'truncated' : 'too long'}: its shape [${dims.join(', ')}] of ${dtype} takes ${expected} bytes, but ${bytes} follow the header.`,
    )
}

/**
 * Decodes a .npy file: any byte order, C or Fortran order.
 *
 * @throws input where the bytes are not a whole .npy file of a numeric type
 */
export function decodeNpy(bytes: Uint8Array, source = 'The NPY data'): Tensor {
  const header = npyHeader(bytes, source)
  const { dtype, dims, isFortran, start } = header
  const body = bytes.subarray(start)
  mustBeWholeNpy(header, body.length, source)
  const tensor = new Tensor(dtype, dims, npyElements(header, elementCount(dims), body))
  return isFortran && dims.length > 1 ? fromFortran(tensor) : tensor
}

/** Column-major elements in row-major order. */
function fromFortran(tensor: Tensor): Tensor {
  const { dtype, dims } = tensor
  const result = allocate(dtype, tensor.data.length)
  const index = dims.map(() => 0)
  for (let to = 0; to < result.length; to++) {
    let from = 0
    for (let axis = dims.length - 1; axis >= 0; axis--) from = from * dims[axis]! + index[axis]!
    result[to] = tensor.data[from]!
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis]!++
      if (index[axis]! < dims[axis]!) break
      index[axis] = 0
    }
  }
  return new Tensor(dtype, dims, result)
}

/** Encodes a tensor as a .npy file, version 1.0. */
export function encodeNpy(tensor: Tensor): Uint8Array {
  const header = encodeNpyHeader(npyType(tensor.dtype), tensor.dims)
  const bytes = new Uint8Array(header.length + tensor.byteLength)
  bytes.set(header)
  bytes.set(tensor.read(0, tensor.byteLength), header.length)
  return bytes
}

/** What NumPy calls a type of elements, in the machine's (little-endian) byte order. */
export function npyType(dtype: DType): string {
  const code = Object.keys(types).find((key) => types[key] === dtype)
  if (code === undefined) throw usageError(`NPY files have no element type ${dtype}.`)
  return `${code.endsWith('1') ? '|' : '<'}${code}`
}

/** What a .npy file, version 1.0, begins with: 64 bytes or a multiple of it. */
export function encodeNpyHeader(type: string, dims: readonly number[]): Uint8Array {
  const shape = dims.length === 1 ? `${dims[0]},` : dims.join(', ')
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape}), }`
  // The data begins at a multiple of 64 bytes, after a line feed.
  const padding = 63 - ((magic.length + 4 + text.length) % 64)
  const header = new TextEncoder().encode(`${text}${' '.repeat(padding)}\n`)
  return Uint8Array.of(...magic, 1, 0, header.length & 0xff, header.length >> 8, ...header)
}

/** Decodes a .npz file: the arrays by name. */
export function decodeNpz(bytes: Uint8Array, source = 'The NPZ data'): Map<string, Tensor> {
  let total = 0
  let files: Record<string, Uint8Array>
  try {
    files = unzipSync(bytes, {
      filter(file) {
        total += file.originalSize
        if (total > maxArchiveBytes) throw inputError(`${source} unpacks to more than 4 GiB.`)
        return file.name.endsWith('.npy')
      },
    })
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'Net2NetError') throw cause
    throw inputError(`${source} is not a whole NPZ (ZIP) file: ${(cause as Error).message}.`, {
      cause,
    })
  }
  return new Map(
    Object.entries(files).map(([name, content]) => {
      const array = name.slice(0, -'.npy'.length)
      return [array, decodeNpy(content, `The array ${array} of ${source}`)]
    }),
  )
}

/** Encodes arrays as a .npz file, not compressed. */
export function encodeNpz(arrays: ReadonlyMap<string, Tensor>): Uint8Array {
  const files = [...arrays].map(([name, tensor]) => [`${name}.npy`, encodeNpy(tensor)] as const)
  return zipSync(Object.fromEntries(files), { level: 0 })
}
