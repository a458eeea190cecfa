/** Writes .npz files of any length, in memory that does not depend on it. */
import { usageError } from '../errors.ts'
import { AtomicFile } from '../files/atomic-file.ts'
import { AtomicFiles, type ReplaceOptions } from '../files/atomic-files.ts'
import { refuseExisting } from '../files/target.ts'
import { writeContent } from '../files/write-whole.ts'
import type { BytePart } from '../tensor/bytes.ts'
import type { ReadableBytes, Tensor } from '../tensor/tensor.ts'
import { inMemory, viewOf } from './bytes.ts'
import { encodeNpyHeader, npyType } from './npy.ts'
import { type ZipMember, zipParts } from './zip.ts'

interface Part {
  readonly file: AtomicFile
  readonly type: string
  /** Of one row. */
  readonly dims: readonly number[]
  rows: number
  bytes: number
}

/**
 * An .npz file whose arrays grow row by row. Until it is published, its rows lie in temporary files beside it,
 * and nothing is seen under its name.
 */
export class NpzWriter {
  readonly #path: string
  readonly #files: AtomicFiles
  readonly #parts = new Map<string, Part>()
  readonly #texts = new Map<string, string[]>()

  private constructor(path: string, options: ReplaceOptions) {
    this.#path = path
    this.#files = new AtomicFiles(options)
  }

  /** Begins a file. @throws usage where it exists (without `force`), or where no file may be */
  static async create(path: string, options: ReplaceOptions = {}): Promise<NpzWriter> {
    await refuseExisting(path, options.force ?? false)
    return new NpzWriter(path, options)
  }

  /**
   * Appends rows to an array, which begins with the first ones.
   *
   * @param rows a tensor whose first axis counts rows, or one string a row
   * @param width how many characters (code points) a string has at most; without it, all strings are kept in memory
   *   until the end
   * @throws usage where the rows are of another type or shape than those before
   */
  async append(name: string, rows: Tensor | readonly string[], width?: number): Promise<void> {
    if ('dtype' in rows) {
      const [count = 1, ...dims] = rows.dims
      const bytes = rows.read(0, rows.byteLength)
      return this.#append(name, { type: npyType(rows.dtype), dims, count, bytes })
    }
    if (width !== undefined)
      return this.#append(name, {
        type: textType(width),
        dims: [],
        count: rows.length,
        bytes: encodeTexts(rows, width),
      })
    const texts = this.#texts.get(name) ?? []
    this.#texts.set(name, texts)
    for (const row of rows) texts.push(row)
  }

  async #append(
    name: string,
    {
      type,
      dims,
      count,
      bytes,
    }: {
      readonly type: string
      readonly dims: readonly number[]
      readonly count: number
      readonly bytes: Uint8Array
    },
  ): Promise<void> {
    const part = this.#parts.get(name) ?? (await this.#begin(name, type, dims))
    if (part.type !== type || String(part.dims) !== String(dims))
      throw usageError(
        `The array ${name} has rows of the shape [${part.dims}], and now one of [${dims}]: an array has one shape for all.`,
        { where: name },
      )
    part.rows += count
    part.bytes += bytes.length
    await part.file.write(bytes)
  }

  async #begin(name: string, type: string, dims: readonly number[]): Promise<Part> {
    const file = await AtomicFile.create(this.#path)
    const part = { file, type, dims, rows: 0, bytes: 0 }
    this.#parts.set(name, part)
    return part
  }

  /** Puts the arrays together and gives the file its name. @throws usage, input */
  async publish(): Promise<void> {
    const members: ZipMember[] = []
    for (const [name, { file, type, dims, rows, bytes }] of this.#parts) {
      const header = encodeNpyHeader(type, [rows, ...dims])
      members.push({
        name: `${name}.npy`,
        data: joined(header, await file.reader(bytes), bytes),
      })
    }
    for (const [name, texts] of this.#texts) {
      const width = texts.reduce((most, text) => Math.max(most, Array.from(text).length), 1)
      const header = encodeNpyHeader(textType(width), [texts.length])
      const body = inMemory(encodeTexts(texts, width))
      members.push({ name: `${name}.npy`, data: joined(header, body, body.byteLength) })
    }
    const file = await this.#files.create(this.#path)
    await writeContent(file, zipParts(members))
    await this.#files.publish()
  }

  /** Removes what is not published. */
  async discard(): Promise<void> {
    for (const { file } of this.#parts.values()) await file.discard()
    await this.#files.discard()
  }
}

/** A header in memory and what follows it. */
function joined(header: Uint8Array, body: ReadableBytes, bytes: number): BytePart {
  const start = header.length
  return {
    byteLength: start + bytes,
    read(offset, length) {
      const head = header.subarray(Math.min(offset, start), Math.min(offset + length, start))
      const rest = length - head.length
      if (rest === 0) return head
      const tail = body.read(Math.max(0, offset - start), rest)
      if (head.length === 0) return tail
      const both = new Uint8Array(length)
      both.set(head)
      both.set(tail, head.length)
      return both
    },
  }
}

/** NumPy's strings: code points of 32 bits, as many for each string. */
const textType = (width: number) => `<U${width}`

function encodeTexts(texts: readonly string[], width: number): Uint8Array {
  const bytes = new Uint8Array(4 * width * texts.length)
  const view = viewOf(bytes)
  for (const [i, text] of texts.entries())
    for (const [j, point] of Array.from(text).slice(0, width).entries())
      view.setUint32(4 * (i * width + j), point.codePointAt(0)!, true)
  return bytes
}
