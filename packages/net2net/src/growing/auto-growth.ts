/** How a network grows where nobody says it: by what `rank` expects most of, in moderate steps, up to a limit. */
import type { SampleSet } from '../data/samples.ts'
import { Net2NetError, usageError } from '../errors.ts'
import { countParameters, type GrowthStep, grow, solve } from '../growth/index.ts'
import { planChosen } from '../measuring/gradmax.ts'
import { beyond, costsOf, type Limits, mustBeLimits } from '../measuring/limits.ts'
import { measureLatency } from '../measuring/measure-latency.ts'
import { type RankedKind, type RankOptions, rank } from '../measuring/rank.ts'
import type { Model } from '../model/model.ts'
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
  /** What the learning rate is multiplied by at each growth; default 1. */
  readonly learningRateFactor?: number | undefined
}

/** A decision that was made at the end of an epoch, and why. */
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

/** The growths to make, the most promising first; none where none fits. */
export async function chooseGrowth(
  model: Model,
  data: SampleSet,
  { limits = {}, layers, operations = defaultOperations }: AutoGrowth,
  options: Omit<RankOptions, 'by' | 'factor' | 'growths'>,
): Promise<readonly GrowthStep[]> {
  const solution = solve(model)
  const chosen = new Set([...chosenLayers(solution, layers)].map(({ name }) => name))
  const ranked = await rank(solution, data, { ...options, factor, growths: operations })
  const before = countParameters(model)
  const steps: GrowthStep[] = []
  let now = model
  for (const { step, gain, layers: grown } of ranked) {
    if (!gain || !grown.some((name) => chosen.has(name))) continue
    const larger = grownBy(now, step)
    if (!larger || countParameters(larger) > most * before) continue
    if (await isBeyond(larger, data, limits, options)) continue
    steps.push(startingByGradient(now, step))
    now = larger
    if (countParameters(now) >= least * before) break
  }
  return steps
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
