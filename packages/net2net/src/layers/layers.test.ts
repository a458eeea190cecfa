import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compare } from '../check/compare.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { float32, materialize, Tensor } from '../tensor/tensor.ts'
import {
  averagePool2d,
  batchNorm,
  concatenate,
  conv2d,
  dense,
  dropout,
  embedding,
  flatten,
  globalAveragePool2d,
  initializers,
  maxPool2d,
  relu,
  residual,
  sequential,
  softmax,
} from './index.ts'

const { constant, heNormal, randomNormal, zeros } = initializers

async function run(model: Model, dims: readonly number[], values: readonly number[]) {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  try {
    const { output } = await session.run({ input: float32(dims, values) })
    return { dims: output!.dims, values: [...output!.data].map(Number) }
  } finally {
    await session.release()
  }
}
const parameter = (model: Model, name: string) =>
  materialize(model.graph.initializers.get(name)!.tensor)
const range = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('the Keras example’s teacher', () => {
  const teacher = sequential(
    [
      conv2d(64, 3, { padding: 'same', name: 'conv1' }),
      maxPool2d(2, { name: 'pool1' }),
      conv2d(64, 3, { padding: 'same', name: 'conv2' }),
      maxPool2d(2, { name: 'pool2' }),
      flatten({ name: 'flatten' }),
      dense(64, { activation: 'relu', name: 'fc1' }),
      dense(10, { activation: 'softmax', name: 'fc2' }),
    ],
    { input: [1, 28, 28], seed: 0 },
  )

  test('has Keras’s parameters, under the names of their layers', () => {
    const shapes = [...teacher.graph.initializers].map(([name, { tensor }]) => [name, tensor.dims])
    expect(Object.fromEntries(shapes)).toEqual({
      'conv1.weight': [64, 1, 3, 3],
      'conv1.bias': [64],
      'conv2.weight': [64, 64, 3, 3],
      'conv2.bias': [64],
      'fc1.weight': [64, 3136],
      'fc1.bias': [64],
      'fc2.weight': [10, 64],
      'fc2.bias': [10],
    })
    expect(teacher.graph.nodes.map((node) => `${node.opType} ${node.name}`)).toEqual([
      'Conv conv1',
      'MaxPool pool1',
      'Conv conv2',
      'MaxPool pool2',
      'Flatten flatten',
      'Gemm fc1',
      'Relu fc1.relu',
      'Gemm fc2',
      'Softmax fc2.softmax',
    ])
  })

  test('starts Glorot-uniform with zero biases', () => {
    for (const [name, fanIn, fanOut] of [
      ['conv1', 9, 576],
      ['conv2', 576, 576],
      ['fc1', 3136, 64],
      ['fc2', 64, 10],
    ] as const) {
      const limit = Math.sqrt(6 / (fanIn + fanOut))
      const weights = [...parameter(teacher, `${name}.weight`).data].map(Number)
      const largest = weights.reduce((max, w) => Math.max(max, Math.abs(w)), 0)
      expect(largest).toBeLessThanOrEqual(Math.fround(limit))
      expect(largest).toBeGreaterThan(0.97 * limit)
      const variance = weights.reduce((sum, w) => sum + w * w, 0) / weights.length
      expect(variance / (limit ** 2 / 3)).toBeCloseTo(1, 0.5)
      expect([...parameter(teacher, `${name}.bias`).data].every((v) => v === 0)).toBe(true)
    }
  })

  test('gives probabilities', async () => {
    const { dims, values } = await run(
      teacher,
      [2, 1, 28, 28],
      range(2 * 784).map((i) => (i % 11) / 11),
    )
    expect(dims).toEqual([2, 10])
    expect(values.slice(0, 10).reduce((a, b) => a + b)).toBeCloseTo(1, 5)
  })
})

test('the same seed gives the same bits; another layer before does not change a layer’s draws', () => {
  const model = (seed: number, extra = false) =>
    sequential([...(extra ? [dense(3, { name: 'first' })] : []), dense(4, { name: 'last' })], {
      input: [3],
      seed,
    })
  const weights = (m: Model) => parameter(m, 'last.weight').data
  expect(weights(model(1))).toEqual(weights(model(1)))
  expect(weights(model(1))).not.toEqual(weights(model(2)))
  expect(weights(model(1, true))).toEqual(weights(model(1)))
})

test('a layered network equals the same network built by hand', async () => {
  const layered = sequential(
    [
      conv2d(3, [2, 3], { name: 'conv', strides: [1, 2], padding: 'same', activation: 'relu' }),
      flatten(),
      dense(2, { name: 'out', biasInitializer: constant(0.5) }),
    ],
    { input: [2, 5, 7], seed: 3 },
  )
  const graph = new GraphBuilder()
  graph.input('input', 'float32', ['n', 2, 5, 7])
  const copy = (name: string) => graph.initializer(name, parameter(layered, name))
  const conv = graph.node('Conv', ['input', copy('conv.weight'), copy('conv.bias')], {
    auto_pad: 'SAME_UPPER',
    strides: [1, 2],
  })
  const vector = graph.node('Flatten', [graph.node('Relu', [conv])])
  graph.node(
    'Gemm',
    [vector, copy('out.weight'), copy('out.bias')],
    { transB: 1 },
    {
      outputs: ['output'],
    },
  )
  graph.output('output', 'float32', ['n', 2])
  expect(await compare(layered, graph.model())).toMatchObject({ equal: true })
})

test('declared shapes are what ONNX Runtime computes, for all window geometries', async () => {
  const side = fc.integer({ min: 1, max: 4 })
  const window = fc.record({
    kernel: fc.tuple(side, side),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    dilation: fc.integer({ min: 1, max: 2 }),
    padding: fc.constantFrom('same' as const, 'valid' as const),
    kind: fc.constantFrom('conv', 'max', 'average'),
  })
  await fc.assert(
    fc.asyncProperty(
      window,
      fc.tuple(fc.integer({ min: 7, max: 10 }), fc.integer({ min: 7, max: 10 })),
      async ({ kernel, strides, dilation, padding, kind }, [h, w]) => {
        const layer = {
          conv: conv2d(3, kernel, { strides, dilation, padding }),
          max: maxPool2d(kernel, { strides, padding }),
          average: averagePool2d(kernel, { strides, padding }),
        }[kind]!
        const model = sequential([layer], { input: [2, h, w] })
        const declared = model.graph.outputs[0]!.type
        const { dims } = await run(model, [2, 2, h, w], range(4 * h * w))
        expect(declared).toMatchObject({ shape: ['batch', ...dims.slice(1)] })
        if (padding === 'same')
          expect(dims.slice(2)).toEqual([Math.ceil(h / strides[0]), Math.ceil(w / strides[1])])
      },
    ),
    { numRuns: 40 },
  )
})

test('pooling, means and concatenation compute what they say', async () => {
  const image = range(16)
  const input = [1, 4, 4]
  const at = (model: Model) => run(model, [1, 1, 4, 4], image)
  expect((await at(sequential([maxPool2d()], { input }))).values).toEqual([5, 7, 13, 15])
  expect((await at(sequential([averagePool2d()], { input }))).values).toEqual([
    2.5, 4.5, 10.5, 12.5,
  ])
  expect(await at(sequential([globalAveragePool2d()], { input }))).toEqual({
    dims: [1, 1],
    values: [7.5],
  })
  const both = sequential([concatenate([[maxPool2d()], [averagePool2d()]])], { input })
  expect(await at(both)).toEqual({
    dims: [1, 2, 2, 2],
    values: [5, 7, 13, 15, 2.5, 4.5, 10.5, 12.5],
  })
})

test('normalization and dropout are the identity at the start, but for ε', async () => {
  const model = sequential([batchNorm(), dropout(0.5), relu(), softmax()], { input: [2, 1, 1] })
  const { values } = await run(model, [1, 2, 1, 1], [1, -3])
  const scaled = 1 / Math.sqrt(1 + 1e-3)
  expect(values[0]).toBeCloseTo(Math.exp(scaled) / (Math.exp(scaled) + 1), 6)
  expect([...model.graph.initializers.keys()]).toEqual([
    'batch_norm.weight',
    'batch_norm.bias',
    'batch_norm.running_mean',
    'batch_norm.running_var',
    'dropout.ratio',
  ])
})

test('a residual block with a zero branch is the identity', async () => {
  const block = residual([
    conv2d(2, 3, { padding: 'same', kernelInitializer: heNormal, activation: 'relu' }),
    conv2d(2, 3, { padding: 'same', kernelInitializer: zeros }),
  ])
  const values = range(24).map((v) => v - 12)
  expect(
    (await run(sequential([block], { input: [2, 3, 4] }), [1, 2, 3, 4], values)).values,
  ).toEqual(values)
})

test('initializers have their moments', () => {
  const model = sequential(
    [
      dense(200, { name: 'he', kernelInitializer: heNormal }),
      dense(200, { name: 'normal', kernelInitializer: randomNormal(0.1, 2) }),
    ],
    { input: [300] },
  )
  const moments = (name: string) => {
    const values = [...parameter(model, name).data].map(Number)
    const mean = values.reduce((a, b) => a + b) / values.length
    return [mean, Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length)]
  }
  const [heMean, heDeviation] = moments('he.weight')
  expect(heMean).toBeCloseTo(0, 2)
  expect(heDeviation! / Math.sqrt(2 / 300)).toBeCloseTo(1, 1)
  const [mean, deviation] = moments('normal.weight')
  expect(mean).toBeCloseTo(2, 2)
  expect(deviation).toBeCloseTo(0.1, 2)
})

describe('what does not fit is refused by the layer’s name', () => {
  test.each([
    [
      'dense on an image',
      [dense(2, { name: 'fc' })],
      /Layer fc takes vectors, .*\[3,4,4\].*flatten\(\)/,
    ],
    ['conv on a vector', [flatten(), conv2d(2, 3, { name: 'c' })], /Layer c takes images/],
    [
      'a window that is too large',
      [conv2d(2, 5, { name: 'c' })],
      /window of 5 does not fit into 4/,
    ],
    ['groups that do not divide', [conv2d(4, 3, { name: 'c', groups: 2 })], /2 groups/],
    ['two layers of one name', [relu({ name: 'a' }), relu({ name: 'a' })], /two layers called a/],
    ['a layer called like the output', [relu({ name: 'output' })], /two layers called output/],
    [
      'branches of different shapes',
      [residual([conv2d(2, 1)])],
      /cannot add .*\[2,4,4\] and \[3,4,4\]/,
    ],
    ['a rate of one', [dropout(1)], /must be in \[0, 1\)/],
    [
      'no units',
      [flatten(), dense(0)],
      /Layer dense: units must be a whole number from 1 on, not 0/,
    ],
    ['half a filter', [conv2d(2.5, 1)], /Layer conv2d: filters .*, not 2\.5/],
    ['a stride of nothing', [maxPool2d(2, { strides: 0 })], /strides .*, not 0/],
    [
      'a padding',
      [conv2d(1, 1, { padding: 'Same' as 'same' })],
      /padding must be one of valid, same/,
    ],
    ['an activation', [conv2d(1, 1, { activation: 'swish' as 'relu' })], /must be one of relu, /],
    ['no layers', [], /at least one layer/],
  ])('%s', (_, layers, message) => {
    expect(() => sequential(layers, { input: [3, 4, 4] })).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringMatching(message) }),
    )
  })
})

test('an embedding takes ids, and gives each its own row', async () => {
  const model = sequential([embedding(5, 2, { name: 'e' }), flatten()], { input: [3] })
  expect(model.graph.inputs[0]!.type).toMatchObject({ dtype: 'int64', shape: ['batch', 3] })
  const session = await nodeRuntime.createSession(encodeModel(model))
  const { output } = await session.run({
    input: new Tensor('int64', [1, 3], BigInt64Array.of(4n, 0n, 4n)),
  })
  await session.release()
  const weight = [...materialize(model.graph.initializers.get('e.weight')!.tensor).data]
  expect([...output!.data]).toEqual([...weight.slice(8), ...weight.slice(0, 2), ...weight.slice(8)])
  expect(() => sequential([flatten(), embedding(5, 2)], { input: [3] })).toThrow(
    /takes ids: put it first/,
  )
})

test('an input of no size is refused', () => {
  expect(() => sequential([flatten()], { input: [3, 0] })).toThrow(/sizes .*, not 0/)
})

test('layers without names are numbered, and never collide', () => {
  const model = sequential(
    [conv2d(1, 1), conv2d(1, 1), residual([conv2d(1, 1, { activation: 'relu' })])],
    {
      input: [1, 2, 2],
    },
  )
  expect(model.graph.nodes.map((node) => node.name)).toEqual([
    'conv2d',
    'conv2d_1',
    'conv2d_2',
    'conv2d_2.relu',
    'add',
  ])
})
