/**
 * Adagrad (Duchi, Hazan and Singer 2011), with the sum of squares h (slot `accumulator`):
 *
 *   h ← h + g²,   w ← w − η g / (√h + ε)
 */
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import { arithmetic, type Optimizer, withWeightDecay } from './optimizer.ts'

export interface AdagradOptions {
  /** Default 0.01. */
  readonly learningRate?: LearningRate | undefined
  /** Default 1e-10. */
  readonly epsilon?: number | undefined
  /** L2 regularization, added to the gradient. Default 0. */
  readonly weightDecay?: number | undefined
}

export function adagrad(options: AdagradOptions = {}): Optimizer {
  const { epsilon = 1e-10, weightDecay = 0 } = options
  return {
    name: 'adagrad',
    learningRate: scheduleOf(options.learningRate ?? 0.01),
    settings: { epsilon, weightDecay },
    slots: [{ name: 'accumulator', shape: 'parameter', initial: 'zero', grows: 2 }],
    update(context) {
      const { add, sub, mul, div, sqrt } = arithmetic(context.emitter)
      const gradient = withWeightDecay(context, weightDecay)
      const accumulator = add(context.slot('accumulator'), mul(gradient, gradient))
      const move = div(mul(gradient, context.learningRate), add(sqrt(accumulator), epsilon))
      return { parameter: sub(context.parameter, move), slots: { accumulator } }
    },
  }
}
