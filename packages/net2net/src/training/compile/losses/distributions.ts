/** Losses between distributions, and between masks. Their gradients are made by automatic differentiation. */
import { usageError } from '../../../errors.ts'
import { int64 } from '../../../tensor/tensor.ts'
import { countEqual, meanOf, number } from './counts.ts'
import type { Loss } from './loss.ts'
import { classAxisOf, classesOf } from './softmax-cross-entropy.ts'

export interface KlDivergenceOptions {
  /** Axis of the classes; default: that of the model's softmax, or as for `softmaxCrossEntropy`. */
  readonly axis?: number | undefined
}

/**
 * The divergence of the prediction's softmax from a given distribution t (Kullback and Leibler 1951):
 *
 *   loss = mean over samples of Σ_c t_c (log t_c − log p_c),   p = softmax(z), 0 log 0 = 0
 *
 * `target`: float32 of the prediction's shape, a distribution per sample, such as a teacher's probabilities.
 */
export const klDivergence = ({ axis: asked }: KlDivergenceOptions = {}): Loss => ({
  name: 'kl-divergence',
  isMean: true,
  link: 'softmax',
  weighted: true,
  target(shape, classAxis) {
    const axis = classAxisOf(shape, asked ?? classAxis, undefined)
    const perPrediction = classesOf(shape, axis)
    return { dtype: 'float32', shape, perPrediction, classAxis: axis }
  },
  emit({ emitter, prediction, target, classAxis, weights }) {
    const shape = emitter.info(prediction).shape!
    const axis = classAxisOf(shape, asked ?? classAxis, undefined)
    const logarithms = emitter.op('LogSoftmax', [prediction], { axis })
    // The smallest normal number stands for 0: times 0 its logarithm is 0.
    const positive = emitter.op('Max', [target, number(emitter, 1.1754944e-38)])
    const ratio = emitter.op('Sub', [emitter.op('Log', [positive]), logarithms])
    const axes = emitter.constant(int64([axis]))
    const each = emitter.op('ReduceSum', [emitter.op('Mul', [target, ratio]), axes], {
      keepdims: 0,
    })
    return {
      loss: meanOf(emitter, each, weights),
      correct() {
        const best = (value: string) => emitter.op('ArgMax', [value], { axis, keepdims: 0 })
        return countEqual(emitter, best(prediction), best(target), weights)
      },
    }
  },
})

export interface DiceOptions {
  /** Added above and below, so that two empty masks agree. Default 1. */
  readonly smooth?: number | undefined
}

/**
 * One minus the overlap of masks, from logits z (Milletari et al. 2016): small regions count as much as large ones.
 *
 *   loss = mean over samples of 1 − (2 Σ p t + s) / (Σ p + Σ t + s),   p = σ(z)
 *
 * The sums run over all axes but the first. `target`: float32 of the prediction's shape, 0 or 1.
 */
export function dice({ smooth = 1 }: DiceOptions = {}): Loss {
  if (!(smooth > 0 && Number.isFinite(smooth)))
    throw usageError(`smooth of the Dice loss must be a positive number, not ${smooth}.`)
  return {
    name: 'dice',
    isMean: true,
    link: 'sigmoid',
    target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
    emit({ emitter, prediction, target }) {
      const rank = emitter.info(prediction).shape!.length
      const axes = emitter.constant(int64(Array.from({ length: rank - 1 }, (_, a) => a + 1)))
      const sum = (value: string) =>
        rank === 1 ? value : emitter.op('ReduceSum', [value, axes], { keepdims: 0 })
      const plus = (value: string) => emitter.op('Add', [value, number(emitter, smooth)])
      const p = emitter.op('Sigmoid', [prediction])
      const both = emitter.op('Mul', [sum(emitter.op('Mul', [p, target])), number(emitter, 2)])
      const all = emitter.op('Add', [sum(p), sum(target)])
      const overlap = emitter.op('Div', [plus(both), plus(all)])
      return {
        loss: meanOf(emitter, emitter.op('Sub', [number(emitter, 1), overlap])),
        correct: () =>
          countEqual(
            emitter,
            emitter.op('Greater', [prediction, number(emitter, 0)]),
            emitter.op('Greater', [target, number(emitter, 0.5)]),
          ),
      }
    },
  }
}
