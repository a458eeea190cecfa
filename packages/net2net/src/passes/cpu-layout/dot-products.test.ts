import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  block,
  compareSteps,
  expectSameOutputs,
  operatorsOf,
} from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model, Shape } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, materialize, toNumbers } from '../../tensor/tensor.ts'
import { dotProducts } from './dot-products.ts'

interface Reduction {
  readonly op: string
  readonly a: Shape
  readonly b?: Shape
  readonly axes: readonly number[]
  readonly keepdims?: number
  /** Does something else read the product? */
  readonly readTwice?: boolean
}

function reduction({ op, a, b = a, axes, keepdims = 1, readTwice = false }: Reduction): Model {
  const builder = new GraphBuilder()
  const factors = [builder.input('a', 'float32', a), builder.input('b', 'float32', b)]
  const product = builder.node('Mul', factors)
  const inputs = [product, builder.constant(int64(axes))]
  builder.nodeOutputs(op, inputs, { keepdims }, { outputs: ['y'] })
  builder.output('y', 'float32')
  if (readTwice) {
    builder.nodeOutputs('Neg', [product], {}, { outputs: ['z'] })
    builder.output('z', 'float32')
  }
  return builder.model()
}

/** Outer axes of which one is open, and inner ones that are summed over, some of them long enough for a product. */
const reductions = fc.record({
  op: fc.constantFrom('ReduceSum', 'ReduceMean'),
  outer: fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
  inner: fc.constantFrom<number[]>([512], [700], [8, 64], [3, 200, 1], [16, 16, 3], [100], [7, 8]),
  openAxis: fc.integer({ min: -1, max: 2 }),
  fromTheEnd: fc.boolean(),
  keepdims: fc.constantFrom(0, 1),
})

test('sums and means of products over the last axes are what they were', () =>
  fc.assert(
    fc.asyncProperty(reductions, async ({ op, outer, inner, openAxis, fromTheEnd, keepdims }) => {
      const dims = [...outer, ...inner]
      const shape = dims.map((dim, k): Dim => (k === openAxis && k < outer.length ? 'n' : dim))
      const axes = inner.map((_, k) => k + (fromTheEnd ? -inner.length : outer.length))
      const model = reduction({ op, a: shape, axes, keepdims })
      const found = dotProducts(model)
      const isLong = inner.reduce((a, b) => a * b, 1) >= 512
      expect(operatorsOf(found).includes('com.microsoft:FusedMatMul')).toBe(isLong)
      const random = randomStream(1, 'dot products')
      const feeds = { a: normalTensor(random, dims), b: normalTensor(random, dims) }
      await expectSameOutputs(found, model, feeds, 1e-5)
    }),
    { seed: testSeed, numRuns: 60 },
  ))

test.each<[string, Reduction]>([
  ['short rows', { op: 'ReduceSum', a: [4, 500], axes: [1] }],
  ['rows of unknown length', { op: 'ReduceSum', a: [4, 'n'], axes: [1] }],
  ['columns', { op: 'ReduceSum', a: [600, 4], axes: [0] }],
  ['rows of the middle', { op: 'ReduceMean', a: [4, 600, 2], axes: [1] }],
  ['a repeated factor', { op: 'ReduceSum', a: [4, 600], b: [1, 600], axes: [1] }],
  ['another way to sum up', { op: 'ReduceMax', a: [4, 600], axes: [1] }],
  ['two open axes', { op: 'ReduceSum', a: ['n', 'm', 600], axes: [2] }],
  ['a product that is read twice', { op: 'ReduceSum', a: [4, 600], axes: [1], readTwice: true }],
])('%s stay as they are', (_, given) => {
  const model = reduction(given)
  expect(operatorsOf(dotProducts(model))).toEqual(operatorsOf(model))
})

/** GroupNorm as PyTorch's exporter writes it, between convolutions in blocks of channels. */
test.each([
  [32, 4],
  [6, 1],
])(
  'long rows of a group normalization are summed up as products: images with %d rows, %d groups',
  async (size, groups) => {
    const channels = 2 * block * groups
    const lowered = await compareSteps({
      input: [channels, size, size],
      layers: (net) => {
        const { builder } = net
        const image = net.conv('input', [channels, channels, 3, 3])
        const rows = builder.node('Reshape', [image, net.ints(0, groups, -1)])
        const vector = (value: number) =>
          builder.node('Expand', [builder.constant(float32([], [value])), net.ints(groups)])
        const normal = builder.node('InstanceNormalization', [rows, vector(1), vector(0)], {
          epsilon: float(1e-5),
        })
        const again = builder.node('Reshape', [normal, builder.node('Shape', [image])])
        const scaled = builder.node('Mul', [again, net.parameter('scale', [channels, 1, 1])])
        const shifted = builder.node('Add', [scaled, net.parameter('shift', [channels, 1, 1])])
        const last = net.conv(net.relu(shifted), [channels, channels, 3, 3])
        return [builder.node('GlobalAveragePool', [last]), channels]
      },
    })
    const { nodes, initializers } = lowered.graph
    const givesRows = (name: string) => {
      const reshape = nodes.find(({ outputs }) => outputs.includes(name))
      const sizes = initializers.get(reshape?.inputs[1] ?? '')
      return sizes !== undefined && toNumbers(materialize(sizes.tensor))[1] === 1
    }
    const products = nodes.filter(
      ({ opType, inputs }) => opType === 'FusedMatMul' && inputs.every(givesRows),
    )
    // One for each group tells r, and one for each channel the gradients of what it is scaled by and of its normalization.
    expect(products).toHaveLength(size ** 2 >= 512 ? 2 : 1)
  },
)
