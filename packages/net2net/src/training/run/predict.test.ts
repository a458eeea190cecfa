import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { watchedRuntime } from '../../../testing/watched-runtime.ts'
import { ArrayDataset } from '../../data/dataset.ts'
import type { InputBatch } from '../../data/inputs.ts'
import { dense, sequential } from '../../layers/index.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { withClasses } from '../../model/classes.ts'
import type { Model } from '../../model/model.ts'
import { withOutputMeaning } from '../../model/output-meaning.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { float32, int64, Tensor } from '../../tensor/tensor.ts'
import { adam, predict, train } from '../index.ts'

/** A model that copies its input through these nodes. */
function through(
  dims: readonly (number | string)[],
  ...nodes: readonly (readonly [op: string, attributes?: Record<string, number>])[]
): Model {
  const builder = new GraphBuilder()
  let value = builder.input('x', 'float32', dims)
  for (const [i, [op, attributes = {}]] of nodes.entries())
    value = builder.nodeOutputs(op, [value], attributes, { outputs: [`v${i}`] })[0]!
  builder.output(value, 'float32', dims)
  return builder.model()
}

async function all(model: Model, data: Parameters<typeof predict>[1], options = {}) {
  const batches = []
  for await (const batch of predict(model, data, options)) batches.push(batch)
  return batches
}

const rows = (values: readonly (readonly number[])[]): InputBatch => ({
  inputs: { x: float32([values.length, values[0]!.length], values.flat()) },
})

const probabilities = (z: readonly number[]) => {
  const e = z.map((value) => Math.exp(value - Math.max(...z)))
  const sum = e.reduce((a, b) => a + b, 0)
  return e.map((value) => value / sum)
}

describe('classes', () => {
  test('a trained model yields the classes and probabilities of its logits', async () => {
    const model = sequential([dense(3, { name: 'out' })], { input: [2], seed: 3 })
    const samples = new ArrayDataset(
      { input: { dtype: 'float32', dims: [2], data: Float32Array.of(0, 1, 1, 0, 1, 1) } },
      { dtype: 'int32', dims: [], data: Int32Array.of(0, 1, 2) },
      ['ant', 'bee', 'cat'],
    )
    const training = train(model, samples, { loss: 'softmax-cross-entropy', optimizer: adam() })
    for await (const _ of training);
    const [batch] = await all(training.model, samples)
    const { values, probabilities: shares, classes, classNames, classAxis } = batch!.outputs.output!
    expect(classNames).toEqual(['ant', 'bee', 'cat'])
    expect([classAxis, batch!.length]).toEqual([1, 3])
    for (let i = 0; i < 3; i++) {
      const z = [...values.data.subarray(3 * i, 3 * i + 3)].map(Number)
      const expected = probabilities(z)
      expected.forEach((p, c) => {
        expect(shares!.data[3 * i + c]).toBeCloseTo(p, 6)
      })
      expect(classes!.data[i]).toBe(expected.indexOf(Math.max(...expected)))
    }
  })

  test('a softmax in the graph is not applied again, its logarithm is undone', async () => {
    const z = [
      [1, 2, 3],
      [0, -50, 50],
    ]
    for (const op of ['Softmax', 'LogSoftmax']) {
      for (const copies of [[], [['Identity'] as const]]) {
        const model = through(['n', 3], [op, { axis: -1 }], ...copies)
        const [batch] = await all(model, [rows(z)])
        const { probabilities: shares } = Object.values(batch!.outputs)[0]!
        z.flatMap(probabilities).forEach((p, i) => {
          expect(shares!.data[i], op).toBeCloseTo(p, 6)
        })
      }
    }
  })

  test('probabilities along any axis sum to 1, in any shape', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 4 }),
        fc.nat(),
        async (dims, pick) => {
          const axis = 1 + (pick % (dims.length - 1))
          const count = dims.reduce((a, b) => a * b, 1)
          const data = Float32Array.from({ length: count }, (_, i) => 30 * Math.sin(7 * i + pick))
          const model = through(['n', ...dims.slice(1)], ['Identity'])
          const inputs = { x: float32(dims, data) }
          const options = { activation: 'softmax', axis: pick % 2 ? axis : axis - dims.length }
          const [batch] = await all(model, [{ inputs }], options)
          const { probabilities: shares, classes } = batch!.outputs.v0!
          const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1)
          const size = dims[axis]!
          expect(classes!.dims).toEqual(dims.filter((_, a) => a !== axis))
          for (let place = 0; place < count / size; place++) {
            const start = Math.floor(place / inner) * size * inner + (place % inner)
            const along = Array.from({ length: size }, (_, c) => start + c * inner)
            const expected = probabilities(along.map((at) => data[at]!))
            along.forEach((at, c) => {
              expect(shares!.data[at]).toBeCloseTo(expected[c]!, 5)
            })
            expect(classes!.data[place]).toBe(expected.indexOf(Math.max(...expected)))
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  test('one number for yes or no yields two probabilities; several labels have one each', async () => {
    const yes = withClasses(
      withOutputMeaning(through(['n', 1], ['Identity']), 'v0', {
        loss: 'bce-with-logits',
        activation: 'sigmoid',
      }),
      ['no', 'yes'],
    )
    const [batch] = await all(yes, [rows([[2], [-800]])])
    const { probabilities: both, classes, classNames } = batch!.outputs.v0!
    expect(both!.dims).toEqual([2, 2])
    expect(both!.data[1]).toBeCloseTo(1 / (1 + Math.exp(-2)), 6)
    expect([...both!.data.subarray(2)]).toEqual([1, 0])
    expect([...classes!.data]).toEqual([1, 0])
    expect(classNames).toEqual(['no', 'yes'])

    const [labels] = await all(through(['n', 2], ['Sigmoid']), [rows([[0, 1]])])
    expect(labels!.outputs.v0!.classes).toBeUndefined()
    expect(labels!.outputs.v0!.probabilities!.data[1]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6)
  })

  test('a regression has values, whatever its names of classes; the caller has the last word', async () => {
    const model = withOutputMeaning(through(['n', 2], ['Identity']), 'v0', { loss: 'mse' })
    const [batch] = await all(withClasses(model, ['a', 'b']), [rows([[1, 2]])])
    expect(Object.keys(batch!.outputs.v0!)).toEqual(['values'])
    const [asked] = await all(model, [rows([[1, 2]])], { activation: 'softmax' })
    expect(asked!.outputs.v0!.probabilities).toBeDefined()
    const soft = through(['n', 2], ['Softmax'])
    const [none] = await all(soft, [rows([[1, 2]])], { activation: 'none' })
    expect(Object.keys(none!.outputs.v0!)).toEqual(['values'])
  })
})

describe('samples', () => {
  test('outputs do not depend on the batch size, nor on the one that the model was exported for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom('n', 1, 4),
        async (length, batchSize, exported) => {
          const data = Float32Array.from({ length: 2 * length }, (_, i) => Math.sin(i))
          const samples = new ArrayDataset(
            { x: { dtype: 'float32', dims: [2], data } },
            { dtype: 'float32', dims: [1], data: new Float32Array(length) },
          )
          const batches = await all(through([exported, 2], ['Tanh']), samples, { batchSize })
          const values = batches.flatMap(({ outputs }) => [...outputs.v0!.values.data])
          expect(values).toHaveLength(2 * length)
          values.forEach((value, i) => {
            expect(value).toBeCloseTo(Math.tanh(data[i]!), 5)
          })
          expect(batches.every((batch) => batch.length <= batchSize)).toBe(true)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('several outputs come by their names, integers as they are', async () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', ['n', 3])
    const [best] = builder.nodeOutputs(
      'ArgMax',
      [x],
      { axis: 1, keepdims: 0 },
      { outputs: ['best'] },
    )
    const [double] = builder.nodeOutputs('Add', [x, x], {}, { outputs: ['double'] })
    builder.output(best!, 'int64', ['n'])
    builder.output(double!, 'float32', ['n', 3])
    const model = builder.model()
    const [batch] = await all(model, [rows([[1, 3, 2]])])
    expect(batch!.outputs.best!.values).toMatchObject({
      dtype: 'int64',
      data: BigInt64Array.of(1n),
    })
    expect([...batch!.outputs.double!.values.data]).toEqual([2, 6, 4])
    const [one] = await all(model, [rows([[1, 3, 2]])], { outputs: ['double'] })
    expect(Object.keys(one!.outputs)).toEqual(['double'])
    await expect(all(model, [rows([[1, 3, 2]])], { outputs: ['worst'] })).rejects.toThrow(
      /no output "worst"; it has best, double/,
    )
  })

  test('a stream is read as it is needed', async () => {
    let made = 0
    async function* endless() {
      for (;;) {
        made++
        yield rows([[made, 0]])
      }
    }
    for await (const { outputs } of predict(through(['n', 2], ['Neg']), endless()))
      if (outputs.v0!.values.data[0] === -3) break
    expect(made).toBe(3)
  })

  test('half precision is computed in float32', async () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float16', ['n', 2])
    builder.nodeOutputs('Sqrt', [x], {}, { outputs: ['y'] })
    builder.output('y', 'float16', ['n', 2])
    const [batch] = await all(builder.model(), [rows([[4, 2]])])
    expect(batch!.outputs.y!.values.data[1]).toBeCloseTo(Math.SQRT2, 6)
  })

  test('what does not fit is refused in a sentence', async () => {
    const model = through(['n', 3], ['Neg'])
    await expect(all(model, [rows([[1, 2]])])).rejects.toThrow(
      /input has the shape \[batch, 2\], but the model takes \[batch, 3\]/,
    )
    await expect(all(model, [rows([[1, 2, 3]])], { batchSize: 0 })).rejects.toThrow(/batchSize/)
    await expect(all(model, [rows([[1, 2, 3]])], { activation: 'relu' })).rejects.toThrow(
      /activation must be one of/,
    )
    await expect(
      all(model, [rows([[1, 2, 3]])], { activation: 'softmax', axis: 4 }),
    ).rejects.toThrow(/axis 4 of the classes does not fit/)
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', ['n', 3])
    builder.nodeOutputs('ReduceSum', [x], { keepdims: 0 }, { outputs: ['sum'] })
    builder.output('sum', 'float32', [])
    await expect(all(builder.model(), [rows([[1, 2, 3]])])).rejects.toThrow(
      /"sum" has the shape \[\].*not one prediction for each/,
    )
    const aborted = { signal: AbortSignal.abort() }
    await expect(all(model, [rows([[1, 2, 3]])], aborted)).rejects.toThrow(/[Ii]nterrupted/)
  })
})

describe('samples in memory, of which many are read together', () => {
  const samplesOf = (values: readonly number[]) =>
    new ArrayDataset(
      { x: { dtype: 'float32', dims: [2], data: Float32Array.from(values) } },
      { dtype: 'float32', dims: [], data: new Float32Array(values.length / 2) },
    )

  test('are predicted in batches of the size that is asked for, as those of a stream', async () => {
    const model = through(['n', 2], ['Softmax', { axis: 1 }])
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 2, maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        async (drawn, batchSize) => {
          const samples = samplesOf(drawn.slice(0, drawn.length - (drawn.length % 2)))
          async function* stream() {
            yield* samples.batches(batchSize)
          }
          expect(await all(model, samples, { batchSize })).toEqual(await all(model, stream()))
        },
      ),
      { numRuns: 20 },
    )
  })

  test('those before a run that fails are predicted all the same', async () => {
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', ['n', 2])
    const [y] = builder.nodeOutputs('Cast', [x], { to: 7 })
    const table = builder.constant(float32([4], [0, 1, 2, 3]))
    builder.nodeOutputs('Gather', [table, y!], {}, { outputs: ['y'] })
    builder.output('y', 'float32', ['n', 2])
    const seen: unknown[] = []
    const predicting = async () => {
      const samples = samplesOf([0, 1, 3, 2, 9, 0])
      for await (const { outputs } of predict(builder.model(), samples, { batchSize: 1 }))
        seen.push([...outputs.y!.values.data])
    }
    await expect(predicting()).rejects.toThrow(/cannot run the model/)
    expect(seen).toEqual([
      [0, 1],
      [3, 2],
    ])
  })

  test('those of slow runs are there before the next run, and no run follows a break', async () => {
    let runs = 0
    const runtime = watchedRuntime(() => {
      runs++
      for (const end = performance.now() + 2; performance.now() < end; );
    })
    for await (const _ of predict(through(['n', 2], ['Neg']), samplesOf([1, 2, 3, 4]), {
      runtime,
      batchSize: 1,
    })) {
      expect(runs).toBe(1)
      break
    }
    expect(runs).toBe(1)
  })
})

test('the file that training writes is understood by other tools as it was', async () => {
  // Only metadata is added: the graph has the same names.
  const model = sequential([dense(2)], { input: [2] })
  const data = [{ inputs: { input: float32([1, 2], [1, 2]) }, target: int64([1]) }]
  const training = train(model, data, { loss: 'softmax-cross-entropy', optimizer: adam() })
  for await (const _ of training);
  const session = await nodeRuntime.createSession(encodeModel(training.model))
  expect(session.outputs.map(({ name }) => name)).toEqual(['output'])
  const { output } = await session.run({
    input: new Tensor('float32', [1, 2], Float32Array.of(1, 2)),
  })
  expect(output!.dims).toEqual([1, 2])
  await session.release()
})
