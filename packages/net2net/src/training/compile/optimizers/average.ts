/** Exponential moving average of the weights: an optimizer around an optimizer. */
import { usageError } from '../../../errors.ts'
import {
  arithmetic,
  type Optimizer,
  ruleScaledBy,
  type Update,
  type UpdateContext,
} from './optimizer.ts'

/**
 * Adds the slot `ema`: a ← d a + (1 − d) w after each step, starting at w. The trained network
 * can be taken with the averages in place of the weights.
 */
export function averaged(optimizer: Optimizer, decay: number): Optimizer {
  if (!(decay >= 0 && decay < 1))
    throw usageError(`The decay of the moving average must be in [0, 1), not ${decay}.`)
  const { gradientScale } = optimizer.update
  const update = (context: UpdateContext): Update => {
    const { parameter, slots } = optimizer.update(context)
    const { add, mul } = arithmetic(context.emitter)
    const ema = add(mul(context.slot('ema'), decay), mul(parameter, 1 - decay))
    return { parameter, slots: { ...slots, ema } }
  }
  return {
    ...optimizer,
    settings: { ...optimizer.settings, ema: decay },
    slots: [
      ...optimizer.slots,
      {
        name: 'ema',
        shape: 'parameter',
        initial: 'parameter',
        grows: 'like-parameters',
        shows: true,
      },
    ],
    update: gradientScale === undefined ? update : ruleScaledBy(gradientScale, update),
  }
}
