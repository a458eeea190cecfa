/**
 * NumPy's array files. Format:
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { unzipSync, zipSync } from 'fflate'
import { inputError, usageError } from '../errors.ts'
import { byteLengthOf } from '../tensor/dtype.ts'
import { allocate, elementCount, type NumericDType, Tensor } from '../tensor/tensor.ts'
import { swapBytes } from './bytes.ts'

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

/**
 * Decodes a .npy file: any byte order, C or Fortran order.
 *
 * @throws input where the bytes are not a whole .npy file of a numeric type
 */
export function decodeNpy(bytes: Uint8Array, source = 'The NPY data'): Tensor {
  if (magic.some((byte, i) => bytes[i] !== byte))
    throw inputError(
      `${source} is not an NPY file: it does not begin with the format's magic number.`,
    )
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wide = (bytes[6] ?? 1) >= 2
  const start = wide ? 12 : 10
  if (bytes.length < start) throw inputError(`${source} is truncated: its header is not whole.`)
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true)
  if (bytes.length < start + length)
    throw inputError(`${source} is truncated: its header is not whole.`)
  const header = new TextDecoder().decode(bytes.subarray(start, start + length))
  const descr = /'descr'\s*:\s*'([<>|=])(\w+)'/.exec(header)
  const shape = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(header)
  const fortran = /'fortran_order'\s*:\s*True/.test(header)
  const dtype = types[descr?.[2] ?? '']
  if (!descr || !shape || dtype === undefined)
    throw inputError(
      `${source} does not hold an array of numbers; its header says ${header.trim().slice(0, 100)}.`,
    )
  const dims = (shape[1]!.match(/\d+/g) ?? []).map(Number)
  const body = bytes.subarray(start + length)
  const expected = byteLengthOf(dtype, elementCount(dims))
  if (body.length !== expected)
    throw inputError(
      `${source} is ${body.length < expected ? 'truncated' : 'too long'}: its shape [${dims.join(', ')}] of ${dtype} takes ${expected} bytes, but ${body.length} follow the header.`,
    )
  const data = allocate(dtype, elementCount(dims))
  new Uint8Array(data.buffer).set(body)
  if (descr[1] === '>') swapBytes(new Uint8Array(data.buffer), data.BYTES_PER_ELEMENT)
  const tensor = new Tensor(dtype, dims, data)
  return fortran && dims.length > 1 ? fromFortran(tensor) : tensor
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
  const code = Object.keys(types).find((key) => types[key] === tensor.dtype)
  if (code === undefined) throw usageError(`NPY files have no element type ${tensor.dtype}.`)
  const order = tensor.data.BYTES_PER_ELEMENT === 1 ? '|' : '<'
  const shape = tensor.dims.length === 1 ? `${tensor.dims[0]},` : tensor.dims.join(', ')
  const text = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': (${shape}), }`
  // The data begins at a multiple of 64 bytes, after a line feed.
  const padding = 63 - ((magic.length + 4 + text.length) % 64)
  const header = new TextEncoder().encode(`${text}${' '.repeat(padding)}\n`)
  const bytes = new Uint8Array(magic.length + 4 + header.length + tensor.byteLength)
  bytes.set([...magic, 1, 0, header.length & 0xff, header.length >> 8])
  bytes.set(header, 10)
  bytes.set(tensor.read(0, tensor.byteLength), 10 + header.length)
  return bytes
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
