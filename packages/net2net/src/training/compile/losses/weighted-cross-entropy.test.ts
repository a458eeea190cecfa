/** Against the definition of PyTorch's CrossEntropyLoss, written out. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ArrayDataset } from '../../../data/dataset.ts'
import { dense, sequential } from '../../../layers/index.ts'
import { GraphBuilder } from '../../../model/builder.ts'
import { toNumbers } from '../../../tensor/tensor.ts'
import { evaluate, sgd, softmaxCrossEntropy, train } from '../../index.ts'

interface Options {
  readonly classWeights: readonly number[] | undefined
  readonly ignoredLabel: number | undefined
  readonly labelSmoothing: number
}

/** torch.nn.functional.cross_entropy(z, t, weight, ignore_index, label_smoothing). */
function reference(
  z: readonly (readonly number[])[],
  t: readonly number[],
  options: Options,
): number {
  const { classWeights, ignoredLabel, labelSmoothing } = options
  let [total, count] = [0, 0]
  for (const [i, row] of z.entries()) {
    if (t[i] === ignoredLabel) continue
    const sum = row.reduce((all, value) => all + Math.exp(value), 0)
    const losses = row.map((value) => Math.log(sum) - value)
    const weight = (c: number) => classWeights?.[c] ?? 1
    const smooth = losses.reduce((all, loss, c) => all + weight(c) * loss, 0) / row.length
    total += (1 - labelSmoothing) * weight(t[i]!) * losses[t[i]!]! + labelSmoothing * smooth
    count += weight(t[i]!)
  }
  return count === 0 ? 0 : total / count
}

const draws = fc.record({
  rows: fc.array(
    fc.tuple(
      fc.nat({ max: 2 }),
      fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 3, maxLength: 3 }),
      fc.boolean(),
    ),
    {
      minLength: 1,
      maxLength: 8,
    },
  ),
  classWeights: fc.constantFrom(undefined, [1, 2, 0.5], [0, 1, 3]),
  ignoredLabel: fc.constantFrom(undefined, -100, 0),
  labelSmoothing: fc.constantFrom(0, 0.2),
})

function copying() {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['n', 3])
  builder.nodeOutputs('Identity', [x], {}, { outputs: ['y'] })
  builder.output('y', 'float32', ['n', 3])
  return builder.model()
}

test('the loss, what is right, and the metrics', async () => {
  await fc.assert(
    fc.asyncProperty(draws, async ({ rows, ...options }) => {
      const { classWeights, ignoredLabel } = options
      if (classWeights === undefined && ignoredLabel === undefined) return
      const z = rows.map(([, row]) => row.map((value) => Math.fround(value / 7)))
      const t = rows.map(([label, , isPadding]) =>
        isPadding && ignoredLabel !== undefined ? ignoredLabel : label,
      )
      const samples = new ArrayDataset(
        { x: { dtype: 'float32', dims: [3], data: Float32Array.from(z.flat()) } },
        { dtype: 'int32', dims: [], data: Int32Array.from(t) },
      )
      const counted = t.flatMap((label, i) => (label === ignoredLabel ? [] : [i]))
      if (counted.length === 0) return
      const loss = softmaxCrossEntropy(options)
      const result = await evaluate(copying(), samples, {
        loss,
        metrics: ['accuracy'],
        intervals: false,
      })
      expect(result.loss).toBeCloseTo(reference(z, t, options), 4)
      const right = counted.filter((i) => z[i]!.indexOf(Math.max(...z[i]!)) === t[i]).length
      expect(result.predictions).toBe(counted.length)
      expect(result.accuracy).toBeCloseTo(right / counted.length, 6)
      expect(result.metrics!.accuracy!.value).toBeCloseTo(right / counted.length, 6)
    }),
  )
})

test('a step of training follows its gradient', async () => {
  const model = sequential([dense(3, { name: 'out' })], { input: [2], seed: 1 })
  const x = [
    [1, -2],
    [0.5, 1],
    [-1, 0.3],
    [2, 2],
  ]
  const t = [0, -1, 2, 1]
  const options = { classWeights: [1, 3, 0.5], ignoredLabel: -1, labelSmoothing: 0.1 }
  const samples = new ArrayDataset(
    { input: { dtype: 'float32', dims: [2], data: Float32Array.from(x.flat()) } },
    { dtype: 'int32', dims: [], data: Int32Array.from(t) },
  )
  const training = train(model, samples, {
    loss: softmaxCrossEntropy(options),
    optimizer: sgd({ learningRate: 1 }),
  })
  const before = new Map(
    [...training.step.state].map(([name, tensor]) => [name, toNumbers(tensor)]),
  )
  for await (const _ of training);
  const shapes = [...training.step.state].map(([name, { dims }]) => ({ name, dims }))
  const weight = shapes.find(({ dims }) => dims.length === 2)!
  const bias = shapes.find(({ dims }) => dims.length === 1)!
  const isInputFirst = weight.dims[0] === 2
  const lossAt = (w: readonly number[], b: readonly number[]) =>
    reference(
      x.map((row) =>
        [0, 1, 2].map(
          (c) =>
            b[c]! +
            row.reduce(
              (sum, value, i) => sum + value * w[isInputFirst ? 3 * i + c : 2 * c + i]!,
              0,
            ),
        ),
      ),
      t,
      options,
    )
  const [w, b] = [before.get(weight.name)!, before.get(bias.name)!]
  const h = 1e-5
  const check = (name: string, at: (values: readonly number[]) => number) => {
    const old = before.get(name)!
    const after = toNumbers(training.state.tensors.get(name)!)
    old.forEach((value, i) => {
      const slope = (at(old.with(i, value + h)) - at(old.with(i, value - h))) / (2 * h)
      expect(value - after[i]!, name).toBeCloseTo(slope, 4)
    })
  }
  check(weight.name, (values) => lossAt(values, b))
  check(bias.name, (values) => lossAt(w, values))
})

test('weights and labels that do not fit are refused', () => {
  const model = sequential([dense(3)], { input: [2] })
  const samples = new ArrayDataset(
    { input: { dtype: 'float32', dims: [2], data: new Float32Array(2) } },
    { dtype: 'int32', dims: [], data: Int32Array.of(-100) },
  )
  const run = (options: Parameters<typeof softmaxCrossEntropy>[0]) =>
    train(model, samples, {
      loss: softmaxCrossEntropy(options),
      optimizer: sgd({ learningRate: 1 }),
    })
  expect(() => run({ classWeights: [1, 2] })).toThrow(
    /2 class weights, but the model has 3 classes/,
  )
  expect(() => run({ classWeights: [1, -2, 1] })).toThrow(/not negative/)
  expect(() => run({ target: 'one-hot', ignoredLabel: 0 })).toThrow(/targets that are indices/)
})
