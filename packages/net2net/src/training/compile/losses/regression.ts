/** Losses of real numbers: the mean over all elements of (y − t)² or |y − t|. */
import { countOf, meanOf, number } from './counts.ts'
import type { Loss } from './loss.ts'

/** `target`: float32 of the prediction's shape. Gradient: 2 (y − t) / elements. */
export const meanSquaredError = (): Loss => ({
  name: 'mse',
  target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
  emit({ emitter, prediction, target }) {
    const error = emitter.op('Sub', [prediction, target])
    return {
      loss: meanOf(emitter, emitter.op('Mul', [error, error])),
      gradient: () =>
        emitter.op('Mul', [
          error,
          emitter.op('Div', [number(emitter, 2), countOf(emitter, prediction)]),
        ]),
    }
  },
})

/** `target`: float32 of the prediction's shape. Gradient: sign(y − t) / elements, 0 at 0. */
export const meanAbsoluteError = (): Loss => ({
  name: 'mae',
  target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
  emit({ emitter, prediction, target }) {
    const error = emitter.op('Sub', [prediction, target])
    return {
      loss: meanOf(emitter, emitter.op('Abs', [error])),
      gradient() {
        const zero = number(emitter, 0)
        const where = (op: string) => emitter.op('Cast', [emitter.op(op, [error, zero])], { to: 1 })
        // Sign itself is missing on WebGPU.
        const sign = emitter.op('Sub', [where('Greater'), where('Less')])
        return emitter.op('Div', [sign, countOf(emitter, prediction)])
      },
    }
  },
})
