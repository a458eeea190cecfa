import { describe, expect, test } from 'vitest'
import { normalTensor } from '../../../../testing/gradient-check.ts'
import { hasOnnxVectors, onnxVector } from '../../../../testing/onnx-vectors.ts'
import { runGraph } from '../../../../testing/run-graph.ts'
import { testSeed } from '../../../../testing/seed.ts'
import type { Shape } from '../../../model/model.ts'
import type { Target } from '../../../operators/contract/gradient.ts'
import { type RandomStream, randomStream } from '../../../tensor/random.ts'
import { elementCount, float32, int64, type Tensor } from '../../../tensor/tensor.ts'
import {
  bceWithLogits,
  type Loss,
  lossOf,
  meanAbsoluteError,
  meanSquaredError,
  softmaxCrossEntropy,
} from './index.ts'

async function run(
  loss: Loss,
  prediction: Tensor,
  target: Tensor,
  { forms = 'standard', openBatch = false }: { forms?: Target; openBatch?: boolean } = {},
) {
  const operators = new Set<string>()
  const results = await runGraph<string>(
    { prediction, target },
    (emitter) => {
      const emitted = loss.emit({ emitter, prediction: 'prediction', target: 'target' })
      const correct = emitted.correct?.()
      const gradient = emitted.gradient!()
      const scaled = emitted.scaledGradient!(emitter.constant(float32([], [0.25])))
      for (const { opType } of emitter.builder.graph().nodes) operators.add(opType)
      const found = correct === undefined ? {} : { correct }
      return { loss: emitted.loss, gradient, scaled, ...found }
    },
    forms,
    { openBatch },
  )
  const [scaled, gradients] = [results.scaled!, results.gradient!].map(({ data }) => [...data])
  for (const [i, value] of gradients!.entries())
    expect(scaled![i]).toBeCloseTo(0.25 * Number(value), 6)
  return {
    loss: Number(results.loss!.data[0]),
    gradient: results.gradient!,
    correct: results.correct && Number(results.correct.data[0]),
    operators,
  }
}

/** The loss in float64, from flat arrays. */
type Reference = (prediction: Float64Array, target: readonly number[]) => number

async function agrees(loss: Loss, reference: Reference, prediction: Tensor, target: Tensor) {
  const result = await run(loss, prediction, target)
  const z = Float64Array.from(prediction.data as Float32Array)
  const t = [...target.data].map(Number)
  const expected = reference(z, t)
  expect(Math.abs(result.loss - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)))
  expect(result.gradient.dims).toEqual(prediction.dims)
  const h = 1e-5
  const differences = z.map((value, i) => {
    const at = (x: number) => reference(z.with(i, x), t)
    return (at(value + h) - at(value - h)) / (2 * h)
  })
  const scale = Math.max(1e-3, ...differences.map(Math.abs))
  differences.forEach((difference, i) => {
    const error = Math.abs(Number(result.gradient.data[i]) - difference) / scale
    expect(error, `element ${i}`).toBeLessThan(1e-4)
  })
  return result
}

/** Cross-entropy over axis 1 of [n, c, …]. */
const crossEntropy =
  (
    dims: readonly number[],
    weights: (t: readonly number[], n: number, c: number) => number,
  ): Reference =>
  (z, t) => {
    const classes = dims[1]!
    const inner = elementCount(dims.slice(2))
    let total = 0
    for (let n = 0; n < dims[0]! * inner; n++) {
      const at = (c: number) => z[(Math.floor(n / inner) * classes + c) * inner + (n % inner)]!
      const sum = Array.from({ length: classes }, (_, c) => Math.exp(at(c))).reduce((a, b) => a + b)
      for (let c = 0; c < classes; c++) total -= weights(t, n, c) * (at(c) - Math.log(sum))
    }
    return total / (dims[0]! * inner)
  }

const labels = (random: RandomStream, count: number, classes: number) =>
  Array.from({ length: count }, () => random.below(classes))

describe('softmax cross-entropy', () => {
  test('of class indices, with and without smoothing, for vectors and maps', async () => {
    for (let draw = 0; draw < 20; draw++) {
      const random = randomStream(draw, 'losses')
      const classes = 2 + random.below(5)
      const inner = draw % 2 ? [] : [2, 3]
      const dims = [1 + random.below(4), classes, ...inner]
      const smoothing = draw % 3 ? 0 : 0.2
      const outer = [dims[0]!, ...inner]
      const target = labels(random, elementCount(outer), classes)
      const prediction = normalTensor(random, dims, { scale: 3 })
      const { correct } = await agrees(
        softmaxCrossEntropy({ labelSmoothing: smoothing }),
        crossEntropy(dims, (t, n, c) => (t[n] === c ? 1 - smoothing : 0) + smoothing / classes),
        prediction,
        int64(target, outer),
      )
      const area = elementCount(inner)
      const right = target.filter((label, n) => {
        const at = (c: number) =>
          Number(prediction.data[(Math.floor(n / area) * classes + c) * area + (n % area)])
        const scores = Array.from({ length: classes }, (_, c) => at(c))
        return scores.indexOf(Math.max(...scores)) === label
      })
      expect(correct).toBe(right.length)
    }
  })

  test('of many classes on the CPU, by the entries of the labels alone', async () => {
    for (let draw = 0; draw < 12; draw++) {
      const random = randomStream(testSeed, 'many classes', draw)
      const classes = 48 + random.below(60)
      const dims = [1 + random.below(4), ...[2, 3].slice(random.below(3))]
      const axis = 1 + random.below(dims.length)
      const loss = softmaxCrossEntropy({ axis })
      const prediction = normalTensor(random, dims.toSpliced(axis, 0, classes), { scale: 3 })
      const target = int64(labels(random, elementCount(dims), classes), dims)
      const standard = await run(loss, prediction, target)
      const openBatch = draw % 2 === 1
      const own = await run(loss, prediction, target, { forms: 'onnxruntime-cpu', openBatch })
      const label = `seed ${testSeed}, draw ${draw}`
      expect(own.operators, label).toContain('ScatterElements')
      expect(Math.abs(own.loss - standard.loss), label).toBeLessThan(1e-5)
      expect(own.correct, label).toBe(standard.correct)
      expect(own.gradient.dims).toEqual(standard.gradient.dims)
      for (const [i, value] of own.gradient.data.entries())
        expect(Math.abs(Number(value) - Number(standard.gradient.data[i])), label).toBeLessThan(
          1e-6,
        )
    }
    const few = await run(
      softmaxCrossEntropy(),
      float32([2, 3], [1, 2, 3, 4, 5, 6]),
      int64([0, 1]),
      {
        forms: 'onnxruntime-cpu',
      },
    )
    expect(few.operators).not.toContain('ScatterElements')
  })

  test('of distributions, that need not sum to 1', async () => {
    const random = randomStream(1, 'soft')
    const dims = [3, 4]
    const target = float32(
      dims,
      Array.from({ length: 12 }, () => random.uniform()),
    )
    await agrees(
      softmaxCrossEntropy({ target: 'one-hot' }),
      crossEntropy(dims, (t, n, c) => t[n * 4 + c]!),
      normalTensor(random, dims),
      target,
    )
  })

  test('one-hot and indices are the same', async () => {
    const prediction = normalTensor(randomStream(2, 'same'), [4, 3])
    const a = await run(softmaxCrossEntropy(), prediction, int64([2, 0, 1, 1]))
    const hot = float32([4, 3], [0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0])
    const b = await run(softmaxCrossEntropy({ target: 'one-hot' }), prediction, hot)
    expect(b.loss).toBeCloseTo(a.loss, 6)
    expect(b.correct).toBe(a.correct)
  })

  test('logits of any size neither overflow nor vanish', async () => {
    const prediction = float32([2, 3], [1e4, -1e4, 0, -1e30, 0, 1e30])
    const { loss, gradient } = await run(softmaxCrossEntropy(), prediction, int64([0, 2]))
    expect(Math.abs(loss)).toBe(0)
    expect([...gradient.data].every((value) => Number(value) === 0)).toBe(true)
    const wrong = await run(softmaxCrossEntropy(), float32([1, 2], [1e4, 0]), int64([1]))
    expect(wrong.loss).toBe(1e4)
    expect([...wrong.gradient.data]).toEqual([1, -1])
  })

  test('the class axis is the one that the targets do not have', () => {
    const shapeOf = (prediction: Shape, given?: Shape, axis?: number) =>
      softmaxCrossEntropy(axis === undefined ? {} : { axis }).target(prediction, undefined, given)
        .shape
    // Tokens, sequences, images.
    expect(shapeOf(['batch', 6, 40], ['batch', 6])).toEqual(['batch', 6])
    expect(shapeOf(['batch', 4, 20], ['batch', 20])).toEqual(['batch', 20])
    expect(shapeOf(['batch', 3, 8, 9], ['batch', 8, 9])).toEqual(['batch', 8, 9])
    expect(shapeOf(['batch', 8, 9, 3], ['batch', 8, 9])).toEqual(['batch', 8, 9])
    // Where they do not tell: the last axis of tokens, axis 1 of images.
    expect(shapeOf(['batch', 5, 7])).toEqual(['batch', 5])
    expect(shapeOf(['batch', 5, 5], ['batch', 5])).toEqual(['batch', 5])
    expect(shapeOf(['batch', 3, 8, 8])).toEqual(['batch', 8, 8])
    expect(shapeOf(['batch', 3])).toEqual(['batch'])
    expect(shapeOf(['batch', 5, 7], ['batch', 5], 1)).toEqual(['batch', 7])
    expect(softmaxCrossEntropy().target(['batch', 5, 7], 1).classes).toBe(5)
  })

  test('options out of range are refused', () => {
    expect(() => softmaxCrossEntropy({ labelSmoothing: 1 })).toThrow(/smoothing/)
    expect(() => softmaxCrossEntropy({ axis: 2 }).target(['batch', 3], undefined)).toThrow(/axis 2/)
    expect(() => lossOf('hinge' as 'mse')).toThrow(/no loss "hinge"/)
  })
})

describe('losses of every element', () => {
  const mean =
    (f: (z: number, t: number) => number): Reference =>
    (z, t) =>
      z.reduce((sum, value, i) => sum + f(value, t[i]!), 0) / z.length
  const cases: readonly [string, Loss, (z: number, t: number) => number][] = [
    [
      'bce-with-logits',
      bceWithLogits(),
      (z, t) => -t * Math.log(1 / (1 + Math.exp(-z))) - (1 - t) * Math.log(1 / (1 + Math.exp(z))),
    ],
    ['mse', meanSquaredError(), (z, t) => (z - t) ** 2],
    ['mae', meanAbsoluteError(), (z, t) => Math.abs(z - t)],
  ]
  test.each(cases)('%s', async (name, loss, reference) => {
    for (let draw = 0; draw < 20; draw++) {
      const random = randomStream(draw, name)
      const dims = [1 + random.below(4), 1 + random.below(4)]
      const target = Array.from({ length: elementCount(dims) }, () => random.uniform())
      const prediction = normalTensor(random, dims, { scale: 3 })
      const { correct } = await agrees(loss, mean(reference), prediction, float32(dims, target))
      if (name === 'bce-with-logits')
        expect(correct).toBe(
          target.filter((t, i) => t > 0.5 === Number(prediction.data[i]) > 0).length,
        )
    }
  })

  test('bce of extreme logits is finite', async () => {
    const { loss, gradient } = await run(
      bceWithLogits(),
      float32([2], [200, -200]),
      float32([2], [0, 0]),
    )
    expect(loss).toBe(100)
    expect(Number(gradient.data[0])).toBe(0.5)
  })
})

describe.skipIf(!hasOnnxVectors)('the cases of SoftmaxCrossEntropyLoss with mean', () => {
  test.each(['test_sce_mean', 'test_sce_mean_3d'])('%s', async (name) => {
    const { model, inputs, outputs } = onnxVector(`node/${name}`)
    const [scores, target] = model.graph.inputs.map((input) => inputs[input.name]!)
    const result = await run(
      softmaxCrossEntropy(),
      scores!,
      int64([...target!.data].map(Number), target!.dims),
    )
    expect(result.loss).toBeCloseTo(Number(Object.values(outputs)[0]!.data[0]), 5)
  })
})
