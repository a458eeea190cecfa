import { usageError } from '../../../errors.ts'
import { bceWithLogits } from './bce-with-logits.ts'
import { dice, klDivergence } from './distributions.ts'
import { focal } from './focal.ts'
import type { Loss } from './loss.ts'
import { huber, meanAbsoluteError, meanSquaredError } from './regression.ts'
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts'

export { bceWithLogits } from './bce-with-logits.ts'
export { type DistillationOptions, distillation } from './distillation.ts'
export {
  type DiceOptions,
  dice,
  type KlDivergenceOptions,
  klDivergence,
} from './distributions.ts'
export { type FocalOptions, focal } from './focal.ts'
export type { EmittedLoss, Loss, LossContext, TargetType } from './loss.ts'
export { type HuberOptions, huber, meanAbsoluteError, meanSquaredError } from './regression.ts'
export { type SoftmaxCrossEntropyOptions, softmaxCrossEntropy } from './softmax-cross-entropy.ts'

const losses = {
  'softmax-cross-entropy': softmaxCrossEntropy,
  'bce-with-logits': bceWithLogits,
  mse: meanSquaredError,
  mae: meanAbsoluteError,
  huber,
  focal,
  dice,
  'kl-divergence': klDivergence,
} satisfies Record<string, () => Loss>

export type LossName = keyof typeof losses
export const lossNames = Object.keys(losses) as readonly LossName[]

/** A loss, or the one of this name with its default options. */
export function lossOf(loss: Loss | LossName): Loss {
  if (typeof loss !== 'string') return loss
  const make: (() => Loss) | undefined = losses[loss]
  if (make) return make()
  throw usageError(`There is no loss "${loss}". Known: ${lossNames.join(', ')}.`)
}
