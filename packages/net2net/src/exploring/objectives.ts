/** What networks are compared by: how well they predict, against what they cost. */
import { usageError } from '../errors.ts'
import { type Cost, costOf, costs, type Limits, mustBeLimits } from '../measuring/limits.ts'
import { metricOf } from '../training/metrics/metrics.ts'
import type { Point } from './front.ts'

export { type Cost, costs, type Limits } from '../measuring/limits.ts'

export interface Objectives {
  /** The name of a metric; default: the validation loss. */
  readonly metric?: string | undefined
  /** What it is weighed against; default: parameters. None: the best network wins, whatever it costs. */
  readonly against?: readonly Cost[] | undefined
  /** No network may cost more. */
  readonly limits?: Limits | undefined
}

/** What has been measured of a trained network. */
export interface Measured {
  /** On the validation data. */
  readonly loss: number
  readonly metrics?: Readonly<Record<string, number>>
  readonly parameters: number
  /** null where the model leaves a size open. */
  readonly multiplyAdds: number | null
  /** Bytes of the ONNX file. */
  readonly size: number
  /** Median milliseconds for one sample, where it is an objective or limited. */
  readonly latency?: number
}

export const isTimed = ({ against = ['parameters'], limits = {} }: Objectives): boolean =>
  against.includes('latency') || limits.latency !== undefined

/** What quality is weighed against first, if anything. */
export const weighed = ({ against = ['parameters'] }: Objectives): Cost | undefined => against[0]

/** How bad the network's predictions are: the loss, or the metric, negative where higher is better. */
export function badness(measured: Measured, { metric }: Objectives): number {
  if (metric === undefined) return measured.loss
  const value = measured.metrics?.[metric] ?? Number.NaN
  return metricOf(metric).better === 'higher' ? -value : value
}

/** The network among others: costs as logarithms, since sizes differ by factors. */
export const pointOf = (measured: Measured, objectives: Objectives): Point => [
  badness(measured, objectives),
  ...(objectives.against ?? ['parameters']).map((cost) =>
    Math.log(Math.max(costOf(measured, cost) ?? Number.MAX_VALUE, Number.MIN_VALUE)),
  ),
]

/** @throws usage for what is no cost, no metric or no limit */
export function mustBeObjectives({ metric, against = [], limits = {} }: Objectives): void {
  if (metric !== undefined) metricOf(metric)
  const known: readonly string[] = costs
  const unknown = against.find((cost) => !known.includes(cost))
  if (unknown !== undefined)
    throw usageError(`against must name ${costs.join(', ')}, not "${unknown}".`, {
      where: 'against',
    })
  mustBeLimits(limits)
}
