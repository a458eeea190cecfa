/** What data are refused, and when: before the first step, in one sentence. */
import { describe, expect, test } from 'vitest'
import { ArrayDataset } from '../../data/dataset.ts'
import type { Batch, TrainingData } from '../../data/samples.ts'
import { Net2NetError } from '../../errors.ts'
import { dense, sequential } from '../../layers/index.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { CLASSES_KEY, classesOf, withClasses } from '../../model/classes.ts'
import type { DType } from '../../tensor/dtype.ts'
import { toFloat16 } from '../../tensor/half.ts'
import { float32, int64, materialize, type NumericDType, Tensor } from '../../tensor/tensor.ts'
import { evaluate, sgd, type TrainOptions, train } from '../index.ts'

const loss = 'softmax-cross-entropy'
const model = sequential([dense(3, { name: 'fc' })], { input: [2], seed: 1 })

const features = (rows: number) =>
  float32(
    [rows, 2],
    Array.from({ length: 2 * rows }, (_, i) => Math.sin(i)),
  )
const batch = (rows = 4): Batch => ({
  inputs: { x: features(rows) },
  target: int64(Array.from({ length: rows }, (_, i) => i % 3)),
})
const samples = (
  length: number,
  labels = Array.from({ length }, (_, i) => i % 3),
  classes?: string[],
) =>
  new ArrayDataset(
    { x: { dtype: 'float32', dims: [2], data: features(length).data } },
    { dtype: 'int32', dims: [], data: Float64Array.from(labels) },
    classes,
  )

type Options = Partial<Omit<TrainOptions, 'runtime'>>

/** Trains, counts the steps, and returns what was thrown, if anything. */
async function outcome(data: unknown, options: Options = {}, of = model) {
  let steps = 0
  let error: unknown
  try {
    const settings = {
      loss,
      optimizer: sgd({ learningRate: 0.1 }),
      batchSize: 4,
      ...options,
    } as const
    const training = train(of, data as TrainingData, { ...settings, onStep: () => void steps++ })
    for await (const _epoch of training);
  } catch (thrown) {
    error = thrown
  }
  return { steps, error }
}
const usage = (message: RegExp) =>
  expect.objectContaining({
    name: 'Net2NetError',
    kind: 'usage',
    message: expect.stringMatching(message),
  })
const input = (message: RegExp) =>
  expect.objectContaining({
    name: 'Net2NetError',
    kind: 'input',
    message: expect.stringMatching(message),
  })

describe('data that are iterated', () => {
  async function* generator(count = 3): AsyncGenerator<Batch> {
    for (let i = 0; i < count; i++) yield batch()
  }
  const anew: TrainingData = { [Symbol.asyncIterator]: () => generator() }

  test('serve every epoch where their iterator starts anew', async () => {
    for (const data of [anew, [batch(), batch(), batch()], new Set([batch(), batch(), batch()])])
      expect(await outcome(data, { epochs: 3, validation: anew })).toEqual({
        steps: 9,
        error: undefined,
      })
  })

  test('a generator serves one epoch, and is refused for more before any step', async () => {
    expect(await outcome(generator(), { validation: generator() })).toMatchObject({ steps: 3 })
    expect(await outcome(generator(), { epochs: 2 })).toEqual({
      steps: 0,
      error: usage(/^The training data are a generator, .*only once, but 2 passes/),
    })
    expect(await outcome(anew, { epochs: 2, validation: generator() })).toEqual({
      steps: 0,
      error: usage(/^The validation data are a generator/),
    })
    const both = generator()
    expect(await outcome(both, { validation: both })).toEqual({
      steps: 0,
      error: usage(/^The training data are a generator/),
    })
  })

  test('a generator in disguise is seen where it gives nothing more', async () => {
    const once = (): TrainingData => {
      const same = generator()
      return { [Symbol.asyncIterator]: () => same }
    }
    expect(await outcome(once(), { epochs: 2 })).toEqual({
      steps: 3,
      error: usage(/^The training data gave no batch when they were iterated again/),
    })
    const { error } = await outcome(anew, { epochs: 3, validation: once() })
    expect(error).toEqual(usage(/^The validation data gave no batch when/))
  })

  test.each([
    ['no samples', samples(0)],
    ['no batches', []],
    ['a generator of nothing', generator(0)],
    ['a used generator', 'used'],
  ])('%s are an error, also to evaluate on', async (_, given) => {
    const data = given === 'used' ? generator() : (given as TrainingData)
    if (given === 'used') for await (const _batch of data as AsyncIterable<Batch>);
    await expect(evaluate(model, data, { loss })).rejects.toEqual(usage(/^The data are empty/))
    expect(await outcome(data)).toEqual({ steps: 0, error: usage(/^The training data are empty/) })
    const { error } = await outcome(samples(4), { validation: data })
    expect(error).toEqual(usage(/^The validation data are empty/))
  })
})

describe('what is no batch, or none for this model', () => {
  const { inputs, target } = batch()
  const cases: readonly (readonly [string, unknown, unknown])[] = [
    ['nothing', undefined, usage(/^A batch must be an object with inputs/)],
    ['a number', 5, usage(/^A batch must be/)],
    ['a pair', [inputs, target], usage(/^A batch must be/)],
    ['no target', { inputs }, usage(/^A batch must be/)],
    ['a tensor for inputs', { inputs: inputs.x, target }, usage(/^A batch must be/)],
    ['numbers', { inputs: { x: [1, 2] }, target }, usage(/^"x" of a batch must be a Tensor/)],
    ['a list as the target', { inputs, target: [1, 2] }, usage(/^"target" of a batch must be/)],
    [
      'too few elements',
      { inputs: { x: { dtype: 'float32', dims: [4, 2], data: new Float32Array(3) } }, target },
      usage(/^"x" of a batch must be a Tensor/),
    ],
    [
      'another width',
      { inputs: { x: float32([4, 3], new Float32Array(12)) }, target },
      input(/has the shape \[batch, 3\], but the model takes \[batch, 2\]/),
    ],
    [
      'another rank',
      { inputs: { x: float32([8], new Float32Array(8)) }, target },
      input(/has the shape \[batch\], but the model takes/),
    ],
    [
      'another type',
      { inputs: { x: int64([1, 2, 3, 4], [2, 2]) }, target: int64([0, 1]) },
      input(/is int64, but the model takes float32/),
    ],
    [
      'more targets than samples',
      { inputs: { x: features(3) }, target },
      input(/has 3 samples in a batch, but there are 4 targets/),
    ],
    ['fractions as classes', { inputs, target: float32([4], [0, 1, 0.5, 1]) }, input(/class 0\.5/)],
    ['labels below zero', { inputs, target: int64([0, 1, 2, -1]) }, input(/class -1, but/)],
    [
      'labels beyond int32',
      { inputs, target: int64([0, 1, 2, 2 ** 32]) },
      input(/class 4294967296/),
    ],
    [
      'labels beyond double precision',
      { inputs, target: new Tensor('uint64', [4], BigUint64Array.of(0n, 1n, 2n, 2n ** 64n - 1n)) },
      input(/class 18446744073709551615/),
    ],
  ]
  test.each(cases)('%s', async (_, wrong, error) => {
    expect(await outcome([wrong])).toEqual({ steps: 0, error })
    await expect(evaluate(model, [wrong] as unknown as Batch[], { loss })).rejects.toEqual(error)
    expect(await outcome(samples(8), { epochs: 2, validation: [wrong] as Batch[] })).toEqual({
      steps: 0,
      error,
    })
  })

  test('sets whose batches are none', async () => {
    for (const batches of [() => 5, () => undefined, () => [undefined]]) {
      const { steps, error } = await outcome({ length: 4, batches })
      expect([steps, error]).toEqual([0, expect.any(Net2NetError)])
    }
    for (const length of [undefined, Number.NaN, -1, '4'])
      expect((await outcome({ length, batches: () => [batch()] })).error).toEqual(
        usage(/must have a length/),
      )
  })

  test('a label far back in a data set is seen before the first step', async () => {
    const labels = Array.from({ length: 240 }, (_, i) => i % 3)
    for (const label of [3, -1, 2 ** 32, 2 ** 31, 1.5]) {
      const wrong = samples(240, [...labels.slice(1), label])
      const error = input(
        new RegExp(`hold the class ${label}, but the model has the classes 0 to 2`),
      )
      expect(await outcome(wrong)).toEqual({ steps: 0, error })
      expect(await outcome(samples(8), { validation: wrong })).toEqual({ steps: 0, error })
      await expect(evaluate(model, wrong, { loss })).rejects.toEqual(error)
    }
  })

  test('floats and integers of other sizes are converted where nothing is lost', async () => {
    const doubles = new Tensor('float64', [4, 2], Float64Array.from(features(4).data))
    const halves = new Tensor('float16', [4, 2], Uint16Array.from(features(4).data, toFloat16))
    const classes = new Tensor('float16', [4], Uint16Array.from([0, 1, 2, 0], toFloat16))
    for (const x of [doubles, halves])
      expect(await outcome([{ inputs: { x }, target: classes }])).toMatchObject({ steps: 1 })
    const builder = new GraphBuilder()
    builder.input('ids', 'int64', ['batch'])
    const table = builder.initializer('table', features(3))
    builder.output(builder.node('Gather', [table, 'ids']), 'float32', ['batch', 2])
    const ids = new Tensor('int32', [4], Int32Array.of(0, 1, 2, 0))
    const result = await outcome(
      [{ inputs: { ids }, target: float32([4, 2], new Float32Array(8)) }],
      { loss: 'mse' },
      builder.model(),
    )
    expect(result).toEqual({ steps: 1, error: undefined })
  })
})

describe('numbers that no training can be told', () => {
  test.each([
    ['epochs', { epochs: 0 }],
    ['batchSize', { batchSize: 2.5 }],
    ['evaluationBatchSize', { evaluationBatchSize: 0, validation: [batch()] }],
    ['patience', { earlyStopping: { patience: 0 } }],
    ['patience', { earlyStopping: { patience: Number.NaN } }],
    ['minimumChange', { earlyStopping: { patience: 1, minimumChange: -1 } }],
    ['everySteps', { checkpoint: { everySteps: 0, save: async () => {} } }],
    ['untilStep', { untilStep: Number.NaN }],
  ] as const)('%s', async (name, options) => {
    expect(await outcome(samples(4), options as Options)).toEqual({
      steps: 0,
      error: usage(new RegExp(`^${name} must be a .*number from [01] on, not`)),
    })
  })
  test('the size of batches to evaluate with', () =>
    expect(evaluate(model, samples(4), { loss, batchSize: 0 })).rejects.toEqual(usage(/batchSize/)))
})

describe('a model that takes batches of one size only', () => {
  /** Rolls the batch into the features, so that no other size passes. */
  function fixed(size: number) {
    const builder = new GraphBuilder()
    builder.input('x', 'float32', [size, 2])
    const mixed = builder.node('Transpose', ['x'], { perm: [1, 0] })
    const shape = builder.constant(int64([size, 2]))
    const back = builder.node('Reshape', [mixed, shape])
    const weight = builder.initializer('w', float32([2, 3], [1, 2, 3, 4, 5, 6]))
    builder.output(builder.node('MatMul', [back, weight]), 'float32', [size, 3])
    return builder.model()
  }
  test('is refused others before the first step, the last batch included', async () => {
    const error = usage(/^The model takes batches of exactly 4, but this batch has/)
    expect(await outcome(samples(10), { batchSize: 4 }, fixed(4))).toEqual({ steps: 0, error })
    expect(await outcome(samples(12), { batchSize: 3 }, fixed(4))).toEqual({ steps: 0, error })
    const validation = samples(6)
    expect(await outcome(samples(8), { validation }, fixed(4))).toEqual({ steps: 0, error })
  })
  test('is trained and validated in batches of that size', async () => {
    for (const size of [1, 4])
      expect(
        await outcome(samples(8), { batchSize: size, validation: samples(12) }, fixed(size)),
      ).toEqual({ steps: 8 / size, error: undefined })
  })
})

describe('names of classes', () => {
  const names = ['ant', 'bee', 'cat']
  const named = (classes?: string[]) => samples(6, [0, 1, 2, 0, 1, 2], classes)
  const trained = async (of = model, data: TrainingData = named(names)) => {
    const training = train(of, data, { loss, optimizer: sgd({ learningRate: 0.1 }) })
    for await (const _epoch of training);
    return training.model
  }

  test('are kept with the trained model, and only there', async () => {
    const student = await trained()
    expect([classesOf(student), classesOf(model)]).toEqual([names, undefined])
    expect(classesOf(await trained(student, named()))).toEqual(names)
    expect(classesOf(await trained(model, named()))).toBeUndefined()
  })
  test('of values are none of a class', async () => {
    const data = new ArrayDataset(
      { x: { dtype: 'float32', dims: [2], data: features(4).data } },
      { dtype: 'float32', dims: [3], data: new Float32Array(12) },
      names,
    )
    const training = train(model, data, { loss: 'mse', optimizer: sgd({ learningRate: 0.1 }) })
    expect(classesOf(training.model)).toBeUndefined()
  })
  test('must be those of the model', async () => {
    const student = await trained()
    for (const others of [
      ['ant', 'cat', 'bee'],
      ['ant', 'bee'],
      [...names, 'dog'],
    ]) {
      const data = named(others)
      const error = input(/have the classes ant, .*, but the model tells ant, bee, cat apart/)
      expect(await outcome(data, {}, student)).toEqual({ steps: 0, error })
      expect(await outcome(named(names), { validation: data })).toEqual({ steps: 0, error })
      await expect(evaluate(student, data, { loss })).rejects.toEqual(error)
    }
    await expect(trained(student)).resolves.toBeDefined()
  })
  test('that are not a list of names are none', () => {
    for (const text of ['', '{}', '[]', '[1]', 'ant'])
      expect(classesOf({ ...model, metadata: new Map([[CLASSES_KEY, text]]) })).toBeUndefined()
    expect(classesOf(withClasses(model, names))).toEqual(names)
  })
})

describe('models of other precisions', () => {
  /** A classifier in one precision, its weight in a Constant node where asked. */
  function network(dtype: NumericDType) {
    const builder = new GraphBuilder()
    const tensor = (dims: readonly number[], values: readonly number[]) => {
      if (dtype === 'float32') return float32(dims, values)
      if (dtype === 'float64') return new Tensor(dtype, dims, Float64Array.from(values))
      return new Tensor('float16', dims, Uint16Array.from(values, toFloat16))
    }
    builder.input('x', dtype, ['batch', 2])
    const weight = builder.initializer('w', tensor([2, 3], [1, 0.5, -1, 0.25, 2, -0.5]))
    const bias = builder.initializer('b', tensor([3], [0, 0.5, 0]))
    const scaled = builder.node('Mul', ['x', builder.constant(tensor([], [2]))])
    const product = builder.node('Gemm', [scaled, weight, bias])
    builder.output(builder.node('Softmax', [product]), dtype, ['batch', 3])
    return builder.model()
  }
  async function trainedWith(dtype: NumericDType) {
    const losses: number[] = []
    const training = train(network(dtype), samples(12), {
      loss,
      optimizer: sgd({ learningRate: 0.1, momentum: 0.5 }),
      batchSize: 4,
      epochs: 2,
      validation: samples(6),
      onStep: (event) => losses.push(event.loss),
    })
    for await (const epoch of training) losses.push(epoch.valLoss!)
    return { losses, training }
  }
  test('are trained in float32, to the same numbers, and stored as they were', async () => {
    const single = await trainedWith('float32')
    expect(single.training.notes).toEqual([])
    for (const dtype of ['float64', 'float16'] as const) {
      const { losses, training } = await trainedWith(dtype)
      // A rounded model is measured where it is stored in half precision.
      const digits = dtype === 'float16' ? 3 : 12
      expect(losses).toEqual(single.losses.map((value) => expect.closeTo(value, digits)))
      expect(training.notes).toEqual([expect.stringMatching(`holds ${dtype} numbers: .*float32`)])
      const types = new Set<DType>()
      for (const { tensor } of training.model.graph.initializers.values()) types.add(tensor.dtype)
      expect([...types]).toEqual([dtype])
      const before = network(dtype).graph.initializers.get('w')!.tensor
      const after = materialize(training.model.graph.initializers.get('w')!.tensor)
      expect(after.data).not.toEqual(materialize(before).data)
      expect(await evaluate(training.model, samples(6), { loss })).toMatchObject({
        loss: losses.at(-1),
      })
    }
  })
})
