/**
 * Lion (Chen et al. 2023, https://arxiv.org/abs/2302.06675): every weight moves by the learning rate, in the
 * direction of the sign of
 *
 *   c = β₁ m + (1 − β₁) g:   w ← w − η (sign(c) + λ w),   m ← β₂ m + (1 − β₂) g
 *
 * with decoupled weight decay λ. Its learning rates are three to ten times smaller than Adam's.
 */
import { usageError } from '../../../errors.ts'
import { float32 } from '../../../tensor/tensor.ts'
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import { arithmetic, type Optimizer } from './optimizer.ts'

export interface LionOptions {
  /** Default 0.0001. */
  readonly learningRate?: LearningRate | undefined
  /** Default 0.9. */
  readonly beta1?: number | undefined
  /** Default 0.99. */
  readonly beta2?: number | undefined
  /** Default 0. */
  readonly weightDecay?: number | undefined
}

export function lion(options: LionOptions = {}): Optimizer {
  const { learningRate = 1e-4, beta1 = 0.9, beta2 = 0.99, weightDecay = 0 } = options
  for (const [key, beta] of Object.entries({ beta1, beta2 }))
    if (!(beta >= 0 && beta < 1)) throw usageError(`${key} must be in [0, 1), not ${beta}.`)
  return {
    name: 'lion',
    learningRate: scheduleOf(learningRate),
    settings: { beta1, beta2, weightDecay },
    slots: [{ name: 'm', shape: 'parameter', initial: 'zero', grows: 1 }],
    update({ emitter, parameter, gradient, learningRate: rate, decays = true, slot }) {
      const { add, sub, mul } = arithmetic(emitter)
      const mixed = (beta: number) => add(mul(slot('m'), beta), mul(gradient, 1 - beta))
      const direction = mixed(beta1)
      const zero = emitter.constant(float32([], [0]))
      const where = (op: string) =>
        emitter.op('Cast', [emitter.op(op, [direction, zero])], { to: 1 })
      // Sign itself is missing on WebGPU.
      const sign = sub(where('Greater'), where('Less'))
      const decayed =
        weightDecay !== 0 && decays ? mul(parameter, sub(1, mul(rate, weightDecay))) : parameter
      return { parameter: sub(decayed, mul(sign, rate)), slots: { m: mixed(beta2) } }
    },
  }
}
