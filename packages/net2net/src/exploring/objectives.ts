/** What networks are compared by: how well they predict, against what they cost. */
import { usageError } from '../errors.ts'
import { metricOf } from '../training/metrics/metrics.ts'
import type { Point } from './front.ts'

/** Parameters, multiply-adds of one sample, milliseconds for one sample, bytes of the ONNX file. */
export const costs = ['parameters', 'multiplyAdds', 'latency', 'size'] as const
export type Cost = (typeof costs)[number]

export type Limits = Readonly<Partial<Record<Cost, number>>>

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

/** What the network costs, so far as it is known. */
export const costOf = (measured: Partial<Measured>, cost: Cost): number | undefined =>
  measured[cost] ?? undefined

export const isTimed = ({ against = ['parameters'], limits = {} }: Objectives): boolean =>
  against.includes('latency') || limits.latency !== undefined

/** What quality is weighed against first, if anything. */
export const weighed = ({ against = ['parameters'] }: Objectives): Cost | undefined => against[0]

/** The first limit that a network is beyond. */
export function beyond(measured: Partial<Measured>, limits: Limits = {}): Cost | undefined {
  return costs.find((cost) => {
    const [limit, value] = [limits[cost], costOf(measured, cost)]
    return limit !== undefined && value !== undefined && value > limit
  })
}

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
  const named: readonly (readonly [string, string])[] = [
    ...against.map((cost) => ['against', cost] as const),
    ...Object.keys(limits).map((cost) => ['limits', cost] as const),
  ]
  const known: readonly string[] = costs
  for (const [where, cost] of named)
    if (!known.includes(cost))
      throw usageError(`${where} must name ${costs.join(', ')}, not "${cost}".`, { where })
  for (const [cost, limit] of Object.entries(limits))
    if (!(limit > 0)) throw usageError(`The limit of ${cost} must be above 0, not ${limit}.`)
}
