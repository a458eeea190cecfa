/**
 * Winograd's minimal filtering along one axis: m outputs of a correlation with r taps from n = m + r − 1 inputs,
 *
 *   y = Aᵀ[(G w) ⊙ (Bᵀ x)],
 *
 * with n multiplications in the place of m·r. A, B and G are Toom and Cook's, for points 0, 1, −1, … and ∞: y is a part of a product of polynomials, which is
 * interpolated from its values. Sources: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms
 * for Convolutional Neural Networks, 2016. Along two axes errors grow fast with the number of points (Barabasz et al., Error Analysis and Improving the
 * Accuracy of Winograd Convolution, 2018).
 */
import { range } from './emission.ts'

/** The first m + r − 2 of these, and infinity. */
const points = [0, 1, -1, 1 / 2, -2, 2, -1 / 2]

/** The largest n. */
export const mostInputs = points.length + 1

export type Rows = readonly (readonly number[])[]

/** Aᵀ [m, n], G [n, r] and Bᵀ [n, n] for n = m + r − 1. */
export interface Filtering {
  readonly output: Rows
  readonly kernel: Rows
  readonly input: Rows
}

/** For m outputs of a correlation with r taps. */
export function minimalFiltering(m: number, r: number): Filtering {
  const n = m + r - 1
  const finite = points.slice(0, n - 1)
  const others = (i: number) => finite.filter((_, j) => j !== i)
  const powers = (point: number, count: number) => range(count).map((k) => point ** k)
  const last = (count: number) => range(count).map((k) => (k === count - 1 ? 1 : 0))
  const columns = [...finite.map((point) => powers(point, m)), last(m)]
  return {
    output: transposed(columns),
    kernel: [
      ...finite.map((point, i) => {
        const scale = others(i).reduce((product, other) => product * (point - other), 1)
        return powers(point, r).map((power) => power / scale)
      }),
      last(r),
    ],
    input: [...finite.map((_, i) => [...coefficients(others(i)), 0]), coefficients(finite)],
  }
}

/** Of the polynomial with these roots, the lowest power first. */
function coefficients(roots: readonly number[]): readonly number[] {
  let found: readonly number[] = [1]
  for (const root of roots) {
    const factor = found
    found = range(factor.length + 1).map((k) => (factor[k - 1] ?? 0) - root * (factor[k] ?? 0))
  }
  return found
}

/** For each row of a matrix, lines of `length` numbers below one another: each holds the row's entries, so many places apart, from one of these places on. */
export const alongDiagonal = (
  matrix: Rows,
  starts: readonly number[],
  length: number,
  apart = 1,
): Rows =>
  matrix.flatMap((entries) =>
    starts.map((start) => {
      const line = Array<number>(length).fill(0)
      for (const [k, entry] of entries.entries()) {
        const place = start + k * apart
        if (place >= 0 && place < length) line[place] = entry
      }
      return line
    }),
  )

export const transposed = (rows: Rows): Rows =>
  range(rows[0]!.length).map((k) => rows.map((row) => row[k]!))
