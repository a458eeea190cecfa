/**
 * Learning from labels and from a teacher at once (Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531). With logits z, labels y,
 * the teacher's logits v, temperature T and weight α:
 *
 *   loss = (1 − α) · cross-entropy(z, y) + α T² · Σ_c q_c (log q_c − log p_c),   p = softmax(z / T), q = softmax(v / T)
 *
 * in the mean over samples. T² keeps the gradients of both parts of one size. The gradient is made by automatic differentiation.
 */
import { usageError } from '../../../errors.ts'
import { int64 } from '../../../tensor/tensor.ts'
import { countEqual, countOf, number, sumOf } from './counts.ts'
import type { Loss } from './loss.ts'
import { classAxisOf, classesOf } from './softmax-cross-entropy.ts'

export interface DistillationOptions {
  /** α: how much the teacher counts, from 0 to 1. Default 0.5. */
  readonly weight?: number | undefined
  /** T: how soft the distributions are. Default 2. */
  readonly temperature?: number | undefined
  /** Axis of the classes; default as for `softmaxCrossEntropy`. */
  readonly axis?: number | undefined
}

/**
 * `target`: float32 of the prediction's shape, but twice as long along the axis of the classes: first the labels, one-hot, then the teacher's
 * logits. `distilled` makes such targets.
 */
export function distillation(options: DistillationOptions = {}): Loss {
  const { weight = 0.5, temperature = 2, axis: asked } = options
  if (!(weight >= 0 && weight <= 1))
    throw usageError(`The weight of the teacher must be from 0 to 1, not ${weight}.`)
  if (!(temperature > 0 && Number.isFinite(temperature)))
    throw usageError(`The temperature must be a positive number, not ${temperature}.`)
  return {
    name: 'distillation',
    isMean: true,
    link: 'softmax',
    target(shape, classAxis) {
      const axis = classAxisOf(shape, asked ?? classAxis, undefined)
      const classes = classesOf(shape, axis)
      return {
        dtype: 'float32',
        shape: shape.map((dim, a) => (a === axis ? 2 * classes : dim)),
        perPrediction: 2 * classes,
        classAxis: axis,
      }
    },
    emit({ emitter, prediction, target, classAxis }) {
      const shape = emitter.info(prediction).shape!
      const axis = classAxisOf(shape, asked ?? classAxis, undefined)
      const classes = classesOf(shape, axis)
      const part = (from: number) =>
        emitter.op('Slice', [
          target,
          emitter.constant(int64([from])),
          emitter.constant(int64([from + classes])),
          emitter.constant(int64([axis])),
        ])
      const [labels, teacher] = [part(0), part(classes)]
      const scaled = (value: string) => emitter.op('Mul', [value, number(emitter, 1 / temperature)])
      const logarithms = (value: string) => emitter.op('LogSoftmax', [value], { axis })
      const product = (a: string, b: string) => sumOf(emitter, emitter.op('Mul', [a, b]))
      const own = product(labels, logarithms(prediction))
      const wanted = logarithms(scaled(teacher))
      const distance = emitter.op('Sub', [wanted, logarithms(scaled(prediction))])
      const soft = product(emitter.op('Exp', [wanted]), distance)
      const factors = [weight - 1, weight * temperature ** 2].map((factor) =>
        number(emitter, factor),
      )
      const total = emitter.op('Add', [
        emitter.op('Mul', [own, factors[0]!]),
        emitter.op('Mul', [soft, factors[1]!]),
      ])
      const count = emitter.op('Div', [countOf(emitter, prediction), number(emitter, classes)])
      return {
        loss: emitter.op('Div', [total, count]),
        correct() {
          const best = (value: string) => emitter.op('ArgMax', [value], { axis, keepdims: 0 })
          return countEqual(emitter, best(prediction), best(labels))
        },
      }
    },
  }
}
