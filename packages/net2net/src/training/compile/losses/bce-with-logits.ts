/**
 * Binary cross-entropy of a sigmoid, from its logits z, per element:
 *
 *   −t log σ(z) − (1 − t) log(1 − σ(z)) = max(z, 0) − z t + log(1 + exp(−|z|))
 *   ∂/∂z = σ(z) − t
 *
 * The right-hand form never overflows. The loss is the mean over all elements.
 */
import { countEqual, countOf, meanOf, number, scalable, shareOf } from './counts.ts'
import type { Loss } from './loss.ts'

/** `target`: float32 of the prediction's shape, in [0, 1]. */
export const bceWithLogits = (): Loss => ({
  name: 'bce-with-logits',
  isMean: true,
  link: 'sigmoid',
  weighted: true,
  target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
  emit({ emitter, prediction: z, target: t, weights }) {
    const decay = emitter.op('Exp', [emitter.op('Neg', [emitter.op('Abs', [z])])])
    const logarithm = emitter.op('Log', [emitter.op('Add', [decay, number(emitter, 1)])])
    const linear = emitter.op('Sub', [emitter.op('Relu', [z]), emitter.op('Mul', [z, t])])
    return {
      loss: meanOf(emitter, emitter.op('Add', [linear, logarithm]), weights),
      ...scalable((scale) =>
        shareOf(
          emitter,
          emitter.op('Sub', [emitter.op('Sigmoid', [z]), t]),
          countOf(emitter, z),
          scale,
        ),
      ),
      correct: () =>
        countEqual(
          emitter,
          emitter.op('Greater', [z, number(emitter, 0)]),
          emitter.op('Greater', [t, number(emitter, 0.5)]),
          weights,
        ),
    }
  },
})
