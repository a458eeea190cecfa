/** Steps of growth as plain data, and the one place where a step becomes a plan. */
import type { Model } from '../model/model.ts'
import type { GrowthPlan } from './growth-plan.ts'
import { type DeepenOptions, planDeepen } from './plan/deepen.ts'
import { planWiden, type WidenOptions, type Widths } from './plan/widen.ts'

/** One step of growth: what to widen and how. */
export interface WidenStep extends WidenOptions {
  readonly widen: Widths
  /** The resolved plan; if given, it is taken as it is. */
  readonly plan?: GrowthPlan
}

/** One step of growth: after which layers to insert new ones, and how. */
export interface DeepenStep extends Omit<DeepenOptions, 'statistics'> {
  readonly deepen: string | readonly string[]
  /** The resolved plan; if given, it is taken as it is. */
  readonly plan?: GrowthPlan
}

export type GrowthStep = WidenStep | DeepenStep

/** What a step does not say itself. */
export interface StepContext {
  /** Of a step without a seed of its own. Default 0. */
  readonly seed?: number
  /** Of the channels where normalizations are inserted; see `DeepenOptions`. */
  readonly statistics?: NonNullable<DeepenOptions['statistics']>
}

/**
 * The plan of one step.
 *
 * @throws Net2NetError (usage, refused) as `planWiden` and `planDeepen`
 */
export function planStep(
  model: Model,
  step: GrowthStep,
  { seed = 0, statistics = {} }: StepContext = {},
): GrowthPlan {
  const { plan, ...rest } = step
  if (plan) return plan
  if ('widen' in rest) {
    const { widen, ...options } = rest
    return planWiden(model, widen, { seed, ...options })
  }
  const { deepen, ...options } = rest
  return planDeepen(model, [deepen].flat(), { seed, statistics, ...options })
}
