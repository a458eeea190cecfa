/**
 * RMSprop (Tieleman and Hinton 2012), by PyTorch's rule. With the mean of squares v and the buffer b (slots `v`,
 * `momentum`):
 *
 *   v ← ρ v + (1 − ρ) g²,   b ← μ b + g / (√v + ε),   w ← w − η b
 *
 * Without momentum μ there is no buffer: w ← w − η g / (√v + ε).
 */
import { usageError } from '../../../errors.ts'
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import { arithmetic, type Optimizer, withWeightDecay } from './optimizer.ts'

export interface RmspropOptions {
  /** Default 0.01. */
  readonly learningRate?: LearningRate | undefined
  /** ρ (PyTorch calls it alpha), in [0, 1). Default 0.99. */
  readonly rho?: number | undefined
  /** In [0, 1). Default 0. */
  readonly momentum?: number | undefined
  /** Default 1e-8. */
  readonly epsilon?: number | undefined
  /** L2 regularization, added to the gradient. Default 0. */
  readonly weightDecay?: number | undefined
}

export function rmsprop(options: RmspropOptions = {}): Optimizer {
  const { learningRate = 0.01, rho = 0.99, momentum = 0, epsilon = 1e-8, weightDecay = 0 } = options
  for (const [key, value] of Object.entries({ rho, momentum }))
    if (!(value >= 0 && value < 1)) throw usageError(`${key} must be in [0, 1), not ${value}.`)
  return {
    name: 'rmsprop',
    learningRate: scheduleOf(learningRate),
    settings: { rho, momentum, epsilon, weightDecay },
    slots: [
      { name: 'v', shape: 'parameter', initial: 'zero', grows: 2 },
      // Gradients over the root of their squares: a copy's share of the gradient falls out.
      ...(momentum === 0
        ? []
        : [{ name: 'momentum', shape: 'parameter', initial: 'zero', grows: 0 } as const]),
    ],
    update(context) {
      const { add, sub, mul, div, sqrt } = arithmetic(context.emitter)
      const gradient = withWeightDecay(context, weightDecay)
      const v = add(mul(context.slot('v'), rho), mul(mul(gradient, gradient), 1 - rho))
      const scaled = div(gradient, add(sqrt(v), epsilon))
      const move = momentum === 0 ? scaled : add(mul(context.slot('momentum'), momentum), scaled)
      return {
        parameter: sub(context.parameter, mul(move, context.learningRate)),
        slots: momentum === 0 ? { v } : { v, momentum: move },
      }
    },
  }
}
