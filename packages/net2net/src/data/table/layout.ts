/** Which columns a table has, what they are called, and which of them are meant. */
import { inputError, usageError } from '../../errors.ts'
import { shown } from '../../model/classes.ts'
import { quote } from '../../model/quote.ts'
import { hasDecimalComma, isNumber } from './cells.ts'
import type { TableRow } from './rows.ts'

/** The columns of a table, and how messages call its cells. */
export class Layout {
  readonly source: string
  readonly header: readonly string[] | undefined
  /** Fields of a line. */
  readonly width: number
  readonly #firstLine: number

  constructor(source: string, first: TableRow, hasHeader: boolean) {
    this.source = source
    this.header = hasHeader ? first.cells : undefined
    this.width = first.cells.length
    this.#firstLine = first.line
  }

  /** The position of a column: by its name, or as it is. @throws usage where there is none */
  at(column: string | number): number {
    const at = typeof column === 'number' ? column : (this.header?.indexOf(column) ?? -1)
    if (Number.isInteger(at) && at >= 0 && at < this.width) return at
    throw usageError(
      `${this.source} has no column ${column}${this.header ? `; it has ${shown(this.header)}` : ' (it has no header)'}.`,
    )
  }

  /** Where columns stand that a model was trained on. @throws input where one is missing */
  positionsOf(known: readonly string[]): readonly number[] {
    const header = this.header ?? []
    const missing = known.filter((name) => !header.includes(name))
    if (missing.length === 0) return known.map((name) => header.indexOf(name))
    throw inputError(
      `${this.source} has no column ${shown(missing)}, which the model was trained on; it has ${shown(header)}.`,
      { hint: 'A table without a line of names is read in the order of its columns.' },
    )
  }

  /** @throws input for a line with more or fewer fields than the first one */
  mustFit({ cells, line }: TableRow): void {
    if (cells.length === this.width) return
    const fields = (count: number, of: number) =>
      `line ${of} has ${count} field${count === 1 ? '' : 's'}`
    throw inputError(
      `${this.source} is not a table: ${fields(cells.length, line)}, but ${fields(this.width, this.#firstLine)}.`,
    )
  }

  /** What a column is called: its name, or its place. */
  label(column: number): string {
    return this.header?.[column] || String(column + 1)
  }

  /** The beginning of a sentence. */
  in(column: number): string {
    return `${this.source}, column ${this.label(column)}`
  }

  /** The beginning of a sentence about a cell. */
  cell(column: number, text: string, line: number): string {
    return `${this.in(column)}: ${quote(text)} in line ${line}`
  }

  empty(column: number, text: string, line: number) {
    const written = text === '' ? '' : ` but ${quote(text)}`
    return inputError(`${this.in(column)}: line ${line} has no value there${written}.`, {
      hint: "Leave such samples out with --missing drop, or fill them in with --missing fill (in a program: missing: 'drop').",
    })
  }

  notNumber(column: number, text: string, line: number, what: 'features' | 'values' | 'weights') {
    return inputError(
      `${this.cell(column, text, line)} is not a number, and ${what} must be.`,
      hasDecimalComma(text) ? { hint: 'Decimals are written with a point.' } : {},
    )
  }
}

/** Lines that are looked at to find out the form of a table. */
export const sniffedLines = 20

/**
 * Whether the first line names columns: it has a name that is asked for, or text where a feature of the
 * next line is none. In the target's column, text may stand in every line. Where there is nothing but text, it is a
 * line of names if the values below it recur, and none of its own does.
 */
export function isHeader(
  rows: readonly (readonly string[])[],
  target: string | number | undefined,
  names: readonly string[] = [],
): boolean {
  const [first = [], second] = rows
  if ([...names, target].some((name) => typeof name === 'string' && first.includes(name)))
    return true
  const isText = (field: string | undefined) => field !== undefined && !isNumber(field)
  const targetAt = typeof target === 'number' ? target : first.length - 1
  if (rows.length > 2 && rows.flat().every((field) => field === '' || isText(field)))
    return isUnlike(first, rows.slice(1))
  return first.some((field, column) =>
    second === undefined
      ? isText(field) && column !== targetAt
      : isText(field) && !isText(second[column]),
  )
}

function isUnlike(first: readonly string[], rows: readonly (readonly string[])[]): boolean {
  const below = first.map((_, column) => rows.map((row) => row[column] ?? ''))
  const isOwn = first.every((field, column) => field !== '' && !below[column]!.includes(field))
  return (
    isOwn &&
    new Set(first).size === first.length &&
    below.some((values) => new Set(values).size < values.length)
  )
}
