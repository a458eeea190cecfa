/** Growing networks: what can grow, plans, and grown models. */
import type { Model } from '../model/model.ts'
import { applyPlan } from './apply/apply.ts'
import { type DeepenOptions, planDeepen } from './plan/deepen.ts'
import { planWiden, type WidenOptions, type Widths } from './plan/widen.ts'

export { countMultiplyAdds, countParameters } from '../operators/model-size.ts'
export { applyPlan } from './apply/apply.ts'
export { growAverages, growSlots, type SlotPower } from './apply/grow-slots.ts'
export type * from './growth-plan.ts'
export { type InspectedLayer, type InspectedValue, type Inspection, inspect } from './inspect.ts'
export { type DeepenOptions, measuredValues, planDeepen } from './plan/deepen.ts'
export type { ChannelStatistics } from './plan/inserted-layer.ts'
export { rolesIn } from './plan/project.ts'
export { whyNoLayers } from './plan/select-layers.ts'
export { type PlanningContext, planWiden, type WidenOptions, type Widths } from './plan/widen.ts'
export * from './steps.ts'

/**
 * A wider model that computes the same function (Net2WiderNet).
 *
 * ```ts
 * const wider = widen(teacher, { conv1: 128, fc1: 'x2' }, { seed: 1 })
 * ```
 *
 * @throws Net2NetError (usage, refused) as `planWiden`.
 */
export const widen = (model: Model, widths: Widths, options?: WidenOptions): Model =>
  applyPlan(model, planWiden(model, widths, options))

/**
 * A deeper model that computes the same function (Net2DeeperNet).
 *
 * @throws Net2NetError (usage, refused) as `planDeepen`.
 */
export const deepen = (model: Model, layers: readonly string[], options?: DeepenOptions): Model =>
  applyPlan(model, planDeepen(model, layers, options))
