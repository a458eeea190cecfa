/** Arrays of .npz and .npy files, read row by row: larger than memory, if need be. */
import { createInflateRaw } from 'node:zlib'
import { inputError } from '../errors.ts'
import { FileSource } from '../files/file-source.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import { elementCount, type LazyTensor, Tensor } from '../tensor/tensor.ts'
import {
  type ChannelLayout,
  floatsOfBytes,
  hasChannelsLast,
  movedTensor,
  mustMove,
} from './channel-layout.ts'
import type { Normalization } from './dataset.ts'
import type { InputStream } from './inputs.ts'
import type { ModelInput } from './model-input.ts'
import {
  decodeNpy,
  mustBeWholeNpy,
  NPY_PREFIX,
  type NpyHeader,
  npyElements,
  npyHeader,
  npyStart,
} from './npy.ts'
import { type ZipEntry, zipEntries } from './zip.ts'

/** An array in a file: its type and shape, and its rows in their order. */
export interface StoredArray extends Pick<LazyTensor, 'dims'> {
  readonly dtype: NpyHeader['dtype']
  /** The rows in groups of `size`; the last one may be smaller. */
  rows(size: number): AsyncIterable<Tensor>
}

/**
 * The arrays of an .npz file by name, or the one of an .npy file under the name `input`.
 *
 * @throws input where the file is broken
 */
export async function storedArrays(path: string): Promise<ReadonlyMap<string, StoredArray>> {
  const file = new FileSource(path)
  if (/\.npy$/i.test(path)) {
    const entry = { bytes: file, unpackedSize: file.size, packing: 'stored' } as const
    return new Map([['input', await storedArray(entry, path)]])
  }
  const arrays = new Map<string, StoredArray>()
  for (const [name, entry] of zipEntries(file, path)) {
    if (!name.endsWith('.npy')) continue
    const array = name.slice(0, -'.npy'.length)
    arrays.set(array, await storedArray(entry, `The array ${array} of ${path}`))
  }
  return arrays
}

/**
 * Several arrays whose first axis is the sample, as inputs. Bytes are divided by 255.
 *
 * @param layout where the channels of the arrays are, which are moved where a model has them elsewhere, by the names of its inputs
 */
export function arraysStream(
  arrays: ReadonlyMap<string, StoredArray>,
  source: string,
  normalization?: Normalization,
  { layout, inputs: known = [] }: LayoutOptions = {},
): InputStream {
  const inLayout = (name: string, rows: Tensor): Tensor => {
    const { sizes } = known.find((input) => input.name === name) ?? {}
    return layout && mustMove(rows.dims.slice(1), layout, sizes) ? movedTensor(rows, layout) : rows
  }
  const lengths = new Set([...arrays.values()].map(({ dims }) => dims[0]))
  const [length] = lengths
  if (lengths.size !== 1 || length === undefined)
    throw inputError(
      `${source}: the arrays ${[...arrays.keys()].join(', ')} have ${[...lengths].map((n) => n ?? 'no').join(', ')} samples; all must have as many.`,
    )
  return {
    length,
    async *batches(size) {
      const parts = [...arrays].map(
        ([name, array]) => [name, array.rows(size)[Symbol.asyncIterator]()] as const,
      )
      try {
        for (let at = 0; at < length; at += size) {
          const inputs: Record<string, Tensor> = {}
          for (const [name, rows] of parts)
            inputs[name] = asInput(inLayout(name, (await rows.next()).value), normalization)
          yield { inputs }
        }
      } finally {
        for (const [, rows] of parts) await rows.return?.()
      }
    },
  }
}

interface LayoutOptions {
  readonly layout?: ChannelLayout | undefined
  readonly inputs?: readonly ModelInput[]
}

const asInput = (tensor: Tensor, normalization: Normalization | undefined): Tensor =>
  tensor.dtype === 'uint8'
    ? floatsOfBytes(
        tensor,
        isOf(normalization, tensor.dims.slice(1)) ? normalization : undefined,
        'input',
      )
    : new Tensor(tensor.dtype, tensor.dims, tensor.data)

/** Whether bytes are pictures of as many channels. */
const isOf = (normalization: Normalization | undefined, dims: readonly number[]): boolean =>
  dims.length === 3 && (hasChannelsLast(dims) ? dims[2] : dims[0]) === normalization?.mean.length

async function storedArray(entry: ZipEntry, source: string): Promise<StoredArray> {
  const reader = readerOf(entry, source)
  const header = await readHeader(reader, source)
  await reader.close()
  mustBeWholeNpy(header, entry.unpackedSize - header.start, source)
  const { dtype, dims } = header
  const rowDims = dims.slice(1)
  const row = elementCount(rowDims)
  return {
    dtype,
    dims,
    async *rows(size) {
      const bytes = readerOf(entry, source)
      try {
        if (header.isFortran && dims.length > 1) {
          // Its rows are not one after the other: the whole of it is read.
          const whole = decodeNpy(await bytes.take(entry.unpackedSize), source)
          for (let at = 0; at < dims[0]!; at += size) {
            const count = Math.min(size, dims[0]! - at)
            const data = whole.data.slice(at * row, (at + count) * row)
            yield new Tensor(dtype, [count, ...rowDims], data)
          }
          return
        }
        await bytes.take(header.start)
        const width = Math.round((entry.unpackedSize - header.start) / (elementCount(dims) || 1))
        for (let at = 0; at < dims[0]!; at += size) {
          const count = Math.min(size, dims[0]! - at)
          const body = await bytes.take(count * row * width)
          yield new Tensor(dtype, [count, ...rowDims], npyElements(header, count * row, body))
        }
      } finally {
        await bytes.close()
      }
    },
  }
}

async function readHeader(reader: Reader, source: string): Promise<NpyHeader> {
  const prefix = await reader.take(NPY_PREFIX)
  const start = npyStart(prefix, source)
  const rest = await reader.take(start - NPY_PREFIX)
  return npyHeader(Buffer.concat([prefix, rest]), source)
}

/** Bytes one after the other. */
interface Reader {
  /** The next `count` bytes. @throws input where there are not as many */
  take(count: number): Promise<Uint8Array>
  close(): Promise<void>
}

const readerOf = (entry: ZipEntry, source: string): Reader =>
  entry.packing === 'stored' ? storedReader(entry.bytes, source) : inflatingReader(entry, source)

function storedReader(bytes: ByteSource, source: string): Reader {
  let at = 0
  return {
    async take(count) {
      if (at + count > bytes.size) throw truncated(source)
      at += count
      return bytes.read(at - count, count)
    },
    close: async () => undefined,
  }
}

/** Packed bytes that are read at a time. */
const piece = 2 ** 18

function inflatingReader({ bytes, packing }: ZipEntry, source: string): Reader {
  if (packing !== 'deflated')
    throw inputError(`${source} is packed by a method that is not known here.`)
  const stream = createInflateRaw()
  stream.on('error', () => undefined)
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let at = 0
  let left: Uint8Array = new Uint8Array()
  const feed = () => {
    while (at < bytes.size) {
      const length = Math.min(piece, bytes.size - at)
      at += length
      // A copy: what was read stays with the stream.
      if (!stream.write(Uint8Array.from(bytes.read(at - length, length)))) {
        stream.once('drain', feed)
        return
      }
    }
    stream.end()
  }
  let isFed = false
  return {
    async take(count) {
      if (!isFed) feed()
      isFed = true
      const parts = [left]
      let have = left.length
      while (have < count) {
        const { value, done } = await chunks.next().catch((cause: Error) => {
          throw inputError(`${source} cannot be unpacked: ${cause.message}.`, { cause })
        })
        if (done) throw truncated(source)
        parts.push(value)
        have += value.length
      }
      const all = parts.length === 1 ? left : Buffer.concat(parts)
      left = all.subarray(count)
      return all.subarray(0, count)
    },
    async close() {
      stream.destroy()
    },
  }
}

const truncated = (source: string) => inputError(`${source} is truncated.`)
