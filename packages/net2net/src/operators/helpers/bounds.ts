/** Bounds of what single precision makes of numbers. */
import type { Bounds } from '../contract/facets.ts'

/** Of the result of one operation, of numbers whose sizes add up to `size`: rounding keeps its sign. */
export function rounded({ low, high }: Bounds, size: number): Bounds {
  const room = 2 ** -23 * size
  return {
    low: low >= 0 ? Math.max(0, low - room) : low - room,
    high: high <= 0 ? Math.min(0, high + room) : high + room,
  }
}

const sizeOf = ({ low, high }: Bounds): number => Math.max(Math.abs(low), Math.abs(high))

export const sumBounds = (a: Bounds, b: Bounds): Bounds =>
  rounded({ low: a.low + b.low, high: a.high + b.high }, sizeOf(a) + sizeOf(b))

/** A product of 0 with something unbounded is 0: no value is infinite. */
export function productBounds(a: Bounds, b: Bounds): Bounds {
  const ends = [a.low, a.high].flatMap((x) => [b.low, b.high].map((y) => (x && y ? x * y : 0)))
  const product = { low: Math.min(...ends), high: Math.max(...ends) }
  return rounded(product, sizeOf(product))
}
