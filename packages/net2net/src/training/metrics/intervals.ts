/** 95% intervals of what was measured on a sample of all data. */
import { randomStream } from '../../tensor/random.ts'
import type { Metric } from './metrics.ts'
import type { Outcomes } from './outcomes.ts'

export interface Interval {
  readonly low: number
  readonly high: number
}

/** The quantile of the normal distribution that leaves 2.5% above it. */
const z = 1.959963984540054

/** Of a share of `count` (Wilson 1927): right also near 0 and 1, where the normal one is not. */
export function wilson(share: number, count: number): Interval {
  const scale = 1 + z ** 2 / count
  const middle = share + z ** 2 / (2 * count)
  const reach = z * Math.sqrt((share * (1 - share)) / count + z ** 2 / (4 * count ** 2))
  return {
    low: Math.max(0, (middle - reach) / scale),
    high: Math.min(1, (middle + reach) / scale),
  }
}

/** Of a mean: ± 1.96 standard errors. */
export function normal(values: ArrayLike<number>): Interval {
  const n = values.length
  let [mean, squares] = [0, 0]
  for (let i = 0; i < n; i++) {
    const change = values[i]! - mean
    mean += change / (i + 1)
    squares += change * (values[i]! - mean)
  }
  const reach = n < 2 ? Number.NaN : z * Math.sqrt(squares / (n - 1) / n)
  return { low: mean - reach, high: mean + reach }
}

/** Resamples; fewer of very many predictions, of which few resamples tell as much. */
const resamples = (count: number) => Math.max(200, Math.min(1000, Math.floor(2e7 / count)))

/**
 * Of any metrics: between the 2.5% and the 97.5% quantile of what resamples with replacement give
 * (Efron's percentile interval), from a seeded stream.
 */
export function bootstrap(
  metrics: readonly Metric[],
  outcomes: Outcomes,
  seed = 0,
): readonly Interval[] {
  const random = randomStream(seed, 'bootstrap')
  const { count } = outcomes
  const weights = new Float64Array(count)
  const values = metrics.map((): number[] => [])
  for (let resample = 0; resample < resamples(count); resample++) {
    weights.fill(0)
    for (let i = 0; i < count; i++) weights[Math.floor(random.uniform() * count)]! += 1
    for (const [m, metric] of metrics.entries()) values[m]!.push(metric.measure(outcomes, weights))
  }
  return values.map((of) => {
    const sorted = of.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
    return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) }
  })
}

/** Linear between the neighbours. */
function quantile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return Number.NaN
  const at = share * (sorted.length - 1)
  const [below, above] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!]
  return below + (above - below) * (at - Math.floor(at))
}
