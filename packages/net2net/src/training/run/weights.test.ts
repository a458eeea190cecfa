/** Weights of samples, and masks: what they do to losses, gradients, counts and metrics. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ArrayDataset, type Batch } from '../../data/dataset.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { nodeRuntime } from '../../runtime/index.ts'
import { float32, Tensor } from '../../tensor/tensor.ts'
import {
  bceWithLogits,
  focal,
  huber,
  klDivergence,
  type Loss,
  meanAbsoluteError,
  meanSquaredError,
  softmaxCrossEntropy,
} from '../compile/losses/index.ts'
import { sgd } from '../compile/optimizers/index.ts'
import { evaluate } from './evaluate.ts'
import { Training } from './trainer.ts'

/** y = x · w, element by element: the parameter is as large as a sample, and its gradient shows every one. */
function elementwise(dims: readonly number[]): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['batch', ...dims])
  const count = dims.reduce((a, b) => a * b, 1)
  const w = builder.initializer(
    'w',
    float32(
      dims,
      Float32Array.from({ length: count }, (_, i) => Math.cos(i)),
    ),
  )
  builder.output(builder.node('Mul', ['x', w], {}, { outputs: ['y'] }), 'float32', [
    'batch',
    ...dims,
  ])
  return modelOf(builder.graph('elementwise'), 18)
}

const runtime = nodeRuntime
const column = (dims: readonly number[], data: ArrayLike<number>) =>
  ({ dtype: 'float32', dims, data: Float32Array.from(data) }) as const
const labels = (dims: readonly number[], data: ArrayLike<number>) =>
  ({ dtype: 'int32', dims, data: Int32Array.from(data) }) as const

/** The parameter after one step of gradient descent on all samples at once, and the loss before it. */
async function step(model: Model, data: ArrayDataset, loss: Loss) {
  const optimizer = sgd({ learningRate: 1 })
  const training = new Training(model, data, {
    loss,
    optimizer,
    trainOnly: ['w'],
    runtime,
    batchSize: data.length,
    shuffle: false,
  })
  let before = Number.NaN
  for await (const { loss: value } of training) before = value
  return { w: [...training.state.tensors.get('w')!.data].map(Number), loss: before }
}

const classes = 3
const kinds: readonly (readonly [
  string,
  Loss,
  (n: number) => ReturnType<typeof column | typeof labels>,
])[] = [
  ['mse', meanSquaredError(), (n) => column([classes], noise(n * classes, 7))],
  ['mae', meanAbsoluteError(), (n) => column([classes], noise(n * classes, 7))],
  ['huber', huber(), (n) => column([classes], noise(n * classes, 7))],
  [
    'bce-with-logits',
    bceWithLogits(),
    (n) =>
      column(
        [classes],
        noise(n * classes, 7).map((t) => Number(t > 0)),
      ),
  ],
  [
    'softmax-cross-entropy',
    softmaxCrossEntropy(),
    (n) =>
      labels(
        [],
        noise(n, 5).map((t) => Math.abs(Math.round(9 * t)) % classes),
      ),
  ],
  [
    'with class weights',
    softmaxCrossEntropy({ classWeights: [1, 2, 0.5], labelSmoothing: 0.1 }),
    (n) =>
      labels(
        [],
        noise(n, 5).map((t) => Math.abs(Math.round(9 * t)) % classes),
      ),
  ],
  [
    'focal',
    focal(),
    (n) =>
      labels(
        [],
        noise(n, 5).map((t) => Math.abs(Math.round(9 * t)) % classes),
      ),
  ],
  [
    'kl-divergence',
    klDivergence(),
    (n) => column([classes], Array.from({ length: n }, () => [0.2, 0.5, 0.3]).flat()),
  ],
]
function noise(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin(seed * (i + 1) ** 1.5))
}

describe('a weight of a sample', () => {
  test.each(kinds)('is how often it occurs: %s', async (_, loss, targetOf) => {
    // Equal weights, or a sample twice, are the same as no weights, or a weight of two.
    const weights = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 5 })
    const model = elementwise([classes])
    await fc.assert(
      fc.asyncProperty(
        weights.filter((all) => all.some((w) => w > 0)),
        async (counts) => {
          const n = counts.length
          const target = targetOf(n)
          const plain = new ArrayDataset({ x: column([classes], noise(n * classes, 3)) }, target)
          const repeated = plain.pick(
            counts.flatMap((count, i) => Array.from({ length: count }, () => i)),
          )
          const weighted = new ArrayDataset(plain.inputs, target, undefined, {
            weights: column([], counts),
          })
          const [a, b] = [await step(model, weighted, loss), await step(model, repeated, loss)]
          expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-5)
          for (const [i, value] of a.w.entries())
            expect(Math.abs(value - b.w[i]!)).toBeLessThan(1e-5)
          const measured = async (samples: ArrayDataset) => {
            const { loss: value, accuracy } = await evaluate(model, samples, { runtime, loss })
            return [value, accuracy ?? 0]
          }
          const [c, d] = [await measured(weighted), await measured(repeated)]
          for (const [i, value] of c.entries()) expect(Math.abs(value - d[i]!)).toBeLessThan(1e-5)
        },
      ),
      { numRuns: 6 },
    )
  })
})

describe('masks', () => {
  test('leave predictions out of loss, accuracy and metrics, whatever axis has the classes', async () => {
    // Scores [batch, classes, time]: targets and weights [batch, time].
    const model = elementwise([classes, 4])
    const scores = noise(2 * classes * 4, 3)
    const targets = [0, 1, 2, 1, 2, 2, 0, 1]
    const mask = [1, 1, 0, 0, 1, 0, 1, 1]
    const data = new ArrayDataset(
      { x: column([classes, 4], scores) },
      labels([4], targets),
      undefined,
      {
        weights: column([4], mask),
      },
    )
    const ignored = new ArrayDataset(
      data.inputs,
      labels(
        [4],
        targets.map((t, i) => (mask[i] ? t : -100)),
      ),
    )
    const options = { runtime, metrics: ['accuracy', 'f1'] }
    const a = await evaluate(model, data, { ...options, loss: softmaxCrossEntropy() })
    const b = await evaluate(model, ignored, {
      ...options,
      loss: softmaxCrossEntropy({ ignoredLabel: -100 }),
    })
    expect(a.predictions).toBe(5)
    expect(a.accuracy).toBe(b.accuracy)
    expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-6)
    expect(a.metrics!.f1).toEqual(b.metrics!.f1)
    expect(a.confusion).toEqual(b.confusion)
  })
  test('leave elements of a regression out', async () => {
    const model = elementwise([2])
    const data = new ArrayDataset(
      { x: column([2], [0, 0, 0, 0]) },
      column([2], [1, 100, 2, 3]),
      undefined,
      {
        weights: column([2], [1, 0, 1, 1]),
      },
    )
    expect((await evaluate(model, data, { runtime, loss: 'mse' })).loss).toBeCloseTo(
      (1 + 4 + 9) / 3,
      5,
    )
  })
})

describe('what does not fit is refused', () => {
  const model = elementwise([classes])
  const samples = (weights: Parameters<typeof column>) =>
    new ArrayDataset(
      { x: column([classes], noise(2 * classes, 1)) },
      labels([], [0, 1]),
      undefined,
      {
        weights: column(...weights),
      },
    )
  const measured = (
    data: ArrayDataset | readonly Batch[],
    loss: Loss | 'dice',
    weighted?: boolean,
  ) => evaluate(model, data, { runtime, loss, weighted })
  test('weights of other shapes, negative ones, and losses that take none', async () => {
    const loss = softmaxCrossEntropy()
    await expect(measured(samples([[2], [1, 1, 1, 1]]), loss)).rejects.toThrow(
      /weights have the shape/,
    )
    await expect(measured(samples([[], [1, -1]]), loss)).rejects.toThrow(
      /must not be negative: there is -1/,
    )
    await expect(measured(samples([[], [1, 1]]), 'dice')).rejects.toThrow(
      /loss dice takes no weights/,
    )
    const oneHot = softmaxCrossEntropy({ target: 'one-hot' })
    await expect(measured(samples([[], [1, 1]]), oneHot)).rejects.toThrow(/takes no weights/)
    expect(() => samples([[], [1]])).toThrow(/weights for 1 samples, but there are 2/)
  })
  test('batches with weights that nobody asked for, and the other way round', async () => {
    const batch: Batch = {
      inputs: { x: float32([1, classes], [1, 2, 3]) },
      target: new Tensor('int32', [1], Int32Array.of(0)),
    }
    const weights = float32([1], [2])
    const loss = softmaxCrossEntropy()
    await expect(measured([{ ...batch, weights }], loss)).rejects.toThrow(
      /give the option weighted/,
    )
    await expect(measured([batch], loss, true)).rejects.toThrow(/has no weights/)
    const weighted = await measured([{ ...batch, weights }], loss, true)
    expect(weighted.loss).toBeCloseTo((await measured([batch], loss)).loss, 5)
  })
})
