/** Tables of numbers as text. */
import { type Info, parse } from 'csv-parse/browser/esm/sync'
import { inputError, usageError } from '../errors.ts'
import { ArrayDataset, type Column } from './dataset.ts'

export interface CsvOptions {
  /** Name or position of the target's column; default: the last. */
  readonly target?: string | number
  /** Whether the target is a class (an integer or any text) or a value; default: seen from the data. */
  readonly targetKind?: 'class' | 'value'
  readonly delimiter?: string
}

/**
 * A table with one sample per line: features, and one target column. A first line with anything but
 * numbers in columns of numbers is a header. The features become the input `input` [features].
 *
 * @throws input, naming the line, where a feature is not a number
 */
export function parseCsv(
  text: string,
  options: CsvOptions = {},
  source = 'The CSV data',
): ArrayDataset {
  const reading = {
    delimiter: options.delimiter ?? ',',
    trim: true,
    skip_empty_lines: true,
    bom: true,
  } as const
  let rows: string[][]
  try {
    rows = parse(text, reading)
  } catch (cause) {
    throw inputError(`${source} is not a table: ${(cause as Error).message}.`, { cause })
  }
  const header = isHeader(rows) ? rows.shift() : undefined
  /** In the file, of a row of the table; its types do not tell what `info` makes of the rows. */
  const lineOf = (row: number): number => {
    const read: unknown = parse(text, { ...reading, info: true, to: row + (header ? 2 : 1) })
    return (read as readonly { readonly info: Info }[]).at(-1)!.info.lines
  }
  const columns = rows[0]?.length ?? 0
  if (columns < 2)
    throw inputError(`${source} holds no samples of at least one feature and a target.`)
  const targetAt = targetColumn(options.target, columns, header, source)
  const features = new Float32Array(rows.length * (columns - 1))
  rows.forEach((row, i) => {
    const fields = row.filter((_, column) => column !== targetAt)
    fields.forEach((field, k) => {
      if (!isNumber(field))
        throw inputError(
          `${source}: "${field}" in line ${lineOf(i)} is not a number, and features must be.`,
        )
      features[i * (columns - 1) + k] = Number(field)
    })
  })
  const { column, classes } = targetOf(
    rows.map((row) => row[targetAt]!),
    options.targetKind,
    source,
  )
  const input: Column = { dtype: 'float32', dims: [columns - 1], data: features }
  return new ArrayDataset({ input }, column, classes)
}

/** Only the last column, the usual target, may hold text below. */
function isHeader([first = [], second = []]: readonly (readonly string[])[]): boolean {
  const isText = (field: string | undefined) => field !== undefined && !isNumber(field)
  return first.some(
    (field, column) =>
      isText(field) &&
      (column < first.length - 1 || (second.length > 0 && !isText(second[column]))),
  )
}

const isNumber = (field: string): boolean => field !== '' && Number.isFinite(Number(field))

function targetColumn(
  target: string | number | undefined,
  columns: number,
  header: readonly string[] | undefined,
  source: string,
): number {
  if (target === undefined) return columns - 1
  const at = typeof target === 'number' ? target : (header?.indexOf(target) ?? -1)
  if (at < 0 || at >= columns)
    throw usageError(
      `${source} has no column ${target}${header ? `; it has ${header.join(', ')}` : ' (it has no header)'}.`,
    )
  return at
}

function targetOf(
  fields: readonly string[],
  kind: CsvOptions['targetKind'],
  source: string,
): { readonly column: Column; readonly classes?: readonly string[] } {
  const numeric = fields.every(isNumber)
  const indices = numeric && fields.every((field) => /^\d+$/.test(field))
  if (kind === 'value' || (kind === undefined && numeric && !indices)) {
    if (!numeric) throw inputError(`${source}: the target column holds text, not values.`)
    return { column: { dtype: 'float32', dims: [1], data: Float32Array.from(fields, Number) } }
  }
  const classes = indices ? undefined : [...new Set(fields)].sort()
  const data = Int32Array.from(fields, (field) =>
    classes ? classes.indexOf(field) : Number(field),
  )
  const column: Column = { dtype: 'int32', dims: [], data }
  return classes ? { column, classes } : { column }
}
