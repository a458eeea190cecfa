/** Parquet files, read by row groups. */
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { AsyncBuffer, Compressors } from 'hyparquet'
import { inputError } from '../../errors.ts'
import { FileSource } from '../../files/file-source.ts'
import type { OpenTable, TableRow } from './rows.ts'
import { cellOf } from './values.ts'

/** The columns of a Parquet file; one row group is in memory at a time. @throws input */
export async function parquetRows(path: string): Promise<OpenTable> {
  const { parquetMetadataAsync, parquetRead } = await import('hyparquet')
  const source = new FileSource(path)
  const file: AsyncBuffer = {
    byteLength: source.size,
    slice: (start, end = source.size) =>
      Uint8Array.from(source.read(start, Math.max(0, Math.min(end, source.size) - start))).buffer,
  }
  const metadata = await reported(path, parquetMetadataAsync(file))
  const [root, ...fields] = metadata.schema
  const header = fields.slice(0, root?.num_children ?? 0).map(({ name }) => name)
  const nested = fields.find(({ num_children: children = 0 }) => children > 0)
  if (nested)
    throw inputError(
      `${path}: the column ${nested.name} holds lists or objects, not single values.`,
    )
  async function* rows(): AsyncGenerator<TableRow> {
    yield { cells: header, line: 0 }
    let line = 0
    let rowStart = 0
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows)
      let read: readonly (readonly unknown[])[] = []
      const onComplete = (found: readonly (readonly unknown[])[]) => {
        read = found
      }
      await reported(
        path,
        parquetRead({ file, metadata, columns: header, rowStart, rowEnd, compressors, onComplete }),
      )
      for (const values of read) {
        line++
        const cells = values.map((value, i) =>
          cellOf(value, `${path}, column ${header[i]}: row ${line}`),
        )
        yield { cells, line }
      }
      rowStart = rowEnd
    }
  }
  const first: TableRow = { cells: header, line: 0 }
  return { first: [first], isNamed: true, rows: rows(), close: () => source.close() }
}

/** Snappy is the library's own; what Node unpacks, Node unpacks. */
const compressors: Compressors = {
  GZIP: (bytes) => gunzipSync(bytes),
  BROTLI: (bytes) => brotliDecompressSync(bytes),
}

async function reported<T>(path: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (cause) {
    const message = (cause as Error).message.replace(/\.$/, '')
    throw inputError(`${path} cannot be read as a Parquet file: ${message}.`, {
      where: path,
      cause,
    })
  }
}
