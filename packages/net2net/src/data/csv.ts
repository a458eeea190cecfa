/** Tables as text, in memory. */
import { type Info, parse } from 'csv-parse/browser/esm/sync'
import { inputError } from '../errors.ts'
import type { ArrayDataset } from './dataset.ts'
import { delimiterOf, reading } from './table/delimiter.ts'
import { sniffedLines } from './table/layout.ts'
import { noSamples, type TableOptions, TablePlan } from './table/plan.ts'
import type { TableRow } from './table/rows.ts'
import { TableStore } from './table/store.ts'

export interface CsvOptions extends TableOptions {
  /** What separates fields; default: comma, semicolon or tab, whichever splits the lines into numbers. */
  readonly delimiter?: string | undefined
}

/**
 * A table with one sample per line: features, and one target column. A first line with anything but
 * numbers in columns of numbers is a header. The features become the input `input` [features]. Columns of text whose
 * values recur are categories: a number for each value, of which one is 1 (or, with `encoding: 'ids'`, its index).
 *
 * Classes that are whole numbers from 0 on are themselves the indices of the model's outputs, also
 * where they are written with a decimal point. All others are numbered in the order of their
 * values: numbers by size, text by the alphabet (UTF-16), and named in the data set's `classes`.
 *
 * @throws input, naming line and column, where a cell is empty or a feature is not a number among numbers, and
 *   naming the line where one has more or fewer fields than the first
 */
export function parseCsv(
  text: string,
  options: CsvOptions = {},
  source = 'The CSV data',
): ArrayDataset {
  const rows = parsed(text, options.delimiter ?? delimiterOf(text), source)
  if (rows.length === 0) throw noSamples(source)
  const plan = new TablePlan(rows.slice(0, sniffedLines), options, source)
  const samples = plan.hasHeader ? rows.slice(1) : rows
  for (const row of samples) plan.scan(row)
  const encoders = plan.finish()
  const store = new TableStore(encoders, plan.rows)
  for (const row of samples) store.add(row)
  return store.dataset()
}

function parsed(text: string, delimiter: string, source: string): readonly TableRow[] {
  try {
    // The types of csv-parse do not tell what `info` makes of the rows.
    const rows: unknown = parse(text, { ...reading(delimiter), info: true })
    return (rows as readonly { readonly record: string[]; readonly info: Info }[]).map(
      ({ record, info }) => ({ cells: record, line: info.lines }),
    )
  } catch (cause) {
    const message = (cause as Error).message.replace(/\.$/, '')
    throw inputError(`${source} is not a table: ${message}.`, { cause })
  }
}
