/**
 * Which growth pays: for every group of layers that can be widened, the decrease of the loss that a small step gains from
 * the new units, to first order, beside what they cost.
 */
import type { TrainingData } from '../data/samples.ts'
import { usageError } from '../errors.ts'
import type { GrowthStep, Solution } from '../growth/index.ts'
import { solutionOf } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { GrowthCosts } from './costs.ts'
import type { SamplingOptions } from './gradients.ts'
import { measureWidenings, wideningsOf } from './widenings.ts'

export interface RankOptions extends SamplingOptions {
  /** What gains are divided by for the order. Default `parameters`. */
  readonly by?: RankedBy | undefined
  /** By how much each layer would be widened; at least by one unit. Default 1.125. */
  readonly factor?: number | undefined
}

export type RankedBy = 'parameters' | 'multiply-adds'

/** A growth that could be made, and what it is worth. */
export interface RankedGrowth {
  readonly step: GrowthStep
  /** The layers that grow with it, or behind which it inserts one. */
  readonly layers: readonly string[]
  /**
   * The squared norm of the gradient with respect to what the growth adds, where the function is still as it was: a step of
   * gradient descent with a small learning rate η lowers the mean loss by η times that, to first order. undefined where it
   * cannot be computed.
   */
  readonly gain: number | undefined
  /** Why there is no gain. */
  readonly reason?: string
  readonly addedParameters: number
  /** Per sample; null where the model leaves a size open. */
  readonly addedMultiplyAdds: number | null
  /** Gain over what is added of that which `by` names. */
  readonly ratio: number | undefined
  /** Of a widening: the gain of each new unit, the largest first. */
  readonly unitGains?: readonly number[]
}

/**
 * Ranks the growths of a model by what they gain for what they cost, the best first; those without a gain come last.
 *
 * New units are measured as GradMax (arXiv:2201.05125) starts them: their in-weights point where the gradient of their
 * out-weights is largest, and are as long as those of old units; see directions.ts. All gains are of the samples that
 * are looked at, and norms take the statistics of a batch, as in training.
 *
 * @param from a model, or what has been solved of it
 * @throws usage where there is no loss or the data do not fit; input where they are not what the model takes
 */
export async function rank(
  from: Model | Solution,
  data: TrainingData,
  options: RankOptions,
): Promise<readonly RankedGrowth[]> {
  const { by = 'parameters', factor = 1.125 } = options
  if (by !== 'parameters' && by !== 'multiply-adds')
    throw usageError(`by must be parameters or multiply-adds, not ${by}.`)
  if (!(factor > 1 && factor <= largestFactor))
    throw usageError(`factor must be a number above 1 and at most ${largestFactor}, not ${factor}.`)
  const solution = solutionOf(from)
  const costs = new GrowthCosts(solution)
  const widenings = wideningsOf(solution, factor)
  const gains = await measureWidenings(solution, widenings, data, options)
  return widenings
    .flatMap(({ step, layers, plan }, i): RankedGrowth[] => {
      const measured = gains[i]!
      const { addedParameters, addedMultiplyAdds } = costs.of(plan)
      const unitGains = 'reason' in measured ? undefined : measured.gains
      const gain = unitGains?.reduce((sum, each) => sum + each, 0)
      const cost = by === 'parameters' ? addedParameters : addedMultiplyAdds
      return [
        {
          step,
          layers,
          gain,
          ...('reason' in measured && { reason: measured.reason }),
          addedParameters,
          addedMultiplyAdds,
          ratio: gain === undefined || !cost ? undefined : gain / cost,
          ...(unitGains && { unitGains }),
        },
      ]
    })
    .sort((a, b) => (b.ratio ?? -1) - (a.ratio ?? -1))
}

const largestFactor = 16
