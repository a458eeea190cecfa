/**
 * Where more units add no function. Independently of any proof, a family of functions has as many dimensions as its derivatives with respect
 * to the parameters, at any but a few of these: as many as without the new units, if they add nothing.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Evaluator64 } from '../../testing/evaluate64.ts'
import '../../testing/seed.ts'
import { solve } from '../growth/index.ts'
import {
  add,
  averagePool2d,
  batchNorm,
  concatenate,
  conv2d,
  dense,
  flatten,
  globalAveragePool2d,
  type Layer,
  maxPool2d,
  sequential,
} from '../layers/index.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, int64, Tensor } from '../tensor/tensor.ts'
import { whyNoNewFunction } from './linear-units.ts'

/** What is said of the units of a layer. */
function reasonFor(model: Model, layer: string): string | undefined {
  const solution = solve(model)
  const found = solution.relations.layers.find(({ name }) => name === layer)!
  const [variable] = solution.groups.freeVariables(found.axis)
  return whyNoNewFunction(solution, variable!)
}

/** The dimension of the functions that a network can compute, around random parameters. */
async function dimension(model: Model, seed: number): Promise<number> {
  const random = randomStream(seed, 'dimension')
  const normal = (dims: readonly number[]) =>
    new Tensor(
      'float64',
      dims,
      Float64Array.from({ length: elementCount(dims) }, () => random.normal()),
    )
  const inputs = Object.fromEntries(
    model.graph.inputs.map(({ name, type }) => {
      const shape = type.kind === 'tensor' ? (type.shape ?? []) : []
      return [name, normal([12, ...shape.slice(1).map(Number)])]
    }),
  )
  const parameters = new Map(
    [...model.graph.initializers].flatMap(([name, { tensor }]) =>
      tensor.dtype === 'float32' ? [[name, normal(tensor.dims)] as const] : [],
    ),
  )
  const evaluator = new Evaluator64(model)
  const outputsWith = async () =>
    Object.values(await evaluator.run({ ...inputs, ...Object.fromEntries(parameters) })).flatMap(
      ({ data }) => [...data].map(Number),
    )
  const columns: number[][] = []
  for (const { data } of parameters.values())
    for (let i = 0; i < data.length; i++) {
      const numbers = data as Float64Array
      const value = numbers[i]!
      numbers[i] = value + step
      const up = await outputsWith()
      numbers[i] = value - step
      const down = await outputsWith()
      numbers[i] = value
      columns.push(up.map((each, k) => (each - down[k]!) / (2 * step)))
    }
  return rankOf(columns)
}
const step = 1e-4

/** By Gram and Schmidt, the longest remainder first. */
function rankOf(columns: readonly (readonly number[])[]): number {
  let left = columns.map((column) => [...column])
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, each, i) => sum + each * b[i]!, 0)
  const longest = Math.max(...left.map((column) => dot(column, column)))
  for (let rank = 0; ; rank++) {
    const best = left.reduce((a, b) => (dot(b, b) > dot(a, a) ? b : a), [])
    const length = dot(best, best)
    if (length <= 1e-12 * longest) return rank
    left = left
      .filter((column) => column !== best)
      .map((column) => {
        const along = dot(column, best) / length
        return column.map((each, i) => each - along * best[i]!)
      })
  }
}

interface Family {
  readonly input: readonly number[]
  /** The network whose layer `units` has so many of them. */
  readonly layers: (units: number) => readonly Layer[]
}
type Network = (units: number) => Model
const networkOf = (family: Family | Network, units: number) =>
  typeof family === 'function'
    ? family(units)
    : sequential([...family.layers(units)], { input: [...family.input], seed: 1 })

const named = { name: 'units' }
const some = fc.record({
  inputs: fc.integer({ min: 1, max: 3 }),
  outputs: fc.integer({ min: 1, max: 3 }),
  before: fc.boolean(),
  behind: fc.boolean(),
  padding: fc.constantFrom('same' as const, 'valid' as const),
})
type Some = typeof some extends fc.Arbitrary<infer T> ? T : never

/** The way in which B·A makes the function loses nothing: where it is smaller, the proof is not needed. */
const exact: Readonly<Record<string, (drawn: Some) => Family | Network>> = {
  'a dense layer': ({ inputs, outputs, before, behind }) => ({
    input: [inputs],
    layers: (k) => [
      dense(k, { ...named, useBias: before }),
      dense(outputs, { name: 'out', useBias: behind }),
    ],
  }),
  'dense layers of two inputs that are added':
    ({ inputs, outputs, before, behind }) =>
    (k) => {
      const graph = new GraphBuilder()
      const numbers = (name: string, ...dims: readonly number[]) =>
        graph.initializer(name, float32(dims, new Float32Array(elementCount(dims)).fill(1)))
      const layer = (name: string, x: string, from: number, to: number, hasBias: boolean) =>
        graph.node(
          'Gemm',
          [
            x,
            numbers(`${name}.weight`, from, to),
            ...(hasBias ? [numbers(`${name}.bias`, to)] : []),
          ],
          {},
          { name },
        )
      const of = (name: string) => graph.input(name, 'float32', ['batch', inputs])
      const sum = [
        layer('units', of('x'), inputs, k, before),
        layer('beside', of('z'), inputs, k, true),
      ]
      graph.output(layer('out', graph.node('Add', sum), k, outputs, behind))
      return graph.model()
    },
  'a dense layer that two others read': ({ inputs, outputs, behind }) => ({
    input: [inputs],
    layers: (k) => [
      dense(k, named),
      concatenate([
        [dense(1, { name: 'one', useBias: behind })],
        [dense(outputs, { name: 'other', useBias: behind })],
      ]),
    ],
  }),
}
const others: typeof exact = {
  // A bias of some readers takes the place of one unit in some maps.
  'a dense layer that is read with a bias and without': ({ inputs, outputs, before }) => ({
    input: [inputs],
    layers: (k) => [
      dense(k, { ...named, useBias: before }),
      concatenate([
        [dense(1, { name: 'one' })],
        [dense(outputs, { name: 'other', useBias: false })],
      ]),
    ],
  }),
  // The sum of their weights is what matters, so that fewer units than B·A needs may be enough.
  'dense layers of one input that are added': ({ inputs, outputs, before, behind }) => ({
    input: [inputs],
    layers: (k) => [
      add([[dense(k, { ...named, useBias: before })], [dense(k, { name: 'beside' })]]),
      dense(outputs, { name: 'out', useBias: behind }),
    ],
  }),
  'a convolution behind flattened pictures': ({ inputs, outputs, padding, behind }) => ({
    input: [inputs, 2, 2],
    layers: (k) => [
      conv2d(k, [1, 2], { ...named, padding }),
      flatten(),
      dense(outputs, { name: 'out', useBias: behind }),
    ],
  }),
  'a convolution behind another': ({ outputs, padding, before }) => ({
    input: [1, 3, 3],
    layers: (k) => [
      conv2d(k, [2, 1], { ...named, padding, useBias: before }),
      conv2d(outputs, [1, 2], { name: 'out', padding }),
    ],
  }),
  'convolutions in groups': ({ inputs, outputs, padding, before, behind }) => ({
    input: [2 * inputs, 2, 2],
    layers: (k) => [
      conv2d(2 * k, [1, 2], { ...named, padding, groups: before ? 2 : 1 }),
      conv2d(2 * outputs, [2, 1], { name: 'out', padding, groups: behind ? 2 : 1 }),
    ],
  }),
  'a convolution whose pictures are averaged': ({ inputs, outputs, before, padding }) => ({
    input: [inputs, 3, 3],
    layers: (k) => [
      conv2d(k, [2, 1], { ...named, padding, useBias: before }),
      averagePool2d([1, 2]),
      globalAveragePool2d(),
      flatten(),
      dense(outputs, { name: 'out' }),
    ],
  }),
}

describe.each([
  ...Object.entries(exact).map(([name, family]) => [name, family, true] as const),
  ...Object.entries(others).map(([name, family]) => [name, family, false] as const),
])('the units of %s', (_, family, isExact) => {
  test('add no function where a reason is given', async () => {
    const units = fc.integer({ min: 1, max: 5 })
    await fc.assert(
      fc.asyncProperty(some, units, async (drawn, k) => {
        const [now, wider] = [networkOf(family(drawn), k), networkOf(family(drawn), k + 1)]
        const isMore = (await dimension(wider, k)) > (await dimension(now, k))
        const reason = reasonFor(now, 'units')
        if (reason !== undefined) expect(isMore).toBe(false)
        if (isExact && !isMore) expect(reason).toMatch(/^no activation lies between/)
      }),
      { numRuns: isExact ? 40 : 10 },
    )
  }, 60_000)
  test('are enough when there are very many of them', () => {
    fc.assert(
      fc.property(some, (drawn) => {
        expect(reasonFor(networkOf(family(drawn), 40), 'units')).toMatch(/it has [48]0$/)
      }),
      { numRuns: 10 },
    )
  })
})

test.each<[string, readonly Layer[], readonly number[]]>([
  ['an activation', [dense(9, { ...named, activation: 'relu' }), dense(2, { name: 'out' })], [3]],
  [
    'a maximum',
    [conv2d(9, 1, named), maxPool2d(2), flatten(), dense(2, { name: 'out' })],
    [1, 2, 2],
  ],
  ['a norm over the batch', [dense(9, named), batchNorm(), dense(2, { name: 'out' })], [3]],
  [
    'weights of each unit alone',
    [
      conv2d(9, 1, named),
      conv2d(9, [2, 1], { name: 'depthwise', groups: 9 }),
      flatten(),
      dense(2, { name: 'out' }),
    ],
    [1, 2, 2],
  ],
])('where %s lies between, nothing is known', (_, layers, input) => {
  const model = sequential([...layers], { input: [...input], seed: 1 })
  expect(reasonFor(model, 'units')).toBeUndefined()
})

/** x·W₁, then what `between` makes of it, then ·W₂. */
function product(between: (builder: GraphBuilder, h: string) => string, tied = false): Model {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', [null, 3])
  const weight = (name: string, dims: readonly number[]) =>
    builder.initializer(
      name,
      float32(
        dims,
        Array.from({ length: elementCount(dims) }, (_, i) => i + 1),
      ),
    )
  const w1 = weight('w1', [3, 9])
  const w2 = tied ? builder.node('Transpose', [w1]) : weight('w2', [9, 3])
  const h = builder.node('MatMul', [x, w1], {}, { name: 'units' })
  const y = builder.node('MatMul', [between(builder, h), w2], {}, { name: 'out' })
  builder.output(y, 'float32', [null, 3])
  return modelOf(builder.graph())
}

test('weights that are not free prove nothing', () => {
  expect(
    reasonFor(
      product((_, h) => h),
      'units',
    ),
  ).toMatch(/and 3 units are enough.* it has 9$/)
  // The same numbers on both sides: W·Wᵀ is not any matrix.
  expect(
    reasonFor(
      product((_, h) => h, true),
      'units',
    ),
  ).toBeUndefined()
  const masked = product((builder, h) =>
    builder.node('Mul', [h, builder.constant(float32([9], Array(9).fill(1)))]),
  )
  expect(reasonFor(masked, 'units')).toBeUndefined()
  const scaled = product((builder, h) =>
    builder.node('Mul', [h, builder.constant(float32([], [2]))]),
  )
  expect(reasonFor(scaled, 'units')).toMatch(/3 units are enough/)
  const squared = product((builder, h) => builder.node('Mul', [h, h]))
  expect(reasonFor(squared, 'units')).toBeUndefined()
  const gated = product((builder, h) =>
    builder.node('Mul', [h, builder.node('ReduceSum', ['x', builder.constant(int64([1]))])]),
  )
  expect(reasonFor(gated, 'units')).toMatch(/3 units are enough/)
  const shifted = product((builder, h) =>
    builder.node('Add', [h, builder.node('ReduceSum', ['x', builder.constant(int64([1]))])]),
  )
  expect(reasonFor(shifted, 'units')).toBeUndefined()
})
