/**
 * Stochastic gradient descent with momentum. With gradient g, learning rate η, momentum μ and velocity v (slot `momentum`),
 * by Keras's rule:
 *
 *   v ← μ v − η g
 *   w ← w + v              (plain)
 *   w ← w + μ v − η g      (Nesterov, with the new v)
 *
 * and by PyTorch's, in which the learning rate is not inside the velocity. The weights are the same as long as the rate
 * does not change:
 *
 *   v ← μ v + g
 *   w ← w − η v            (plain)
 *   w ← w − η (g + μ v)    (Nesterov)
 *
 * Without momentum there is no slot: w ← w − η g.
 */
import { usageError } from '../../../errors.ts'
import { type LearningRate, scheduleOf } from '../../schedules.ts'
import {
  arithmetic,
  type Optimizer,
  ruleScaledBy,
  type Slot,
  scaledGradient,
  type Update,
  type UpdateContext,
  withWeightDecay,
} from './optimizer.ts'

export interface SgdOptions {
  readonly learningRate: LearningRate
  /** In [0, 1). Default 0. */
  readonly momentum?: number | undefined
  readonly nesterov?: boolean | undefined
  /** Whether velocity holds the learning rate (Keras) or not (PyTorch). Default `keras`. */
  readonly rule?: 'keras' | 'pytorch' | undefined
  /** L2 regularization, added to the gradient. Default 0. */
  readonly weightDecay?: number | undefined
}

export function sgd(options: SgdOptions): Optimizer {
  const { momentum = 0, nesterov = false, weightDecay = 0, rule = 'keras' } = options
  if (!(momentum >= 0 && momentum < 1))
    throw usageError(`The momentum must be in [0, 1), not ${momentum}.`)
  if (rule !== 'keras' && rule !== 'pytorch')
    throw usageError(`The rule must be keras or pytorch, not ${JSON.stringify(rule)}.`)
  const holdsRate = rule === 'keras'
  const velocitySlot: Slot = {
    name: 'momentum',
    shape: 'parameter',
    initial: 'zero',
    grows: 1,
    ...(holdsRate ? { holdsRate } : {}),
    shows: true,
  }
  const withRate = (context: UpdateContext): Update => {
    const { emitter, parameter, learningRate } = context
    const { add, sub, mul } = arithmetic(emitter)
    const step = scaledGradient(context, learningRate, weightDecay)
    if (momentum === 0) return { parameter: sub(parameter, step), slots: {} }
    const velocity = sub(mul(context.slot('momentum'), momentum), step)
    const move = nesterov ? sub(mul(velocity, momentum), step) : velocity
    return { parameter: add(parameter, move), slots: { momentum: velocity } }
  }
  const withoutRate = (context: UpdateContext): Update => {
    const { emitter, parameter, learningRate } = context
    const { add, sub, mul } = arithmetic(emitter)
    const gradient = withWeightDecay(context, weightDecay)
    const velocity = add(mul(context.slot('momentum'), momentum), gradient)
    const move = nesterov ? add(gradient, mul(velocity, momentum)) : velocity
    return { parameter: sub(parameter, mul(move, learningRate)), slots: { momentum: velocity } }
  }
  return {
    name: 'sgd',
    learningRate: scheduleOf(options.learningRate),
    // What was recorded before there was a rule stays as it was.
    settings: { momentum, nesterov, weightDecay, ...(holdsRate ? {} : { rule }) },
    slots: momentum === 0 ? [] : [velocitySlot],
    update: holdsRate || momentum === 0 ? ruleScaledBy('learning-rate', withRate) : withoutRate,
  }
}
