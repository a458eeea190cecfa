/**
 * The focal loss of classes, from logits z (Lin et al. 2017): what is predicted well already counts less.
 *
 *   loss = mean over samples of −(1 − p_t)^γ log p_t,   p = softmax(z), t the true class
 *
 * γ = 0 is cross-entropy. Its gradient is made by automatic differentiation.
 */
import { usageError } from '../../../errors.ts'
import { int64 } from '../../../tensor/tensor.ts'
import { countEqual, meanOf, number } from './counts.ts'
import type { Loss } from './loss.ts'
import { classAxisOf, classesOf, oneHot } from './softmax-cross-entropy.ts'

export interface FocalOptions {
  /** γ, from 1 on or 0. Default 2. */
  readonly gamma?: number | undefined
  /** Axis of the classes; default as for `softmaxCrossEntropy`. */
  readonly axis?: number | undefined
}

/** `target`: class indices (int64, without the class axis). */
export function focal({ gamma = 2, axis: asked }: FocalOptions = {}): Loss {
  if (!(gamma === 0 || (gamma >= 1 && Number.isFinite(gamma))))
    throw usageError(`gamma of the focal loss must be 0, or a number from 1 on, not ${gamma}.`)
  return {
    name: 'focal',
    isMean: true,
    link: 'softmax',
    weighted: true,
    target(shape, classAxis, given) {
      const axis = classAxisOf(shape, asked ?? classAxis, given)
      return {
        dtype: 'int64',
        shape: shape.filter((_, a) => a !== axis),
        perPrediction: 1,
        classes: classesOf(shape, axis),
        classAxis: axis,
      }
    },
    emit({ emitter, prediction, target, classAxis, weights }) {
      const shape = emitter.info(prediction).shape!
      const axis = classAxisOf(shape, asked ?? classAxis, emitter.info(target).shape)
      const indices = emitter.op('Cast', [target], { to: 6 })
      const truth = oneHot(emitter, indices, axis, classesOf(shape, axis), shape)
      const logarithms = emitter.op('LogSoftmax', [prediction], { axis })
      const axes = emitter.constant(int64([axis]))
      const own = emitter.op('ReduceSum', [emitter.op('Mul', [truth, logarithms]), axes], {
        keepdims: 0,
      })
      const missed = emitter.op('Sub', [number(emitter, 1), emitter.op('Exp', [own])])
      const weight = gamma === 0 ? undefined : emitter.op('Pow', [missed, number(emitter, gamma)])
      const weighted = weight === undefined ? own : emitter.op('Mul', [weight, own])
      return {
        loss: emitter.op('Neg', [meanOf(emitter, weighted, weights)]),
        correct() {
          const best = emitter.op('ArgMax', [prediction], { axis, keepdims: 0 })
          return countEqual(emitter, emitter.op('Cast', [best], { to: 6 }), indices, weights)
        },
      }
    },
  }
}
