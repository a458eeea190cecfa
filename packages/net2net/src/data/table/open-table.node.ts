/** Tables in files: separated fields, JSON lines, or Parquet. */

import { csvRows, openUnpacked } from './csv-rows.node.ts'
import { jsonRows } from './json-rows.node.ts'
import { parquetRows } from './parquet-rows.node.ts'
import type { OpenTable } from './rows.ts'

/** Whether a name is that of a file that is read as a table. */
export const isTable = (spec: string): boolean =>
  /\.((csv|tsv|jsonl|ndjson)(\.gz)?|parquet)$/i.test(spec)

/**
 * Opens a table, by its name: .csv and .tsv, .jsonl and .ndjson, all of them perhaps packed (.gz), or .parquet.
 *
 * @throws input where it cannot be read
 */
export async function openTable(path: string): Promise<OpenTable> {
  if (/\.parquet$/i.test(path)) return parquetRows(path)
  const stream = await openUnpacked(path)
  return /\.(csv|tsv)(\.gz)?$/i.test(path) ? csvRows(stream, path) : jsonRows(stream, path)
}
