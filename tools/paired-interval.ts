/** Means over seeds with 95% intervals (Student's t). */

/** Quantiles of 97.5% for 1, 2, … degrees of freedom. */
const quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Half of the interval; Infinity for a single value. */
export function halfInterval(values: readonly number[]): number {
  const freedom = values.length - 1
  if (freedom < 1) return Number.POSITIVE_INFINITY
  const middle = mean(values)
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / freedom
  return (quantiles[freedom - 1] ?? 2.262) * Math.sqrt(variance / values.length)
}

/** `0.1234 (0.1200 to 0.1268)`; the mean alone where there is one value. */
export function withInterval(values: readonly number[], digits = 4): string {
  const [middle, half] = [mean(values), halfInterval(values)]
  const shown = (value: number) => value.toFixed(digits)
  return Number.isFinite(half)
    ? `${shown(middle)} (${shown(middle - half)} to ${shown(middle + half)})`
    : shown(middle)
}
