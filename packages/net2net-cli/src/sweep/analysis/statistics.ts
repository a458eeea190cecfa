/** Means and their uncertainty over few seeds: Student's t (1908). */
import jStat from 'jstat'

export interface Estimate {
  readonly n: number
  readonly mean: number
  /** Of the sample; absent for one value. */
  readonly deviation?: number
  /** Confidence interval of the mean; absent for one value. */
  readonly low?: number
  readonly high?: number
}

/** Mean and confidence interval; undefined for no values. */
export function estimate(values: readonly number[], level = 0.95): Estimate | undefined {
  const n = values.length
  if (n === 0) return undefined
  const mean = jStat.mean(values)
  if (n === 1) return { n, mean }
  const deviation = jStat.stdev(values, true)
  const margin = (jStat.studentt.inv((1 + level) / 2, n - 1) * deviation) / Math.sqrt(n)
  return { n, mean, deviation, low: mean - margin, high: mean + margin }
}

/** The interval of what cannot be below `least` or above `most`: the part of it that is possible. */
export function within(
  found: Estimate | undefined,
  least: number,
  most = Number.POSITIVE_INFINITY,
): Estimate | undefined {
  if (found?.low === undefined || found.high === undefined) return found
  return { ...found, low: Math.max(least, found.low), high: Math.min(most, found.high) }
}

/** A number with so many digits behind the point; no minus before zeros. */
export const fixed = (value: number, digits: number): string =>
  value.toFixed(digits).replace(/^-(?=[0.]*$)/, '')

/** Whether an interval leaves out zero; nothing is said of one value. */
export const excludesZero = ({ low, high }: Estimate): boolean =>
  low !== undefined && high !== undefined && (low > 0 || high < 0)

/** Two-sided p-value of the mean being zero; undefined for fewer than two values. */
export function pValue(values: readonly number[]): number | undefined {
  const found = estimate(values)
  if (found?.deviation === undefined) return undefined
  if (found.deviation === 0) return found.mean === 0 ? 1 : 0
  const t = Math.abs(found.mean) / (found.deviation / Math.sqrt(found.n))
  return 2 * (1 - jStat.studentt.cdf(t, found.n - 1))
}
