/**
 * Which growth pays: for every group of layers that can be widened, every place where a layer can be inserted, every residual
 * block that can be copied and every kernel that can be larger, the decrease of the loss that a small step gains from what is new, to first order, beside its cost.
 */
import type { TrainingData } from '../data/samples.ts'
import { usageError } from '../errors.ts'
import type { GrowthStep, Solution } from '../growth/index.ts'
import { solutionOf } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { GrowthCosts } from './costs.ts'
import { type SamplingOptions, samplesIn } from './gradients.ts'
import { insertionRounds, insertionsOf } from './insertions.ts'
import { enlargementRounds, enlargementsOf } from './kernels.ts'
import { type Candidate, measureRounds, type Round } from './rounds.ts'
import { wideningRounds, wideningsOf } from './widenings.ts'

export interface RankOptions extends Omit<SamplingOptions, 'onSamples'> {
  /** What gains are divided by for the order. Default `parameters`. */
  readonly by?: RankedBy | undefined
  /** By how much each layer would be widened; at least by one unit. Default 1.125. */
  readonly factor?: number | undefined
  /** Which growths are looked at; default all. */
  readonly growths?: readonly RankedKind[] | undefined
  /** Told how many samples have been looked at, counted once for each time, and of about how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** Kinds of growth that are ranked: wider layers, inserted layers, residual blocks once more, and larger kernels. */
export const rankedKinds = ['widen', 'deepen', 'repeat', 'kernel'] as const
export type RankedKind = (typeof rankedKinds)[number]

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
  /** The gain of each new unit, the largest first, where units are measured one by one. */
  readonly unitGains?: readonly number[]
}

/**
 * Ranks the growths of a model by what they gain for what they cost, the best first; those without a gain come last.
 *
 * New units are measured as GradMax (arXiv:2201.05125) starts them: their in-weights point where the gradient of their
 * out-weights is largest, and are as long as those of old units; see directions.ts. Inserted layers are measured as the
 * identity, copies of blocks as they begin, with branches of zero, kernels
 * with zeros around them; units that a norm's statistics run over as their plan lets them
 * begin. All gains are of the samples that are looked at, and norms
 * take the statistics of a batch, as in training.
 *
 * @param from a model, or what has been solved of it
 * @throws usage where there is no loss or the data do not fit; input where they are not what the model takes
 */
export async function rank(
  from: Model | Solution,
  data: TrainingData,
  options: RankOptions,
): Promise<readonly RankedGrowth[]> {
  const { by = 'parameters', factor = 1.125, growths = rankedKinds } = options
  const unknown = growths.find((kind) => !rankedKinds.includes(kind))
  if (unknown !== undefined)
    throw usageError(`growths must be some of ${rankedKinds.join(', ')}, not ${unknown}.`)
  if (by !== 'parameters' && by !== 'multiply-adds')
    throw usageError(`by must be parameters or multiply-adds, not ${by}.`)
  if (!(factor > 1 && factor <= largestFactor))
    throw usageError(`factor must be a number above 1 and at most ${largestFactor}, not ${factor}.`)
  const solution = solutionOf(from)
  const costs = new GrowthCosts(solution)
  let [done, total] = [0, 0]
  const sampling: SamplingOptions = {
    ...options,
    onSamples(count) {
      done += count
      options.onProgress?.(Math.min(done, total), total)
    },
  }
  const rounds = rankedKinds
    .filter((kind) => growths.includes(kind))
    .flatMap((kind): readonly Round<Candidate>[] => {
      if (kind === 'widen')
        return wideningRounds(solution, wideningsOf(solution, factor), data, sampling)
      return kind === 'kernel'
        ? enlargementRounds(solution, enlargementsOf(solution), data, sampling)
        : insertionRounds(solution, insertionsOf(solution, kind), data, sampling)
    })
  const passes = rounds.reduce((sum, round) => sum + round.passes, 0)
  total = passes * samplesIn(data, options.samples)
  const measured = await measureRounds(rounds)
  return [...measured]
    .map(([{ step, layers, plan }, found]): RankedGrowth => {
      const { addedParameters, addedMultiplyAdds } = costs.of(plan)
      const cost = by === 'parameters' ? addedParameters : addedMultiplyAdds
      const { gain, units } = 'reason' in found ? { gain: undefined } : found
      return {
        step,
        layers,
        gain,
        ...('reason' in found && { reason: found.reason }),
        addedParameters,
        addedMultiplyAdds,
        ratio: gain === undefined || !cost ? undefined : gain / cost,
        ...(units && { unitGains: units }),
      }
    })
    .sort((a, b) => (b.ratio ?? -1) - (a.ratio ?? -1))
}

const largestFactor = 16
