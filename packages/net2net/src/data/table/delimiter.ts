/** Tables as text: how lines are read, and what separates their fields. */
import { parse } from 'csv-parse/browser/esm/sync'
import { hasDecimalComma, isNumber } from './cells.ts'
import { sniffedLines } from './layout.ts'

export const reading = (delimiter: string) =>
  ({
    delimiter,
    trim: true,
    skip_empty_lines: true,
    bom: true,
    // Lines of other lengths are refused later, in words of ours.
    relax_column_count: true,
  }) as const

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
