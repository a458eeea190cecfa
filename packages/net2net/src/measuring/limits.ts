/** What a network costs, and what it may cost. */
import { usageError } from '../errors.ts'
import { countMultiplyAdds, countParameters } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'

/** Parameters, multiply-adds of one sample, milliseconds for one sample, bytes of the ONNX file. */
export const costs = ['parameters', 'multiplyAdds', 'latency', 'size'] as const
export type Cost = (typeof costs)[number]

/** No network may cost more. */
export type Limits = Readonly<Partial<Record<Cost, number>>>

/** Costs, so far as they are known; multiply-adds are null where the model leaves a size open. */
type Costs = Readonly<Partial<Record<Cost, number | null>>>

export const costOf = (network: Costs, cost: Cost): number | undefined => network[cost] ?? undefined

/** All but the latency, which has to be measured. */
export const costsOf = (model: Model) => ({
  parameters: countParameters(model),
  multiplyAdds: countMultiplyAdds(model),
  size: encodeModel(model).byteLength,
})

/** The first limit that a network is beyond. */
export function beyond(network: Costs, limits: Limits = {}): Cost | undefined {
  return costs.find((cost) => {
    const [limit, value] = [limits[cost], costOf(network, cost)]
    return limit !== undefined && value !== undefined && value > limit
  })
}

/** @throws usage for what is no cost, or no limit */
export function mustBeLimits(limits: Limits): void {
  const known: readonly string[] = costs
  for (const [cost, limit] of Object.entries(limits)) {
    if (!known.includes(cost))
      throw usageError(`limits must name ${costs.join(', ')}, not "${cost}".`, { where: 'limits' })
    if (!(limit > 0)) throw usageError(`The limit of ${cost} must be above 0, not ${limit}.`)
  }
}
