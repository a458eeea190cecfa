/** Writes a growth into the model's own history. */
import type { GrownModel, ResolvedStep } from '../growth/index.ts'
import { withGrowth } from '../model/growth-history.ts'
import type { Model } from '../model/model.ts'

/** @param step steps of the training until then */
export const rememberGrowth = (
  { model, steps, parameters }: Pick<GrownModel, 'model' | 'parameters' | 'steps'>,
  step: number,
): Model => withGrowth(model, { step, parameters, by: steps.map(withoutPlan) })

/** Plans are as long as layers are wide. */
function withoutPlan({ plan: _, ...step }: ResolvedStep): object {
  return step
}
