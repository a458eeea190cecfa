/** Tables of numbers as text. */

import { type Info, parse } from 'csv-parse/browser/esm/sync'
import { inputError, mustBeOneOf, usageError } from '../errors.ts'
import { shown } from '../model/classes.ts'
import { quote } from '../model/quote.ts'
import { labelsOf, type TargetKind, targetKinds } from './classes.ts'
import { ArrayDataset, type Column } from './dataset.ts'

export interface CsvOptions {
  /** Name or position (from 0) of the target's column; default: the last. */
  readonly target?: string | number | undefined
  /** Whether the target is a class (an integer or any text) or a value; default: seen from the data. */
  readonly targetKind?: TargetKind | undefined
  /** What separates fields; default: comma, semicolon or tab, whichever splits the lines into numbers. */
  readonly delimiter?: string | undefined
  /** Names of the classes in the order of a model's outputs; others are refused. Default: those of the data. */
  readonly classes?: readonly string[] | undefined
  /**
   * Names of the features in the order of a model's input: a table with names may have them in any order, and other
   * columns besides. Default: all columns but the target, as they lie.
   */
  readonly columns?: readonly string[] | undefined
}

/**
 * A table with one sample per line: features, and one target column. A first line with anything but
 * numbers in columns of numbers is a header. The features become the input `input` [features].
 *
 * Classes that are whole numbers from 0 on are themselves the indices of the model's outputs, also
 * where they are written with a decimal point. All others are numbered in the order of their
 * values: numbers by size, text by the alphabet (UTF-16), and named in the data set's `classes`.
 *
 * @throws input, naming line and column, where a cell is empty or a feature is not a number, and
 *   naming the line where one has more or fewer fields than the first
 */
export function parseCsv(
  text: string,
  options: CsvOptions = {},
  source = 'The CSV data',
): ArrayDataset {
  if (options.targetKind) mustBeOneOf('targetKind', options.targetKind, targetKinds)
  const delimiter = options.delimiter ?? delimiterOf(text)
  const table = new Table(text, delimiter, options.target, source)
  const { rows, columns } = table
  if (columns < 2 || rows.length === 0)
    throw inputError(`${source} holds no samples of at least one feature and a target.`)
  const targetAt = targetColumn(options.target, table, source)
  const chosen = featureColumns(table, targetAt, options.columns, source)
  const features = new Float32Array(rows.length * chosen.length)
  let at = 0
  rows.forEach((row, i) => {
    if (row[targetAt] === '') throw table.empty(i, targetAt)
    for (const column of chosen) {
      const field = row[column]!
      if (field === '') throw table.empty(i, column)
      if (!isNumber(field)) throw table.notNumber(i, column, 'features')
      features[at++] = Number(field)
    }
  })
  const { column, classes } = targetOf(table, targetAt, options)
  const input: Column = {
    dtype: 'float32',
    dims: [chosen.length],
    data: features,
    ...(table.header ? { names: chosen.map((i) => table.header![i]!) } : {}),
  }
  return new ArrayDataset({ input }, column, classes)
}

export const reading = (delimiter: string) =>
  ({
    delimiter,
    trim: true,
    skip_empty_lines: true,
    bom: true,
    // Lines of other lengths are refused below, in words of ours.
    relax_column_count: true,
  }) as const

/** The rows of a table, and where in the file they stand. */
class Table {
  readonly rows: readonly (readonly string[])[]
  readonly columns: number
  readonly header: readonly string[] | undefined
  readonly #text: string
  readonly #delimiter: string
  readonly #source: string

  constructor(text: string, delimiter: string, target: CsvOptions['target'], source: string) {
    this.#text = text
    this.#delimiter = delimiter
    this.#source = source
    let rows: readonly string[][]
    try {
      rows = parse(text, reading(delimiter))
    } catch (cause) {
      const message = (cause as Error).message.replace(/\.$/, '')
      throw inputError(`${source} is not a table: ${message}.`, { cause })
    }
    this.header = isHeader(rows, target) ? rows[0] : undefined
    this.rows = this.header ? rows.slice(1) : rows
    this.columns = rows[0]?.length ?? 0
    const ragged = this.rows.findIndex((row) => row.length !== this.columns)
    if (ragged < 0) return
    const fields = (row: number) => {
      const count = (row < 0 ? rows[0]! : this.rows[row]!).length
      return `line ${this.#lineOf(row)} has ${count} field${count === 1 ? '' : 's'}`
    }
    throw inputError(
      `${source} is not a table: ${fields(ragged)}, but ${fields(this.header ? -1 : 0)}.`,
    )
  }

  empty(row: number, column: number) {
    const field = this.rows[row]![column]
    const written = field ? ` but ${quote(field)}` : ''
    const line = this.#lineOf(row)
    return inputError(`${this.#in(column)}: line ${line} has no value there${written}.`, {
      hint: 'Leave samples with missing values out, or fill them in.',
    })
  }

  notNumber(row: number, column: number, what: 'features' | 'values') {
    const field = this.rows[row]![column]!
    return inputError(
      `${this.#in(column)}: ${this.#said(row, column)} is not a number, and ${what} must be.`,
      hasDecimalComma(field) ? { hint: 'Decimals are written with a point.' } : {},
    )
  }

  /** Of a label, for a message. */
  place(row: number, column: number): string {
    return `${this.#in(column)}: ${this.#said(row, column)}`
  }

  #in(column: number): string {
    return `${this.#source}, column ${this.header?.[column] || column + 1}`
  }

  #said(row: number, column: number): string {
    return `${quote(this.rows[row]![column]!)} in line ${this.#lineOf(row)}`
  }

  /** In the file, of a row of the table (-1: its header). */
  #lineOf(row: number): number {
    const to = row + (this.header ? 2 : 1)
    // The types of csv-parse do not tell what `info` makes of the rows.
    const read: unknown = parse(this.#text, { ...reading(this.#delimiter), info: true, to })
    return (read as readonly { readonly info: Info }[]).at(-1)!.info.lines
  }
}

/** Lines that are looked at to find out what separates fields. */
export const sniffedLines = 20
const delimiters = [',', ';', '\t'] as const

/** The delimiter that yields the most numbers in the first lines; of equals, the one that yields the most fields. */
export function delimiterOf(text: string): string {
  const scores = delimiters.map((delimiter) => {
    let fields: readonly string[] = []
    try {
      const rows: readonly string[][] = parse(text, { ...reading(delimiter), to: sniffedLines })
      fields = rows.flat()
    } catch {
      // Quotes that do not close are told where the whole table is read.
    }
    const numbers = fields.filter((field) => isNumber(field) || hasDecimalComma(field)).length
    return { delimiter, numbers, fields: fields.length }
  })
  scores.sort((a, b) => b.numbers - a.numbers || b.fields - a.fields)
  return scores[0]!.delimiter
}

/**
 * Whether the first line names columns: it has the target's name, or text where a feature of the
 * next line is none. In the target's column, text may stand in every line.
 */
export function isHeader(
  [first = [], second]: readonly (readonly string[])[],
  target: CsvOptions['target'],
): boolean {
  if (typeof target === 'string' && first.includes(target)) return true
  const isText = (field: string | undefined) => field !== undefined && !isNumber(field)
  const targetAt = typeof target === 'number' ? target : first.length - 1
  return first.some((field, column) =>
    second === undefined
      ? isText(field) && column !== targetAt
      : isText(field) && !isText(second[column]),
  )
}

/** What programs write where a number is missing. */
export const isMissing = (field: string): boolean => /^(na|n\/a|nan|null|none|\?|-)$/i.test(field)

export const hasDecimalComma = (field: string): boolean => /^[+-]?\d+,\d+$/.test(field)

export const isNumber = (field: string): boolean => field !== '' && Number.isFinite(Number(field))

function targetColumn(
  target: string | number | undefined,
  { columns, header }: Table,
  source: string,
): number {
  if (target === undefined) return columns - 1
  const at = typeof target === 'number' ? target : (header?.indexOf(target) ?? -1)
  if (!Number.isInteger(at) || at < 0 || at >= columns)
    throw usageError(
      `${source} has no column ${target}${header ? `; it has ${header.join(', ')}` : ' (it has no header)'}.`,
    )
  return at
}

/** The positions of the features. @throws input where one that the model knows is missing */
function featureColumns(
  { columns: count, header }: Pick<Table, 'columns' | 'header'>,
  targetAt: number,
  known: readonly string[] | undefined,
  source: string,
): readonly number[] {
  if (known && header) return positionsOf(known, header, source)
  return Array.from({ length: count }, (_, i) => i).filter((i) => i !== targetAt)
}

/** Where the features that a model was trained on stand in a table. @throws input where one is missing */
export function positionsOf(
  known: readonly string[],
  header: readonly string[],
  source: string,
): readonly number[] {
  const missing = known.filter((name) => !header.includes(name))
  if (missing.length === 0) return known.map((name) => header.indexOf(name))
  throw inputError(
    `${source} has no column ${shown(missing)}, which the model was trained on; it has ${shown(header)}.`,
    { hint: 'A table without a line of names is read in the order of its columns.' },
  )
}

function targetOf(
  table: Table,
  at: number,
  { targetKind: kind, classes }: CsvOptions,
): { readonly column: Column; readonly classes?: readonly string[] } {
  const fields = table.rows.map((row) => row[at]!)
  const numeric = fields.every(isNumber)
  const missing = fields.findIndex((field) => isMissing(field))
  // Among numbers, such a word is no class; among words it may be one.
  if (missing >= 0 && fields.every((field) => isNumber(field) || isMissing(field)))
    throw table.empty(missing, at)
  const whole = numeric && fields.every((field) => /^[+-]?\d+$/.test(field))
  if (kind === 'value' || (kind === undefined && numeric && !whole)) {
    const text = fields.findIndex((field) => !isNumber(field))
    if (text >= 0) throw table.notNumber(text, at, 'values')
    return { column: { dtype: 'float32', dims: [1], data: Float32Array.from(fields, Number) } }
  }
  return labelsOf(fields, classes, (row) => table.place(row, at))
}
