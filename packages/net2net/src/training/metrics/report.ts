/** Everything that an evaluation says of predictions: metrics with their intervals, and each class by itself. */
import { bootstrap, type Interval, normal, wilson } from './intervals.ts'
import {
  countsOf,
  errorsOf,
  f1Of,
  type Metric,
  precisionOf,
  recallOf,
  usualMetrics,
} from './metrics.ts'
import type { Outcomes } from './outcomes.ts'

/** A measured number, with its 95% interval where it is asked for. */
export interface Measured extends Partial<Interval> {
  readonly value: number
  /** How the interval was computed. */
  readonly interval?: 'wilson' | 'normal' | 'bootstrap'
}

/** One class (or label): how well it is told from the others. */
export interface ClassReport {
  /** Its name, or its index. */
  readonly class: string
  readonly precision: number
  readonly recall: number
  readonly f1: number
  /** How many of the targets are of it. */
  readonly support: number
}

export interface MetricsReport {
  /** By their names. */
  readonly metrics: Readonly<Record<string, Measured>>
  /** Of classes: how many of class i (rows) were taken for class j (columns). Not for more than 1,000 classes. */
  readonly confusion?: readonly (readonly number[])[]
  readonly perClass?: readonly ClassReport[]
}

/** A matrix of more rows is read by nobody. */
const mostClasses = 1000

export interface ReportOptions {
  readonly metrics: readonly Metric[] | 'usual'
  readonly intervals: boolean | 'formula'
  readonly seed: number
  readonly classNames: readonly string[] | undefined
  /** The loss, with an interval where it is a mean that the outcomes tell. */
  readonly loss: number
}

export function reportOf(
  outcomes: Outcomes,
  { metrics: asked, intervals, seed, classNames, loss }: ReportOptions,
): MetricsReport {
  const metrics = asked === 'usual' ? usualMetrics(outcomes) : asked
  const values = metrics.map((metric) => metric.measure(outcomes))
  const resampled =
    intervals === true
      ? metrics.filter(({ interval = 'bootstrap' }) => interval === 'bootstrap')
      : []
  const found = new Map(
    bootstrap(resampled, outcomes, seed).map((interval, i) => [resampled[i]!, interval]),
  )
  const measured = (metric: Metric, i: number): Measured => {
    const value = values[i]!
    const { interval = 'bootstrap' } = metric
    if (!intervals || (intervals === 'formula' && interval === 'bootstrap')) return { value }
    if (interval === 'wilson') return { value, ...wilson(value, outcomes.count), interval }
    if (interval === 'normal' && metric.each)
      return { value, ...normal(metric.each(outcomes)), interval }
    return { value, ...found.get(metric), interval }
  }
  return {
    metrics: {
      ...(intervals ? { loss: measuredLoss(outcomes, loss) } : {}),
      ...Object.fromEntries(metrics.map((metric, i) => [metric.name, measured(metric, i)])),
    },
    ...classReport(outcomes, classNames),
  }
}

/** A loss that is the mean of what is known of each prediction has an interval. */
function measuredLoss(outcomes: Outcomes, loss: number): Measured {
  for (const losses of lossesOf(outcomes)) {
    const mean = losses.reduce((a, b) => a + b, 0) / losses.length
    if (Math.abs(mean - loss) <= 1e-4 * Math.abs(loss) + 1e-7)
      return { value: loss, ...normal(losses), interval: 'normal' }
  }
  return { value: loss }
}

function lossesOf(outcomes: Outcomes): readonly Float64Array[] {
  if (outcomes.kind !== 'values') return [outcomes.losses]
  return [(error: number) => error * error, Math.abs].map((of) => errorsOf(outcomes, of))
}

function classReport(
  outcomes: Outcomes,
  names: readonly string[] | undefined,
): Pick<MetricsReport, 'confusion' | 'perClass'> {
  if (outcomes.kind === 'values') return {}
  const counts = countsOf(outcomes)
  const nameOf = (c: number) => (names?.length === counts.length ? names[c]! : String(c))
  if (counts.length > mostClasses) return {}
  const perClass = counts.map((count, c) => ({
    class: nameOf(c),
    precision: precisionOf(count),
    recall: recallOf(count),
    f1: f1Of(count),
    support: count.truePositives + count.falseNegatives,
  }))
  if (outcomes.kind === 'labels') return { perClass }
  const confusion = counts.map(() => counts.map(() => 0))
  for (let i = 0; i < outcomes.count; i++)
    confusion[outcomes.targets[i]!]![outcomes.predicted[i]!]! += 1
  return { confusion, perClass }
}
