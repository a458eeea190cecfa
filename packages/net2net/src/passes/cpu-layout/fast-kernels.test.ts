import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { numbers, run } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { range } from '../../operators/helpers/emission.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, type Tensor } from '../../tensor/tensor.ts'
import { fastKernels } from './fast-kernels.ts'

const operators = (model: Model) => model.graph.nodes.map(({ opType }) => opType)

const opened = (dims: readonly number[], isOpen: boolean): Dim[] =>
  isOpen ? ['batch', ...dims.slice(1)] : [...dims]

function largestDifference(found: Tensor, wanted: Tensor): number {
  const expected = numbers(wanted)
  return numbers(found).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - expected[i]!)),
    0,
  )
}

const reductions = fc.record({
  kind: fc.constantFrom('ReduceSum', 'ReduceMean'),
  first: fc.array(fc.integer({ min: 2, max: 40 }), { minLength: 1, maxLength: 2 }),
  rest: fc.array(fc.integer({ min: 2, max: 12 }), { minLength: 1, maxLength: 2 }),
  keepdims: fc.constantFrom(0, 1),
  isOpen: fc.boolean(),
})

/** In float64. */
function expected(x: Tensor, kind: string, width: number): number[] {
  const values = numbers(x)
  const height = values.length / width
  const sums = Array.from({ length: width }, (_, column) =>
    Array.from({ length: height }, (_, row) => values[row * width + column]!).reduce(
      (a, b) => a + b,
    ),
  )
  return sums.map((sum) => (kind === 'ReduceSum' ? sum : sum / height))
}

test('sums and means over the first axes', () =>
  fc.assert(
    fc.asyncProperty(reductions, async ({ kind, first, rest, keepdims, isOpen }) => {
      const dims = [...first, ...rest]
      const builder = new GraphBuilder()
      const x = builder.input('x', 'float32', opened(dims, isOpen))
      const axes = builder.constant(int64(first.map((_, axis) => axis)))
      builder.nodeOutputs(kind, [x, axes], { keepdims }, { outputs: ['y'] })
      builder.output('y', 'float32')
      const model = builder.model()
      const changed = fastKernels(model)
      const count = (list: readonly number[]) => list.reduce((a, b) => a * b, 1)
      // An open batch counts as 32.
      const height = isOpen ? (32 * count(first)) / first[0]! : count(first)
      expect(operators(changed).includes('MatMul')).toBe(height * count(rest) >= 4096)
      const feeds = { x: normalTensor(randomStream(1, 'sums'), dims) }
      const y = (await run(changed, feeds)).y!
      expect(y.dims).toEqual(keepdims === 1 ? [...first.map(() => 1), ...rest] : rest)
      const wanted = expected(feeds.x, kind, count(rest))
      for (const [i, value] of numbers(y).entries()) expect(value).toBeCloseTo(wanted[i]!, 3)
    }),
    { seed: testSeed, numRuns: 60 },
  ))

test.each(['ReduceSum', 'ReduceMean'])(
  '%s over axes of size one computes nothing',
  async (kind) => {
    for (const keepdims of [0, 1]) {
      const builder = new GraphBuilder()
      const x = builder.input('x', 'float32', [1, 'batch', 1, 3])
      const axes = builder.constant(int64([-2, 0]))
      builder.nodeOutputs(kind, [x, axes], { keepdims }, { outputs: ['y'] })
      builder.output('y', 'float32')
      const changed = fastKernels(builder.model())
      expect(operators(changed).filter((name) => name.startsWith('Reduce'))).toEqual([])
      const feeds = { x: normalTensor(randomStream(1, 'ones'), [1, 4, 1, 3]) }
      const { y } = await run(changed, feeds)
      expect(y!.dims).toEqual(keepdims === 1 ? [1, 4, 1, 3] : [4, 3])
      expect(numbers(y!)).toEqual(numbers(feeds.x))
    }
  },
)

test('along other axes, and of other types, the kernels stay', () => {
  const reduced = (type: 'float32' | 'float64', axes: readonly number[]) => {
    const builder = new GraphBuilder()
    const x = builder.input('x', type, [64, 32, 16])
    const value = builder.node('ReduceSum', [x, builder.constant(int64(axes))], { keepdims: 0 })
    builder.nodeOutputs('Identity', [value], {}, { outputs: ['y'] })
    builder.output('y', type)
    return operators(fastKernels(builder.model()))
  }
  expect(reduced('float32', [1])).toContain('ReduceSum')
  expect(reduced('float32', [0, 2])).toContain('ReduceSum')
  expect(reduced('float32', [0, 1, 2])).toContain('ReduceSum')
  expect(reduced('float64', [0])).toContain('ReduceSum')
  expect(reduced('float32', [0])).not.toContain('ReduceSum')
})

test.each([true, false])(
  'vectors normalized by their own statistics (open batch: %s)',
  async (isOpen) => {
    const builder = new GraphBuilder()
    const vectors = (name: string, value: number) =>
      builder.constant(float32([128], new Float32Array(128).fill(value)), name)
    const x = builder.input('x', 'float32', opened([48, 128], isOpen))
    const outputs = ['y', 'mean', 'variance']
    builder.nodeOutputs(
      'BatchNormalization',
      [x, vectors('scale', 1.5), vectors('shift', -0.25), vectors('old', 3), vectors('older', 7)],
      { training_mode: 1, momentum: float(0), epsilon: float(1e-3) },
      { outputs },
    )
    for (const name of outputs) builder.output(name, 'float32')
    const model = builder.model()
    const changed = fastKernels(model)
    expect(operators(changed)).not.toContain('BatchNormalization')
    const feeds = { x: normalTensor(randomStream(1, 'vectors'), [48, 128], { shift: 2 }) }
    const [found, wanted] = [await run(changed, feeds), await run(model, feeds)]
    for (const name of outputs)
      expect(largestDifference(found[name]!, wanted[name]!)).toBeLessThan(5e-5)
  },
)

test('outputs that nobody asked for leave absent inputs absent', () => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', [48, 128])
  const vector = builder.constant(float32([128], new Float32Array(128).fill(1)))
  const attributes = { training_mode: 1, momentum: float(0) }
  const inputs = [x, vector, vector, vector, vector]
  builder.nodeOutputs('BatchNormalization', inputs, attributes, { outputs: ['z', '', 'variance'] })
  const most = builder.constant(float32([], [1]))
  builder.nodeOutputs('Clip', ['z', '', most], {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  builder.output('variance', 'float32')
  const { nodes } = fastKernels(builder.model()).graph
  expect(nodes.find(({ opType }) => opType === 'Clip')!.inputs[1]).toBe('')
})

test('a product whose axes are exchanged', async () => {
  const shapes = { a: [3, 2, 5, 4], b: [3, 2, 4, 6], shared: [4, 6] }
  const transposed = (factor: 'b' | 'shared', perm: readonly number[], readers = 1) => {
    const builder = new GraphBuilder()
    const a = builder.input('a', 'float32', ['batch', ...shapes.a.slice(1)])
    const b = builder.input('b', 'float32', shapes[factor])
    const product = builder.node('MatMul', [a, b])
    builder.nodeOutputs('Transpose', [product], { perm }, { outputs: ['y'] })
    builder.output('y', 'float32')
    for (const k of range(readers, 1)) {
      builder.nodeOutputs('Neg', [product], {}, { outputs: [`other${k}`] })
      builder.output(`other${k}`, 'float32')
    }
    return builder.model()
  }
  const model = transposed('b', [0, 1, 3, 2])
  const changed = fastKernels(model)
  expect(operators(changed)).toEqual(['FusedMatMul', 'Identity'])
  const random = randomStream(1, 'products')
  const feeds = { a: normalTensor(random, shapes.a), b: normalTensor(random, shapes.b) }
  const [found, wanted] = [await run(changed, feeds), await run(model, feeds)]
  expect(found.y!.dims).toEqual([3, 2, 6, 5])
  expect(largestDifference(found.y!, wanted.y!)).toBeLessThan(5e-6)
  // Somebody reads the product as it is, other axes are exchanged, or all samples share a factor.
  for (const other of [
    transposed('b', [0, 1, 3, 2], 2),
    transposed('b', [0, 2, 1, 3]),
    transposed('shared', [0, 1, 3, 2]),
  ])
    expect(operators(fastKernels(other))).toContain('Transpose')
})

describe('images, signals and volumes of other sizes', () => {
  const resizings = fc.record({
    mode: fc.constantFrom('nearest', 'linear', 'cubic'),
    coordinates: fc.constantFrom('half_pixel', 'align_corners', 'asymmetric', 'pytorch_half_pixel'),
    rounding: fc.constantFrom('round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'),
    isFiltered: fc.boolean(),
    axes: fc.array(
      fc.record({
        size: fc.integer({ min: 2, max: 6 }),
        scale: fc.constantFrom(1, 2, 3, 1.5, 0.5),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    bySizes: fc.boolean(),
    isOpen: fc.boolean(),
  })

  /** Undefined where ONNX Runtime has no kernel. */
  const drawnModel = (drawn: typeof resizings extends fc.Arbitrary<infer T> ? T : never) => {
    const { mode, axes, bySizes, isOpen } = drawn
    const isFiltered = drawn.isFiltered && mode !== 'nearest'
    if ((mode === 'cubic' || isFiltered) && axes.length !== 2) return undefined
    const dims = [2, 3, ...axes.map(({ size }) => size)]
    const sizes = axes.map(({ size, scale }) => Math.floor(size * scale))
    const builder = new GraphBuilder()
    const x = builder.input('x', 'float32', opened(dims, isOpen))
    // PyTorch's exporter takes the size of the batch from x.
    const batch = isOpen
      ? builder.node('Shape', [x], { start: 0, end: 1 })
      : builder.constant(int64([2]))
    const others = builder.constant(int64([3, ...sizes]))
    const wanted = bySizes
      ? ['', builder.node('Concat', [batch, others], { axis: 0 })]
      : [builder.constant(float32([dims.length], [1, 1, ...axes.map(({ scale }) => scale)]))]
    const attributes = {
      mode,
      coordinate_transformation_mode: drawn.coordinates,
      nearest_mode: drawn.rounding,
      antialias: isFiltered ? 1 : 0,
    }
    builder.nodeOutputs('Resize', [x, '', ...wanted], attributes, { outputs: ['y'] })
    builder.output('y', 'float32')
    return { model: builder.model(), dims, isFiltered }
  }

  test('are what they were', () =>
    fc.assert(
      fc.asyncProperty(resizings, async (drawn) => {
        const { model, dims, isFiltered } = drawnModel(drawn) ?? {}
        if (!model || !dims) return
        const changed = fastKernels(model)
        const changesSize = drawn.axes.some(({ scale }) => scale !== 1)
        if ((drawn.mode === 'cubic' || isFiltered) && changesSize)
          expect(operators(changed)).toContain('MatMul')
        const images = changed.graph.nodes.filter(({ opType }) => opType === 'Resize').length
        const isVolume = drawn.axes.length === 3 && drawn.mode === 'nearest'
        // Planes first, and then across them.
        const [depth, ...plane] = drawn.axes.map(({ scale }) => scale !== 1)
        const passes = Number(depth) + Number(plane.includes(true))
        if (!drawn.bySizes && isVolume) expect(images).toBe(passes)
        const feeds = { x: normalTensor(randomStream(1, 'sizes'), dims) }
        const [found, wanted] = [await run(changed, feeds), await run(model, feeds)]
        expect(found.y!.dims).toEqual(wanted.y!.dims)
        expect(largestDifference(found.y!, wanted.y!)).toBeLessThan(5e-5)
      }),
      { seed: testSeed, numRuns: 150 },
    ))

  test('regions, other types and sizes that only the run knows are left alone', () => {
    const resized = (
      type: 'float32' | 'int32',
      attributes: Record<string, string>,
      scales?: readonly number[],
    ) => {
      const builder = new GraphBuilder()
      const x = builder.input('x', type, ['n', 2, 6])
      const known = scales && builder.constant(float32([scales.length], scales))
      const by = known ?? builder.input('scales', 'float32', [3])
      const roi = builder.constant(float32([6], [0, 0, 0, 1, 1, 1]))
      builder.nodeOutputs('Resize', [x, roi, by], attributes, { outputs: ['y'] })
      builder.output('y', type)
      return operators(fastKernels(builder.model()))
    }
    expect(resized('float32', { mode: 'nearest' }, [1, 1, 2])).not.toEqual(['Resize'])
    const region = { coordinate_transformation_mode: 'tf_crop_and_resize' }
    expect(resized('float32', region, [1, 1, 2])).toEqual(['Resize'])
    expect(resized('int32', { mode: 'nearest' }, [1, 1, 2])).toEqual(['Resize'])
    expect(resized('float32', { mode: 'cubic' })).toEqual(['Resize'])
    expect(resized('float32', { mode: 'nearest' }, [2, 1, 2])).toEqual(['Resize'])
    // The ratio of the sizes is kept, which may be other ones than those asked for.
    const builder = new GraphBuilder()
    const inputs = [
      builder.input('x', 'float32', [1, 2, 6, 8]),
      '',
      '',
      builder.constant(int64([4, 4])),
    ]
    const ratio = { mode: 'cubic', axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' }
    builder.nodeOutputs('Resize', inputs, ratio, { outputs: ['y'] })
    builder.output('y', 'float32')
    expect(operators(fastKernels(builder.model()))).toEqual(['Resize'])
  })
})
