/** Values that a file keeps as such, in the form of a table's cells. */
import { inputError } from '../../errors.ts'

/** @param place the beginning of a sentence about the cell */
export function cellOf(value: unknown, place: string): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return value.trim()
  if (['number', 'bigint', 'boolean'].includes(typeof value)) return String(value)
  if (value instanceof Date) return value.toISOString()
  throw inputError(`${place} has no single value there, but a list or an object.`)
}
