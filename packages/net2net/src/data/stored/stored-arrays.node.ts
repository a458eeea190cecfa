/** Arrays in files of which any range can be read: .npy, members of .npz that are not packed, IDX and plain numbers. */
import { inputError } from '../../errors.ts'
import { FileSource } from '../../files/file-source.ts'
import type { ByteSource } from '../../tensor/bytes.ts'
import { byteLengthOf } from '../../tensor/dtype.ts'
import { elementCount, type NumericDType } from '../../tensor/tensor.ts'
import { idxHeader } from '../idx.ts'
import { mustBeWholeNpy, NPY_PREFIX, npyElements, npyHeader, npyStart } from '../npy.ts'
import { zipEntries } from '../zip.ts'
import type { Elements } from './elements.ts'

/** An array in a file. */
export interface RangedArray {
  readonly dtype: NumericDType
  readonly dims: readonly number[]
  readonly elements: Elements
}

/** The array of a .npy file; undefined where its rows are not one after the other (Fortran order). @throws input */
export const rangedNpy = (path: string): RangedArray | undefined =>
  npyIn(new FileSource(path), path)

/** The arrays of an .npz file by name; undefined where some are packed, so that no range can be read. @throws input */
export function rangedNpz(path: string): ReadonlyMap<string, RangedArray> | undefined {
  const arrays = new Map<string, RangedArray>()
  for (const [name, entry] of zipEntries(new FileSource(path), path)) {
    if (!name.endsWith('.npy')) continue
    const key = name.slice(0, -'.npy'.length)
    const array =
      entry.packing === 'stored' ? npyIn(entry.bytes, `The array ${key} of ${path}`) : undefined
    if (!array) return undefined
    arrays.set(key, array)
  }
  return arrays
}

function npyIn(bytes: ByteSource, source: string): RangedArray | undefined {
  const prefix = bytes.read(0, Math.min(NPY_PREFIX, bytes.size))
  const start = npyStart(prefix, source)
  const header = npyHeader(bytes.read(0, Math.min(start, bytes.size)), source)
  mustBeWholeNpy(header, bytes.size - start, source)
  if (header.isFortran && header.dims.length > 1) return undefined
  return { dtype: header.dtype, dims: header.dims, elements: elementsIn(bytes, header, source) }
}

/** The array of an IDX file that is not packed. @throws input */
export function rangedIdx(path: string): RangedArray {
  const file = new FileSource(path)
  const most = 4 + 4 * 255
  const header = idxHeader(file.read(0, Math.min(most, file.size)), file.size, path)
  return {
    dtype: header.dtype,
    dims: header.dims,
    elements: elementsIn(file, { ...header, isBigEndian: true }, path),
  }
}

/** A file of numbers and nothing else, in little-endian order. @throws input where it holds no whole numbers of them */
export function rangedNumbers(path: string, dtype: NumericDType): RangedArray {
  const file = new FileSource(path)
  const width = byteLengthOf(dtype, 1)
  if (file.size % width !== 0)
    throw inputError(
      `${path} has ${file.size} bytes, which are no whole numbers of ${dtype} (${width} bytes).`,
      { where: path },
    )
  const dims = [file.size / width]
  return {
    dtype,
    dims,
    elements: elementsIn(file, { dtype, dims, start: 0, isBigEndian: false }, path),
  }
}

interface Placed {
  readonly dtype: NumericDType
  readonly dims: readonly number[]
  readonly start: number
  readonly isBigEndian: boolean
}

function elementsIn(bytes: ByteSource, of: Placed, source: string): Elements {
  const length = elementCount(of.dims)
  const width = byteLengthOf(of.dtype, 1)
  return {
    dtype: of.dtype,
    length,
    read(at, count) {
      if (at < 0 || at + count > length) throw inputError(`${source} is truncated.`)
      return npyElements(of, count, bytes.read(of.start + at * width, count * width))
    },
  }
}
