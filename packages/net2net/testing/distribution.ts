/** The standard normal's distribution function (Abramowitz and Stegun 7.1.26, |error| < 1.5e-7). */
export function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * z)
  const series =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  const erf = 1 - series * Math.exp(-z * z)
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2
}

/**
 * The Kolmogorov–Smirnov distance of a sample from a distribution, times the root of its size:
 * above 1.95 for one sample in a thousand.
 */
export function deviationFrom(cdf: (x: number) => number, sample: Float64Array): number {
  const sorted = sample.slice().sort()
  let distance = 0
  sorted.forEach((value, i) => {
    distance = Math.max(distance, Math.abs(cdf(value) - (i + 0.5) / sorted.length))
  })
  return distance * Math.sqrt(sorted.length)
}
