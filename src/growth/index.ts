/** Growing networks: what can grow, plans, and grown models. */
import type { Model } from '../model/model.ts'
import { applyPlan } from './apply.ts'
import { type DeepenOptions, planDeepen } from './deepen.ts'
import { planWiden, type WidenOptions, type Widths } from './widen.ts'

export { applyPlan } from './apply.ts'
export { type DeepenOptions, measuredValues, planDeepen } from './deepen.ts'
export { type InspectedLayer, type InspectedValue, type Inspection, inspect } from './inspect.ts'
export { countMultiplyAdds, countParameters } from './measure.ts'
export type * from './plan.ts'
export {
  formatRecipe,
  growByRecipe,
  parseRecipe,
  type Recipe,
  type RecipeResult,
  type RecipeStep,
  recipeJsonSchema,
} from './recipe.ts'
export { whyNoLayers } from './select-layers.ts'
export { growAverages, growSlots, type SlotPower } from './slots.ts'
export { planWiden, type WidenOptions, type Widths } from './widen.ts'
export type { WidthTarget } from './width.ts'

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
export type { ChannelStatistics } from './inserted-chain.ts'
