/** Tables of numbers, read line by line: of any length, in memory that does not depend on it. */

import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type Info, parse } from 'csv-parse'
import { parse as parseSync } from 'csv-parse/browser/esm/sync'
import { inputError, usageError } from '../errors.ts'
import { fileProblem } from '../files/read-whole.ts'
import { shown } from '../model/classes.ts'
import { quote } from '../model/quote.ts'
import { Tensor } from '../tensor/tensor.ts'
import {
  delimiterOf,
  hasDecimalComma,
  isHeader,
  isNumber,
  positionsOf,
  reading,
  sniffedLines,
} from './csv.ts'
import type { InputBatch, InputStream } from './inputs.ts'

export interface TableInputs {
  /** Names of the features that the model was trained on; a table with names has them in any order. */
  readonly columns?: readonly string[] | undefined
  /** How many features the model takes, where it says so. */
  readonly features?: number | undefined
  /** A column that is no feature: its name, or its position from 0. */
  readonly target?: string | number | undefined
}

/**
 * The features of a table as the input `input` [batch, features]. Where the table and the model both have
 * names, columns are found by these; otherwise by their order, where a column more than the
 * model takes is the target, the last one if nothing else is said.
 *
 * @param open gives the table's bytes, anew for each iteration
 * @throws input, when iterated, naming line and column, where a cell is empty or no number, or where a
 *   column is missing
 */
export function tableStream(
  open: () => Promise<Readable>,
  options: TableInputs,
  source: string,
): InputStream {
  return {
    length: undefined,
    async *batches(size) {
      const stream = await open()
      try {
        yield* readTable(stream, size, options, source)
      } finally {
        stream.destroy()
      }
    },
  }
}

/** A file's bytes, unpacked where they are packed by gzip. */
export async function openUnpacked(path: string): Promise<Readable> {
  try {
    const file = await open(path)
    const { buffer, bytesRead } = await file.read(new Uint8Array(2), 0, 2, 0)
    const stream = file.createReadStream({ start: 0 })
    if (bytesRead < 2 || buffer[0] !== 0x1f || buffer[1] !== 0x8b) return stream
    const unpacked = createGunzip()
    stream.on('error', (error) => unpacked.destroy(error))
    unpacked.on('close', () => stream.destroy())
    return stream.pipe(unpacked)
  } catch (cause) {
    throw inputError(`${path} ${fileProblem(cause)}.`, { where: path, cause })
  }
}

/** So much of a table is looked at to find out its form. */
const mostSniffed = 2 ** 20

async function* readTable(
  stream: Readable,
  size: number,
  options: TableInputs,
  source: string,
): AsyncGenerator<InputBatch> {
  const { first, rows } = await openRows(stream, source)
  yield* batchesOf(rows, size, chooseColumns(first, options, source), source)
}

/** The lines of a table: the first two of them, and all as they are read. @throws input, when iterated */
export async function openRows(
  stream: Readable,
  source: string,
): Promise<{ readonly first: readonly (readonly string[])[]; readonly rows: AsyncIterable<Row> }> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const head: Buffer[] = []
  const text = () => Buffer.concat(head).toString()
  for (let bytes = 0, lines = 0; lines <= sniffedLines && bytes < mostSniffed; ) {
    const { value, done } = await reported(source, chunks.next())
    if (done) break
    head.push(value)
    bytes += value.length
    for (const byte of value) if (byte === 10) lines++
  }
  const delimiter = delimiterOf(text())
  async function* rows() {
    const parser = parse({ ...reading(delimiter), info: true })
    const fed = feed(parser, head, chunks)
    try {
      yield* reportedAll(source, parser)
      await reported(source, fed)
    } finally {
      parser.destroy()
      await fed.catch(() => undefined)
    }
  }
  return { first: firstRows(text(), delimiter), rows: rows() }
}

export interface Row {
  readonly record: readonly string[]
  readonly info: Info
}

async function* batchesOf(
  rows: AsyncIterable<Row>,
  size: number,
  { columns, hasHeader, width, header }: Chosen,
  source: string,
): AsyncGenerator<InputBatch> {
  const dims = [columns.length]
  let data = new Float32Array(size * columns.length)
  let [read, filled] = [0, 0]
  const batch = () => ({
    inputs: {
      input: new Tensor('float32', [filled, ...dims], data.subarray(0, filled * columns.length)),
    },
  })
  for await (const { record, info } of rows) {
    if (read++ === 0 && hasHeader) continue
    if (record.length !== width)
      throw inputError(
        `${source} is not a table: line ${info.lines} has ${record.length} fields, but the first has ${width}.`,
      )
    for (const [i, column] of columns.entries()) {
      const field = record[column]!
      const place = () =>
        `${source}, column ${header?.[column] || column + 1}: line ${info.lines} has`
      if (field === '') throw inputError(`${place()} no value there.`, { hint: fillIn })
      if (!isNumber(field))
        throw inputError(
          `${place()} ${quote(field)}, which is not a number, and features must be.`,
          hasDecimalComma(field) ? { hint: 'Decimals are written with a point.' } : {},
        )
      data[filled * columns.length + i] = Number(field)
    }
    if (++filled < size) continue
    yield batch()
    // Whoever was given the batch may keep it.
    data = new Float32Array(size * columns.length)
    filled = 0
  }
  if (filled > 0) yield batch()
}

const fillIn = 'Leave samples with missing values out, or fill them in.'

/** Gives a parser the bytes, as fast as it takes them. */
async function feed(
  parser: ReturnType<typeof parse>,
  head: readonly Buffer[],
  rest: AsyncIterator<Buffer>,
): Promise<void> {
  const put = (chunk: Buffer) =>
    new Promise<void>((resolve) => {
      if (parser.destroyed || parser.write(chunk)) return resolve()
      const goOn = () => {
        parser.off('drain', goOn).off('close', goOn)
        resolve()
      }
      parser.on('drain', goOn).on('close', goOn)
    })
  try {
    for (const chunk of head) await put(chunk)
    for (;;) {
      if (parser.destroyed) return
      const { value, done } = await rest.next()
      if (done) break
      await put(value)
    }
    parser.end()
  } catch (error) {
    parser.destroy(error as Error)
    throw error
  }
}

interface Chosen {
  /** Positions of the features, in the order of the model's input. */
  readonly columns: readonly number[]
  readonly hasHeader: boolean
  readonly header: readonly string[] | undefined
  /** Fields of a line. */
  readonly width: number
}

function firstRows(text: string, delimiter: string): readonly (readonly string[])[] {
  try {
    return parseSync(text, { ...reading(delimiter), to: 2 }) as string[][]
  } catch {
    // What is wrong with the table is told where it is read.
    return []
  }
}

function chooseColumns(
  rows: readonly (readonly string[])[],
  { columns, features, target }: TableInputs,
  source: string,
): Chosen {
  const first = rows[0] ?? []
  const width = first.length
  const hasNames = columns?.some((name) => first.includes(name)) ?? false
  const hasHeader = hasNames || isHeader(rows, target)
  const header = hasHeader ? first : undefined
  const all = Array.from({ length: width }, (_, i) => i)
  const chosen = (positions: readonly number[]) => ({
    columns: positions,
    hasHeader,
    header,
    width,
  })
  if (header && columns) return chosen(positionsOf(columns, header, source))
  if (target !== undefined) {
    const at = typeof target === 'number' ? target : (header?.indexOf(target) ?? -1)
    if (!(at >= 0 && at < width))
      throw usageError(
        `${source} has no column ${target}${header ? `; it has ${shown(header)}` : ' (it has no header)'}.`,
      )
    return chosen(all.filter((i) => i !== at))
  }
  if (features === undefined || width === features) return chosen(all)
  if (width === features + 1) return chosen(all.slice(0, -1))
  throw inputError(
    `${source} has ${width} column${width === 1 ? '' : 's'}, but the model takes ${features} features.`,
  )
}

/** Says of which table it is what went wrong. */
async function reported<T>(source: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    throw notATable(source, cause)
  }
}

async function* reportedAll(source: string, parser: AsyncIterable<unknown>): AsyncGenerator<Row> {
  const rows = parser[Symbol.asyncIterator]() as AsyncIterator<Row>
  for (;;) {
    const { value, done } = await reported(source, rows.next())
    if (done) return
    yield value
  }
}

function notATable(source: string, cause: unknown) {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EISDIR' || code === 'EIO')
    return inputError(`${source} ${fileProblem(cause)}.`, { cause })
  const what = code?.startsWith('Z_') ? 'is not a whole gzip file' : 'is not a table'
  return inputError(`${source} ${what}: ${message.replace(/\.$/, '')}.`, { cause })
}
