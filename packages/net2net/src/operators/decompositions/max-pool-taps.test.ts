import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testSeed } from '../../../testing/seed.ts'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { elementCount, float32 } from '../../tensor/tensor.ts'
import type { Target } from '../contract/gradient.ts'

const axis = fc.record({
  size: fc.integer({ min: 1, max: 9 }),
  kernel: fc.integer({ min: 1, max: 3 }),
  before: fc.nat(2),
  behind: fc.nat(2),
})

/** Windows with strides up to their size, on images in which equal and negative elements are the rule. */
const poolings = fc
  .record({
    axes: fc.tuple(axis, axis),
    stride: fc.integer({ min: 1, max: 3 }),
    isOpen: fc.boolean(),
    seed: fc.nat(),
  })
  .filter(({ axes, stride }) =>
    axes.every(
      ({ size, kernel, before, behind }) =>
        stride <= kernel && before < kernel && behind < kernel && size + before + behind >= kernel,
    ),
  )

type Pooling = typeof poolings extends fc.Arbitrary<infer T> ? T : never

async function gradient({ axes, stride, isOpen, seed }: Pooling, target: Target) {
  const random = randomStream(seed, 'taps')
  const whole = (dims: readonly number[], from: number, count: number) =>
    float32(
      dims,
      Float32Array.from({ length: elementCount(dims) }, () => from + random.below(count)),
    )
  const dims = [2, 16, ...axes.map(({ size }) => size)]
  const x = whole(dims, -3, 5)
  const builder = new GraphBuilder()
  const emitter = new GraphEmitter(builder, new Map(), 18, target)
  const declare = (name: string, [batch, ...sizes]: readonly number[]) => {
    const shape = [isOpen ? 'n' : batch!, ...sizes]
    builder.input(name, 'float32', shape)
    emitter.declare(name, { dtype: 'float32', shape })
  }
  declare('x', dims)
  const y = emitter.op('MaxPool', ['x'], {
    kernel_shape: axes.map(({ kernel }) => kernel),
    strides: [stride, stride],
    pads: [...axes.map(({ before }) => before), ...axes.map(({ behind }) => behind)],
  })
  const pooled = [2, ...(emitter.info(y).shape!.slice(1) as number[])]
  declare('seed', pooled)
  const { nodes } = builder.graph()
  const dx = backward(emitter, nodes, new Map([[y, 'seed']]), ['x']).get('x')!
  builder.output(dx, 'float32')
  const { graph } = modelOf(builder.graph())
  const session = await nodeRuntime.createSession(encodeModel(modelOf(builder.graph())))
  const results = await session.run({ x, seed: whole(pooled, -9, 19) })
  await session.release()
  return {
    // Whole numbers add up exactly, in any order; zeros may differ in sign.
    values: [...results[dx]!.data].map((value) => Number(value) + 0),
    operators: graph.nodes.map(({ opType }) => opType),
  }
}

test('overlapping windows: the first of equal maxima takes the gradient, and no padding does', () =>
  fc.assert(
    fc.asyncProperty(poolings, async (pooling) => {
      const standard = await gradient(pooling, 'standard')
      const found = await gradient(pooling, 'onnxruntime-cpu')
      expect(found.values).toEqual(standard.values)
    }),
    { seed: testSeed, numRuns: 60 },
  ))

test('by depthwise convolutions, where positions would be computed one by one', async () => {
  const stem = { size: 8, kernel: 3, before: 1, behind: 1 }
  const pooling: Pooling = { axes: [stem, stem], stride: 2, isOpen: true, seed: 1 }
  const { operators } = await gradient(pooling, 'onnxruntime-cpu')
  expect(operators).toContain('DepthToSpace')
  expect(operators).not.toContain('ScatterElements')
  expect(operators.filter((name) => name === 'MaxPool')).toHaveLength(1)
})
