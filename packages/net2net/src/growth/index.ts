/** Growing networks: what can grow, plans, and grown models. */
import type { Model } from '../model/model.ts'
import { applyPlan } from './apply/apply.ts'
import { type DeepenOptions, planDeepen } from './plan/deepen.ts'
import { type ExtendOptions, planExtend } from './plan/extend.ts'
import type { Extension } from './plan/extended-axes.ts'
import { type LoraOptions, planLora } from './plan/lora.ts'
import { planRepeat, type RepeatOptions } from './plan/repeat.ts'
import { planWiden, type WidenOptions } from './plan/widen.ts'
import type { Widths } from './plan/widths.ts'
import { grow } from './steps.ts'

export type { RememberedGrowth } from '../model/growth-history.ts'
export { countMultiplyAdds, countParameters, multiplyAddsByNode } from '../operators/model-size.ts'
export type { LeftConstant } from '../operators/trainable.ts'
export { applyPlan } from './apply/apply.ts'
export { withListed } from './apply/chosen-weights.ts'
export { growAverages, growSlots } from './apply/grow-slots.ts'
export type { SlotPower } from './apply/merge-tensor.ts'
export {
  addedEntries,
  type Entries,
  type GroupWeights,
  groupWeights,
  sharedEntries,
} from './apply/unit-weights.ts'
export { describePlan, planTables } from './describe-plan.ts'
export type * from './growth-plan.ts'
export {
  type InspectedAttention,
  type InspectedLayer,
  type InspectedParameter,
  type InspectedValue,
  type Inspection,
  inspect,
} from './inspect.ts'
export { type DeepenOptions, deepenRefusal, measuredValues, planDeepen } from './plan/deepen.ts'
export { type ExtendOptions, type ExtensionStart, planExtend } from './plan/extend.ts'
export type { Added, Extension } from './plan/extended-axes.ts'
export type { InputSize } from './plan/input-sizes.ts'
export { isLinear } from './plan/inserted-layer.ts'
export { neighbourhood } from './plan/insertion-site.ts'
export { hasKernel, type Kernels, planKernels } from './plan/kernel.ts'
export { type LoraOptions, planLora } from './plan/lora.ts'
export { planNewUnits } from './plan/new-units.ts'
export { Projection } from './plan/project.ts'
export { planRepeat, type RepeatOptions } from './plan/repeat.ts'
export { residualBlocks } from './plan/residual-blocks.ts'
export { whyNoLayers } from './plan/select-layers.ts'
export { planShrink } from './plan/shrink.ts'
export { type PlanningContext, planWiden, type WidenOptions } from './plan/widen.ts'
export { chooseSizes, type Widths } from './plan/widths.ts'
export { modelOf, type Solution, solutionOf, solve } from './solve/index.ts'
export {
  type DeepenStep,
  type ExtendStep,
  type GrownModel,
  type GrowthStep,
  grow,
  type KernelStep,
  type LoraStep,
  planStep,
  type RepeatStep,
  type ResolvedStep,
  type ShrinkStep,
  type StepContext,
  shareOf,
  type WidenStep,
} from './steps.ts'

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

/**
 * A model with new classes, tokens, positions or input channels, whose old entries compute what they did.
 *
 * ```ts
 * const more = extend(model, { outputs: { logits: '+5' } }, { start: 'mean' })
 * ```
 *
 * @throws Net2NetError (usage, refused) as `planExtend`.
 */
export const extend = (model: Model, extension: Extension, options?: ExtendOptions): Model =>
  applyPlan(model, planExtend(model, extension, options))

/**
 * The model without what its function does not need: units that are copies of others or that nothing depends on, layers and
 * residual blocks that compute the identity.
 *
 * ```ts
 * const teacher = shrink(student)
 * ```
 *
 * @throws Net2NetError (usage, refused) as `planShrink`.
 */
export const shrink = (model: Model, layers: readonly string[] = ['*']): Model =>
  grow(model, [{ shrink: layers }]).model

/**
 * A deeper model that computes the same function: residual blocks are there once more, and their copies add nothing yet.
 *
 * ```ts
 * const deeper = repeat(teacher, ['h.*'])
 * ```
 *
 * @throws Net2NetError (usage, refused) as `planRepeat`.
 */
export const repeat = (model: Model, blocks: readonly string[], options?: RepeatOptions): Model =>
  applyPlan(model, planRepeat(model, blocks, options))
/**
 * The model with low-rank adapters (LoRA) beside the weights of layers, which add nothing yet. `train` trains these alone;
 * `mergeAdapters` adds them to the weights.
 *
 * ```ts
 * const adapted = lora(model, ['*.q_proj', '*.v_proj'], { rank: 8, alpha: 16 })
 * ```
 *
 * @throws Net2NetError (usage, refused) as `planLora`.
 */
export const lora = (model: Model, layers?: readonly string[], options?: LoraOptions): Model =>
  applyPlan(model, planLora(model, layers, options))
export type { ChannelStatistics } from './plan/inserted-layer.ts'
