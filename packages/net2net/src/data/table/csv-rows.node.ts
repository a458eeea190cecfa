/** Lines of text files with separated fields, read one after the other. */
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { type Info, parse } from 'csv-parse'
import { parse as parseSync } from 'csv-parse/browser/esm/sync'
import { inputError } from '../../errors.ts'
import { fileProblem } from '../../files/read-whole.ts'
import { delimiterOf, reading } from './delimiter.ts'
import { sniffedLines } from './layout.ts'
import type { OpenTable, TableRow } from './rows.ts'

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

/** The first lines of a table, and all as they are read. @throws input, when iterated */
export async function csvRows(stream: Readable, source: string): Promise<OpenTable> {
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
  return { first: firstRows(text(), delimiter), rows: rows(), close: () => stream.destroy() }
}

interface ParsedRow {
  readonly record: readonly string[]
  readonly info: Info
}

const rowOf = ({ record, info }: ParsedRow): TableRow => ({ cells: record, line: info.lines })

function firstRows(text: string, delimiter: string): readonly TableRow[] {
  for (const to of [sniffedLines, 2])
    try {
      // The types of csv-parse do not tell what `info` makes of the rows.
      const rows: unknown = parseSync(text, { ...reading(delimiter), info: true, to })
      return (rows as readonly ParsedRow[]).map(rowOf)
    } catch {
      // What is wrong with the table is told where it is read.
    }
  return []
}

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

/** Says of which table it is what went wrong. */
async function reported<T>(source: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    throw notATable(source, cause)
  }
}

async function* reportedAll(
  source: string,
  parser: AsyncIterable<unknown>,
): AsyncGenerator<TableRow> {
  const rows = parser[Symbol.asyncIterator]() as AsyncIterator<ParsedRow>
  for (;;) {
    const { value, done } = await reported(source, rows.next())
    if (done) return
    yield rowOf(value)
  }
}

function notATable(source: string, cause: unknown) {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EISDIR' || code === 'EIO')
    return inputError(`${source} ${fileProblem(cause)}.`, { cause })
  const what = code?.startsWith('Z_') ? 'is not a whole gzip file' : 'is not a table'
  return inputError(`${source} ${what}: ${message.replace(/\.$/, '')}.`, { cause })
}
