/** Losses of real numbers: the mean over all elements of (y − t)² or |y − t|. */
import { usageError } from '../../../errors.ts'
import { countOf, meanOf, number, scalable, shareOf } from './counts.ts'
import type { Loss } from './loss.ts'

/** `target`: float32 of the prediction's shape. Gradient: 2 (y − t) / elements. */
export const meanSquaredError = (): Loss => ({
  name: 'mse',
  isMean: true,
  weighted: true,
  target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
  emit({ emitter, prediction, target, weights }) {
    const error = emitter.op('Sub', [prediction, target])
    return {
      loss: meanOf(emitter, emitter.op('Mul', [error, error]), weights),
      ...scalable((scale) => {
        const two = number(emitter, 2)
        const factor = scale === undefined ? two : emitter.op('Mul', [scale, two])
        return shareOf(emitter, error, countOf(emitter, prediction), factor)
      }),
    }
  },
})

/** `target`: float32 of the prediction's shape. Gradient: sign(y − t) / elements, 0 at 0. */
export const meanAbsoluteError = (): Loss => ({
  name: 'mae',
  isMean: true,
  weighted: true,
  target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
  emit({ emitter, prediction, target, weights }) {
    const error = emitter.op('Sub', [prediction, target])
    return {
      loss: meanOf(emitter, emitter.op('Abs', [error]), weights),
      ...scalable((scale) => {
        const zero = number(emitter, 0)
        const where = (op: string) => emitter.op('Cast', [emitter.op(op, [error, zero])], { to: 1 })
        // Sign itself is missing on WebGPU.
        const sign = emitter.op('Sub', [where('Greater'), where('Less')])
        return shareOf(emitter, sign, countOf(emitter, prediction), scale)
      }),
    }
  },
})

export interface HuberOptions {
  /** Where the square ends and the line begins. Default 1. */
  readonly delta?: number | undefined
}

/**
 * (y − t)² / 2 up to |y − t| = δ, and δ (|y − t| − δ / 2) beyond (Huber 1964): a few far-off targets do not decide.
 * `target`: float32 of the prediction's shape.
 */
export function huber({ delta = 1 }: HuberOptions = {}): Loss {
  if (!(delta > 0 && Number.isFinite(delta)))
    throw usageError(`delta of the Huber loss must be a positive number, not ${delta}.`)
  return {
    name: 'huber',
    isMean: true,
    weighted: true,
    target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
    emit({ emitter, prediction, target, weights }) {
      const error = emitter.op('Abs', [emitter.op('Sub', [prediction, target])])
      // With q = min(e, δ): q² / 2 + δ (e − q) is both.
      const near = emitter.op('Min', [error, number(emitter, delta)])
      const square = emitter.op('Mul', [emitter.op('Mul', [near, near]), number(emitter, 0.5)])
      const far = emitter.op('Mul', [emitter.op('Sub', [error, near]), number(emitter, delta)])
      return { loss: meanOf(emitter, emitter.op('Add', [square, far]), weights) }
    },
  }
}
