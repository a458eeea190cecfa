/**
 * Kernels that add at repeated positions, or write over what they are given, must give the same
 * bits on all threads as on one, in every run.
 */
import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { normalTensor } from '../../testing/gradient-check.ts'
import { float } from '../model/attributes.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, int64, Tensor } from '../tensor/tensor.ts'
import { buildStep, sgd } from './index.ts'
import { withoutDefaults } from './run/create-stepper.ts'

const random = randomStream(0, 'threads')
const normal = (...dims: number[]) => normalTensor(random, dims)

interface Case {
  readonly model: Model
  readonly feeds: Readonly<Record<string, Tensor>>
}

/** The model y = f(x); `build` adds f and returns y. */
function caseOf(feeds: Case['feeds'], build: (builder: GraphBuilder) => string): Case {
  const builder = new GraphBuilder()
  for (const [name, { dtype, dims }] of Object.entries(feeds)) builder.input(name, dtype, dims)
  const y = build(builder)
  builder.nodeOutputs('Identity', [y], {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  return { model: modelOf(builder.graph()), feeds }
}

/** Ids of which each occurs about a thousand times. */
const ids = (count: number, rows: number, dims: readonly number[] = [count]) =>
  int64(
    Array.from({ length: count }, () => random.below(rows)),
    dims,
  )

const batchNormalization = (builder: GraphBuilder, x: string, suffix: string, statistics = '') => {
  for (const [name, tensor] of [
    [`scale${suffix}`, normal(8)],
    [`shift${suffix}`, normal(8)],
    [`mean${statistics}`, normal(8)],
    [`variance${statistics}`, float32([8], new Float32Array(8).fill(1))],
  ] as const)
    if (!builder.names.has(name)) builder.initializer(name, tensor)
  return builder.node(
    'BatchNormalization',
    [x, `scale${suffix}`, `shift${suffix}`, `mean${statistics}`, `variance${statistics}`],
    { momentum: float(0.9) },
  )
}

/** A recurrent layer of 32 units over 20 steps of 24 sequences, from both ends. */
const recurrent = (opType: 'LSTM' | 'GRU', gates: number) =>
  caseOf({ x: normal(20, 24, 16) }, (builder) => {
    const weights = [
      builder.initializer('w', normal(2, gates * 32, 16)),
      builder.initializer('r', normal(2, gates * 32, 32)),
      builder.initializer('b', normal(2, gates * 64)),
    ]
    const lengths = builder.constant(
      new Tensor(
        'int32',
        [24],
        Int32Array.from({ length: 24 }, (_, i) => 20 - (i % 5)),
      ),
    )
    const attributes = { hidden_size: 32, direction: 'bidirectional' }
    return builder.node(opType, ['x', ...weights, lengths], attributes)
  })

const rows = 4096
const cases: Readonly<Record<string, () => Case>> = {
  'an LSTM': () => recurrent('LSTM', 4),
  'a GRU': () => recurrent('GRU', 3),
  'an embedding': () =>
    caseOf({ ids: ids(rows, 4) }, (builder) =>
      builder.node('Gather', [builder.initializer('table', normal(4, 64)), 'ids']),
    ),
  'an embedding with int32 ids': () =>
    caseOf({ ids: new Tensor('int32', [rows], new Int32Array(rows)) }, (builder) =>
      builder.node('Gather', [builder.initializer('table', normal(4, 64)), 'ids']),
    ),
  'a relative position table': () =>
    caseOf({ ids: ids(rows, 9, [64, 64]) }, (builder) =>
      builder.node('Gather', [builder.initializer('table', normal(16, 9)), 'ids'], { axis: 1 }),
    ),
  GatherND: () =>
    caseOf({ ids: ids(2 * rows, 2, [rows, 2]) }, (builder) =>
      builder.node('GatherND', [builder.initializer('table', normal(2, 2, 64)), 'ids']),
    ),
  GatherElements: () =>
    caseOf({ ids: ids(rows * 8, 2, [rows, 8]) }, (builder) =>
      builder.node('GatherElements', [builder.initializer('table', normal(2, 8)), 'ids'], {
        axis: 0,
      }),
    ),
  'adding at repeated rows in the model itself': () =>
    caseOf({ x: normal(rows, 64), ids: ids(rows, 4, [rows, 1]) }, (builder) => {
      const scaled = builder.node('Mul', ['x', builder.initializer('scale', normal(64))])
      const zeros = builder.initializer('zeros', float32([4, 64], new Float32Array(256)))
      return builder.node('ScatterND', [zeros, 'ids', scaled], { reduction: 'add' })
    }),
  'overlapping pools': () =>
    caseOf({ x: normal(4, 8, 32, 32) }, (builder) => {
      const scaled = builder.node('Mul', ['x', builder.initializer('scale', normal(8, 1, 1))])
      return builder.node('MaxPool', [scaled], { kernel_shape: [3, 3], strides: [1, 1] })
    }),
  'a normalization used twice': () =>
    caseOf({ x: normal(16, 8, 8, 8), x2: normal(16, 8, 8, 8) }, (builder) => {
      const first = batchNormalization(builder, 'x', '')
      const second = batchNormalization(builder, 'x2', '')
      const again = batchNormalization(builder, first, '')
      return builder.node('Sum', [first, second, again])
    }),
  'two normalizations of one value with common statistics': () =>
    caseOf({ x: normal(16, 8, 8, 8) }, (builder) =>
      builder.node('Mul', [
        batchNormalization(builder, 'x', ''),
        batchNormalization(builder, 'x', '2'),
      ]),
    ),
}

const bits = (tensor: Tensor) =>
  Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)

describe('steps on all threads have the bits of one thread', () => {
  test.each(Object.keys(cases))('%s, 100 times', async (name) => {
    const { model, feeds } = cases[name]!()
    const step = buildStep(model, {
      loss: 'mse',
      optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
      trainOnly: ['*'],
      gradients: true,
    })
    const batch = Object.values(feeds)[0]!.dims[0]!
    const shape = step.target.shape.map((dim) => (typeof dim === 'number' ? dim : batch))
    const target = float32(
      shape,
      Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
    )
    const all = {
      ...feeds,
      ...Object.fromEntries(step.state),
      target,
      learning_rate: float32([], [0.1]),
    }
    const open = (threads: number) =>
      nodeRuntime.createSession(encodeModel(withoutDefaults(step.model)), { threads })
    const single = await open(1)
    const expected = Object.entries(await single.run(all))
      // The mean of the loss is summed in another order on other threads.
      .filter(([output]) => output !== 'loss')
      .map(([output, tensor]) => [output, Buffer.from(bits(tensor))] as const)
    await single.release()
    const several = await open(Math.max(2, availableParallelism()))
    try {
      for (let run = 0; run < 100; run++) {
        const results = await several.run(all)
        for (const [output, wanted] of expected)
          expect(bits(results[output]!).equals(wanted), `${output} in run ${run}`).toBe(true)
      }
    } finally {
      await several.release()
    }
  })
})
