/**
 * The safetensors format: eight bytes with the length of a JSON header, the header, and the data of all
 * tensors, one after the other. Tensors are lazy: only the header is read.
 *
 * @see https://github.com/huggingface/safetensors#format
 */

import { viewOf } from '../data/bytes.ts'
import { inputError } from '../errors.ts'
import { quote } from '../model/quote.ts'
import type { BytePart, ByteSource } from '../tensor/bytes.ts'
import { byteLengthOf, type DType } from '../tensor/dtype.ts'
import { bytesFrom, elementCount, type LazyTensor } from '../tensor/tensor.ts'

export interface SafetensorsFile {
  /** In the order in which their data lies in the file. */
  readonly tensors: ReadonlyMap<string, LazyTensor>
  /** Free text by key (`format: pt`); empty where the file has none. */
  readonly metadata: Readonly<Record<string, string>>
}

const dtypeNames = {
  BOOL: 'bool',
  U8: 'uint8',
  I8: 'int8',
  U16: 'uint16',
  I16: 'int16',
  U32: 'uint32',
  I32: 'int32',
  U64: 'uint64',
  I64: 'int64',
  F16: 'float16',
  BF16: 'bfloat16',
  F32: 'float32',
  F64: 'float64',
  F8_E4M3: 'float8e4m3fn',
  F8_E5M2: 'float8e5m2',
} as const satisfies Record<string, DType>

const nameOf = new Map<DType, string>(
  Object.entries(dtypeNames).map(([name, dtype]) => [dtype, name]),
)

/** The format's own limit on the length of the header. */
const longestHeader = 100_000_000

/**
 * Reads the header of a safetensors file.
 *
 * @param name what the file is called in messages
 * @throws Net2NetError (input) where the header is broken, or describes data that is not there, overlaps
 *   or leaves gaps
 */
export function readSafetensors(source: ByteSource, name: string): SafetensorsFile {
  const broken = (what: string) =>
    inputError(`${name} is not a safetensors file that can be read: ${what}.`, { where: name })
  if (source.size < 8) throw broken('it is shorter than eight bytes')
  const length = Number(viewOf(source.read(0, 8)).getBigUint64(0, true))
  if (length > longestHeader || 8 + length > source.size)
    throw broken(`its header should be ${length} bytes long, and the file has ${source.size}`)
  const header = parseHeader(source.read(8, length), broken)
  const tensors: { key: string; begin: number; end: number; dtype: DType; dims: number[] }[] = []
  let metadata: Readonly<Record<string, string>> = {}
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') {
      if (!isRecord(entry) || !Object.values(entry).every((text) => typeof text === 'string'))
        throw broken('its metadata is not a table of texts')
      metadata = entry as Record<string, string>
    } else tensors.push({ key, ...parseEntry(key, entry, broken) })
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end)
  const dataStart = 8 + length
  let at = 0
  for (const { key, begin, end } of tensors) {
    if (begin !== at)
      throw broken(`the data of ${quote(key)} overlaps another tensor's or leaves a gap`)
    at = end
  }
  if (dataStart + at !== source.size)
    throw broken(`its tensors take ${at} bytes, and it holds ${source.size - dataStart}`)
  return {
    metadata,
    tensors: new Map(
      tensors.map(({ key, begin, end, dtype, dims }) => [
        key,
        { dtype, dims, byteLength: end - begin, ...bytesFrom(source, dataStart + begin) },
      ]),
    ),
  }
}

/**
 * The parts of a safetensors file, one after the other: the header's bytes, then each tensor, in the
 * order of the map. The header is padded with spaces, so that the data is aligned to eight bytes.
 *
 * @throws Net2NetError (input) for element types that the format does not have
 */
export function safetensorsParts(
  tensors: ReadonlyMap<string, LazyTensor>,
  metadata: Readonly<Record<string, string>> = {},
): readonly BytePart[] {
  const header: [string, unknown][] =
    Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : []
  let at = 0
  for (const [key, tensor] of tensors) {
    const dtype = nameOf.get(tensor.dtype)
    if (dtype === undefined)
      throw inputError(
        `The tensor ${quote(key)} has the type ${tensor.dtype}, which safetensors does not have.`,
        { where: key },
      )
    const end = at + tensor.byteLength
    header.push([key, { dtype, shape: tensor.dims, data_offsets: [at, end] }])
    at = end
  }
  // A tensor may be called `__proto__`: to assign that would change the object's prototype.
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  const padded = Math.ceil(text.length / 8) * 8
  const start = new Uint8Array(8 + padded).fill(0x20)
  viewOf(start).setBigUint64(0, BigInt(padded), true)
  start.set(text, 8)
  const head = {
    byteLength: start.length,
    read: (offset: number, length: number) => start.subarray(offset, offset + length),
  }
  return [head, ...tensors.values()]
}

type Broken = (what: string) => Error

function parseHeader(bytes: Uint8Array, broken: Broken): Record<string, unknown> {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (isRecord(header)) return header
  } catch {
    // The message below says what the reader of it needs.
  }
  throw broken('its header is not JSON')
}

function parseEntry(key: string, entry: unknown, broken: Broken) {
  if (!isRecord(entry)) throw broken(`the entry ${quote(key)} of its header is not a table`)
  const { dtype: name, shape, data_offsets: offsets } = entry
  const dtype =
    typeof name === 'string' && Object.hasOwn(dtypeNames, name)
      ? dtypeNames[name as keyof typeof dtypeNames]
      : undefined
  if (dtype === undefined) throw broken(`the tensor ${quote(key)} has an unknown type`)
  if (!isCounts(shape)) throw broken(`the tensor ${quote(key)} has a shape that is none`)
  if (!isCounts(offsets) || offsets.length !== 2)
    throw broken(`the tensor ${quote(key)} has offsets that are none`)
  const [begin, end] = offsets as [number, number]
  if (end - begin !== byteLengthOf(dtype, elementCount(shape)))
    throw broken(`the tensor ${quote(key)} of shape [${shape}] cannot take ${end - begin} bytes`)
  return { dtype, dims: shape, begin, end }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
