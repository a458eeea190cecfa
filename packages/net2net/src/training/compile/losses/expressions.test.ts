/** Losses without a gradient of their own: automatic differentiation, against float64 differences. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GraphBuilder } from '../../../model/builder.ts'
import { encodeModel } from '../../../onnx/encode.ts'
import { nodeRuntime } from '../../../runtime/onnxruntime.node.ts'
import { float32, int64, type Tensor } from '../../../tensor/tensor.ts'
import { withoutDefaults } from '../../run/create-stepper.ts'
import { sgd } from '../optimizers/index.ts'
import { buildStep } from '../step-graph.ts'
import { dice, focal, huber, klDivergence, type Loss, lossOf } from './index.ts'

/** The loss and its gradient at a prediction: a model that is a parameter. */
async function run(loss: Loss, prediction: Tensor, target: Tensor) {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', prediction.dims)
  builder.initializer('w', prediction)
  const [sum] = builder.nodeOutputs('Add', [x, 'w'], {}, { outputs: ['y'] })
  builder.output(sum!, 'float32', prediction.dims)
  const step = buildStep(builder.model(), {
    loss,
    optimizer: sgd({ learningRate: 1 }),
    gradients: true,
    trainOnly: ['w'],
    targetShape: target.dims,
  })
  const session = await nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)))
  try {
    const feeds = {
      x: float32(prediction.dims, new Float32Array(prediction.data.length)),
      w: prediction,
      target,
      learning_rate: float32([], [0]),
    }
    const results = await session.run(feeds)
    return {
      loss: Number(results.loss!.data[0]),
      gradient: [...results['w.gradient']!.data].map(Number),
      correct: results.correct && Number(results.correct.data[0]),
    }
  } finally {
    await session.release()
  }
}

async function agrees(
  loss: Loss,
  reference: (z: readonly number[]) => number,
  prediction: Tensor,
  target: Tensor,
) {
  const result = await run(loss, prediction, target)
  const z = [...prediction.data].map(Number)
  expect(result.loss).toBeCloseTo(reference(z), 4)
  const h = 1e-5
  for (const [i, value] of z.entries()) {
    const difference = (reference(z.with(i, value + h)) - reference(z.with(i, value - h))) / (2 * h)
    expect(result.gradient[i], `element ${i}`).toBeCloseTo(difference, 3)
  }
  return result
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const rowsOf = (z: readonly number[], size: number) =>
  Array.from({ length: z.length / size }, (_, i) => z.slice(i * size, (i + 1) * size))
const softmax = (row: readonly number[]) => {
  const e = row.map((value) => Math.exp(value - Math.max(...row)))
  return e.map((value) => value / e.reduce((a, b) => a + b, 0))
}
/** Numbers away from the corners of the losses, where differences and gradients would differ. */
const number = fc.integer({ min: -30, max: 30 }).map((value) => (value + 0.37) / 10)
const matrix = fc
  .record({ rows: fc.integer({ min: 1, max: 5 }), size: fc.integer({ min: 2, max: 4 }) })
  .chain(({ rows, size }) =>
    fc
      .tuple(
        fc.array(number, { minLength: rows * size, maxLength: rows * size }),
        fc.array(fc.nat({ max: 99 }), { minLength: rows * size, maxLength: rows * size }),
      )
      .map(([z, draws]) => ({ rows, size, z, draws })),
  )

describe('by their definitions', () => {
  test('huber', async () => {
    await fc.assert(
      fc.asyncProperty(
        matrix,
        fc.constantFrom(0.5, 1, 2),
        async ({ rows, size, z, draws }, delta) => {
          const t = draws.map((draw) => Math.fround(draw / 30))
          const reference = (y: readonly number[]) =>
            mean(
              y.map((value, i) => {
                const e = Math.abs(value - t[i]!)
                return e <= delta ? e ** 2 / 2 : delta * (e - delta / 2)
              }),
            )
          const loss = huber({ delta })
          await agrees(loss, reference, float32([rows, size], z), float32([rows, size], t))
        },
      ),
      { numRuns: 15 },
    )
  })

  test('focal', async () => {
    await fc.assert(
      fc.asyncProperty(
        matrix,
        fc.constantFrom(0, 1, 2, 3.5),
        async ({ rows, size, z, draws }, gamma) => {
          const t = rowsOf(draws, size).map((row) => row[0]! % size)
          const own = (y: readonly number[]) =>
            rowsOf(y, size).map((row, i) => softmax(row)[t[i]!]!)
          const reference = (y: readonly number[]) =>
            mean(own(y).map((p) => -((1 - p) ** gamma) * Math.log(p)))
          const { correct } = await agrees(
            focal({ gamma }),
            reference,
            float32([rows, size], z),
            int64(t),
          )
          const best = rowsOf(z, size).map((row) => row.indexOf(Math.max(...row)))
          expect(correct).toBe(best.filter((c, i) => c === t[i]).length)
        },
      ),
      { numRuns: 15 },
    )
  })

  test('focal finds the axis that the targets do not have', async () => {
    const z = [0.3, -1, 2, 0.7, 1.1, -0.4]
    const t = [1, 0, 1]
    // [1, 2, 3] with targets [1, 3]: the classes are axis 1.
    const reference = (y: readonly number[]) =>
      mean(
        t.map(
          (c, i) =>
            -((1 - softmax([y[i]!, y[3 + i]!])[c]!) ** 2) *
            Math.log(softmax([y[i]!, y[3 + i]!])[c]!),
        ),
      )
    await agrees(focal(), reference, float32([1, 2, 3], z), int64(t, [1, 3]))
  })

  test('the divergence from a distribution, zeros included', async () => {
    await fc.assert(
      fc.asyncProperty(matrix, async ({ rows, size, z, draws }) => {
        const t = rowsOf(draws, size).flatMap((row) => {
          const parts = row.map((draw, i) => (draw % 3 === 0 && i > 0 ? 0 : draw + 1))
          return parts.map((part) => Math.fround(part / parts.reduce((a, b) => a + b, 0)))
        })
        const reference = (y: readonly number[]) =>
          mean(
            rowsOf(y, size).map((row, i) =>
              softmax(row)
                .map((p, c) => {
                  const share = t[i * size + c]!
                  return share === 0 ? 0 : share * (Math.log(share) - Math.log(p))
                })
                .reduce((a, b) => a + b, 0),
            ),
          )
        await agrees(klDivergence(), reference, float32([rows, size], z), float32([rows, size], t))
      }),
      { numRuns: 15 },
    )
  })

  test('dice', async () => {
    await fc.assert(
      fc.asyncProperty(
        matrix,
        fc.constantFrom(1, 0.1),
        async ({ rows, size, z, draws }, smooth) => {
          const t = draws.map((draw) => draw % 2)
          const reference = (y: readonly number[]) =>
            mean(
              rowsOf(y, size).map((row, i) => {
                const p = row.map((value) => 1 / (1 + Math.exp(-value)))
                const truth = t.slice(i * size, (i + 1) * size)
                const both = p.reduce((sum, share, k) => sum + share * truth[k]!, 0)
                const all = [...p, ...truth].reduce((a, b) => a + b, 0)
                return 1 - (2 * both + smooth) / (all + smooth)
              }),
            )
          await agrees(
            dice({ smooth }),
            reference,
            float32([rows, size, 1], z),
            float32([rows, size, 1], t),
          )
        },
      ),
      { numRuns: 15 },
    )
  })
})

test('any expression is a loss', async () => {
  // log cosh of the error, written in exponentials.
  const logCosh: Loss = {
    name: 'log-cosh',
    target: (shape) => ({ dtype: 'float32', shape, perPrediction: 1 }),
    emit({ emitter, prediction, target }) {
      const error = emitter.op('Sub', [prediction, target])
      const both = ['Exp'].flatMap((op) => [
        emitter.op(op, [error]),
        emitter.op(op, [emitter.op('Neg', [error])]),
      ])
      const half = emitter.constant(float32([], [0.5]))
      const cosh = emitter.op('Mul', [emitter.op('Add', both), half])
      return { loss: emitter.op('ReduceMean', [emitter.op('Log', [cosh])], { keepdims: 0 }) }
    },
  }
  const [y, t] = [
    [0.5, -2, 3, 1],
    [1, 1, 1, 1],
  ]
  const reference = (z: readonly number[]) =>
    mean(z.map((value, i) => Math.log(Math.cosh(value - t[i]!))))
  await agrees(logCosh, reference, float32([2, 2], y), float32([2, 2], t))
})

test('options that are none are refused, and the names are known', () => {
  expect(() => huber({ delta: 0 })).toThrow(/delta of the Huber loss/)
  expect(() => focal({ gamma: 0.5 })).toThrow(/gamma of the focal loss/)
  expect(() => dice({ smooth: 0 })).toThrow(/smooth of the Dice loss/)
  for (const name of ['huber', 'focal', 'dice', 'kl-divergence'] as const)
    expect(lossOf(name).name).toBe(name)
})
