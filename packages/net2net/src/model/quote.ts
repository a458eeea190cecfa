import { printable } from '../errors.ts'

/** Dimensions, for messages. */
export const shapeText = (dims: readonly (number | bigint)[]): string =>
  `[${dims.slice(0, 8)}${dims.length > 8 ? ',…' : ''}]`

/**
 * A name from a file, fit to be printed: escaped, and not longer than a line. What a damaged file has in the place of a
 * name is printed as JSON, which never calls a method of what it prints: a table may have a key `toString`.
 */
export function quote(name: unknown): string {
  return printable(
    typeof name === 'string'
      ? JSON.stringify(shortened(name))
      : shortened(JSON.stringify(name) ?? String(name)),
  )
}

const shortened = (text: string): string => (text.length > 80 ? `${text.slice(0, 79)}…` : text)
