/**
 * Stochastic gradient descent with momentum, by Keras's rule. With gradient g, learning rate η,
 * momentum μ and velocity v (slot `momentum`):
 *
 *   v ← μ v − η g
 *   w ← w + v              (plain)
 *   w ← w + μ v − η g      (Nesterov, with the new v)
 *
 * Without momentum there is no slot: w ← w − η g. The learning rate is inside the velocity:
 * where it changes, PyTorch's rule (v ← μ v + g, w ← w − η v) differs.
 */
import { usageError } from '../../../errors.ts'
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import { arithmetic, type Optimizer, withWeightDecay } from './optimizer.ts'

export interface SgdOptions {
  readonly learningRate: LearningRate
  /** In [0, 1). Default 0. */
  readonly momentum?: number | undefined
  readonly nesterov?: boolean | undefined
  /** L2 regularization, added to the gradient. Default 0. */
  readonly weightDecay?: number | undefined
}

export function sgd(options: SgdOptions): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0 } = options
  if (!(momentum >= 0 && momentum < 1))
    throw usageError(`The momentum must be in [0, 1), not ${momentum}.`)
  return {
    name: 'sgd',
    learningRate: scheduleOf(options.learningRate),
    settings: { momentum, nesterov, weightDecay },
    slots:
      momentum === 0
        ? []
        : [
            {
              name: 'momentum',
              shape: 'parameter',
              initial: 'zero',
              grows: 1,
              holdsRate: true,
              shows: true,
            },
          ],
    update(context) {
      const { emitter, parameter, learningRate } = context
      const { add, sub, mul } = arithmetic(emitter)
      const step = mul(withWeightDecay(context, weightDecay), learningRate)
      if (momentum === 0) return { parameter: sub(parameter, step), slots: {} }
      const velocity = sub(mul(context.slot('momentum'), momentum), step)
      const move = nesterov ? sub(mul(velocity, momentum), step) : velocity
      return { parameter: add(parameter, move), slots: { momentum: velocity } }
    },
  }
}
