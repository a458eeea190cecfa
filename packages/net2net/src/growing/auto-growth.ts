/** How a network grows where nobody says it: by what `rank` expects most of, in moderate steps, up to a limit. */
import type { SampleSet } from '../data/samples.ts'
import { Net2NetError, usageError } from '../errors.ts'
import {
  countMultiplyAdds,
  countParameters,
  type GrowthStep,
  grow,
  solve,
} from '../growth/index.ts'
import { planChosen } from '../measuring/gradmax.ts'
import { beyond, costsOf, type Limits, mustBeLimits } from '../measuring/limits.ts'
import { measureLatency } from '../measuring/measure-latency.ts'
import { type RankedGrowth, type RankedKind, type RankOptions, rank } from '../measuring/rank.ts'
import type { Model } from '../model/model.ts'
import type { TrainingState } from '../training/run/state.ts'
import type { CapacityRule } from './capacity.ts'
import { chosenLayers } from './chosen-layers.ts'

export interface AutoGrowth {
  /** Epochs without a better validation loss before it is decided whether to grow; default 2. */
  readonly patience?: number | undefined
  /** Decides in place of the rule that is built in. */
  readonly rule?: CapacityRule | undefined
  /** No network may cost more. */
  readonly limits?: Limits | undefined
  /** Layers that may grow: names, parts of names or patterns. Default: all. */
  readonly layers?: readonly string[] | undefined
  /** Default: widen, deepen and repeat; larger kernels cost far more time than parameters. */
  readonly operations?: readonly RankedKind[] | undefined
  /**
   * The end of an earlier training of this network, on other data: it is decided before the first step, too, whether the network is
   * too small for what it learns from now. Needs validation, and is left to `rule` where there is one.
   */
  readonly earlier?: TrainingState | undefined
  /** What the learning rate is multiplied by at each growth; default 1. */
  readonly learningRateFactor?: number | undefined
}

/** A decision that was made at the end of an epoch (0: before the first one), and why. */
export interface GrowthDecision {
  readonly epoch: number
  readonly step: number
  readonly grow: boolean
  readonly reason: string
  readonly parameters: number
  /** What it grows by. */
  readonly steps?: readonly GrowthStep[]
}

/** A growth makes the network so many times as large, at least and at most. */
const least = 1.25
const most = 2
const defaultOperations = ['widen', 'deepen', 'repeat'] as const
/** By which one layer is widened. */
const factor = 1.5

/** @throws usage for options that no growth can have */
export function mustBeAutoGrowth({ patience, limits, learningRateFactor }: AutoGrowth): void {
  if (patience !== undefined && !(Number.isInteger(patience) && patience >= 1))
    throw usageError(`auto.patience must be a whole number from 1 on, not ${patience}.`)
  if (learningRateFactor !== undefined && !(learningRateFactor > 0))
    throw usageError(`auto.learningRateFactor must be above 0, not ${learningRateFactor}.`)
  mustBeLimits(limits ?? {})
}

/**
 * The growths to make, the most promising first; none where none fits. What is promising is the gain for the share by which the
 * network becomes larger, in parameters and in multiply-adds: a gain per parameter alone would choose what is cheap to store and dear
 * to compute, such as convolutions of large pictures.
 *
 * @param options with `atLeast`, how many times as large the network is to become, within what one growth may do
 */
export async function chooseGrowth(
  model: Model,
  data: SampleSet,
  { limits = {}, layers, operations = defaultOperations }: AutoGrowth,
  { atLeast = 1, ...options }: ChoosingOptions,
): Promise<readonly GrowthStep[]> {
  const solution = solve(model)
  const chosen = new Set([...chosenLayers(solution, layers)].map(({ name }) => name))
  const ranked = await rank(solution, data, { ...options, factor, growths: operations })
  const parameters = countParameters(model)
  const multiplyAdds = countMultiplyAdds(model)
  const shareOf = ({ addedParameters, addedMultiplyAdds }: RankedGrowth) =>
    addedParameters / parameters + (addedMultiplyAdds ?? 0) / (multiplyAdds ?? 1)
  const promising = ranked
    .filter(({ gain, layers: grown }) => gain && grown.some((name) => chosen.has(name)))
    .sort((a, b) => b.gain! / shareOf(b) - a.gain! / shareOf(a))
  /** How many times as large as now, in what it grows most in. */
  const sizeOf = (larger: Model) =>
    Math.max(
      countParameters(larger) / parameters,
      (countMultiplyAdds(larger) ?? 0) / (multiplyAdds ?? 1),
    )
  const enough = Math.min(most, Math.max(least, atLeast))
  const steps: GrowthStep[] = []
  let now = model
  for (const { step } of promising) {
    // Gains are those of each growth alone: layers that are inserted one behind the other would learn the same twice.
    if (!('widen' in step) && steps.some((other) => !('widen' in other))) continue
    const larger = grownBy(now, step)
    if (!larger || sizeOf(larger) > most) continue
    if (await isBeyond(larger, data, limits, options)) continue
    steps.push(startingByGradient(now, step))
    now = larger
    if (sizeOf(now) >= enough) break
  }
  return steps
}

interface ChoosingOptions extends Omit<RankOptions, 'by' | 'factor' | 'growths'> {
  readonly atLeast?: number | undefined
}

/** Units begin as they were measured where that is possible: copies are slow to become different from one another. */
function startingByGradient(model: Model, step: GrowthStep): GrowthStep {
  if (!('widen' in step)) return step
  try {
    planChosen(solve(model), step.widen)
    return { ...step, init: 'gradmax' }
  } catch (error) {
    if (error instanceof Net2NetError && error.kind === 'refused') return step
    throw error
  }
}

/** undefined where the step cannot be made. */
function grownBy(model: Model, step: GrowthStep): Model | undefined {
  try {
    return grow(model, [step]).model
  } catch (error) {
    if (error instanceof Net2NetError && ['refused', 'usage'].includes(error.kind)) return undefined
    throw error
  }
}

async function isBeyond(
  model: Model,
  data: SampleSet,
  limits: Limits,
  { runtime, session }: Pick<RankOptions, 'runtime' | 'session'>,
): Promise<boolean> {
  if (beyond(costsOf(model), limits) !== undefined) return true
  if (limits.latency === undefined) return false
  const latency = await measureLatency(model, data, { runtime, session })
  return beyond({ latency }, limits) !== undefined
}
