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

interface Pooling {
  readonly channels: number
  readonly kernel: readonly number[]
  /** Windows along each axis, and entries behind them that none reads. */
  readonly windows: readonly number[]
  readonly rest: number
  readonly seed: number
}

/** Images and signals in which equal and negative elements are the rule. */
const poolings: fc.Arbitrary<Pooling> = fc
  .constantFrom([2], [3], [4], [1, 2], [2, 1], [2, 2], [3, 1], [1, 4])
  .chain((kernel) =>
    fc.record({
      channels: fc.integer({ min: 1, max: 40 }),
      kernel: fc.constant(kernel),
      windows: fc.tuple(...kernel.map(() => fc.integer({ min: 1, max: 9 }))),
      rest: fc.constantFrom(0, 0, 0, 1),
      seed: fc.nat(),
    }),
  )

async function gradient({ channels, kernel, windows, rest, seed }: Pooling, target: Target) {
  const random = randomStream(seed, 'lines')
  const whole = (dims: readonly number[], from: number, count: number) =>
    float32(
      dims,
      Float32Array.from({ length: elementCount(dims) }, () => from + random.below(count)),
    )
  const dims = [
    3,
    channels,
    ...kernel.map((size, axis) => size * windows[axis]! + (size > 1 ? rest : 0)),
  ]
  const pooled = [3, channels, ...windows]
  const builder = new GraphBuilder()
  const emitter = new GraphEmitter(builder, new Map(), 18, target)
  const feeds = { x: whole(dims, -3, 5), seed: whole(pooled, -9, 19) }
  for (const [name, tensor] of Object.entries(feeds)) {
    const shape = ['n', ...tensor.dims.slice(1)]
    builder.input(name, 'float32', shape)
    emitter.declare(name, { dtype: 'float32', shape })
  }
  const y = emitter.op('MaxPool', ['x'], { kernel_shape: kernel, strides: kernel })
  const dx = backward(emitter, builder.graph().nodes, new Map([[y, 'seed']]), ['x']).get('x')!
  builder.output(dx, 'float32')
  const model = modelOf(builder.graph())
  const session = await nodeRuntime.createSession(encodeModel(model))
  const results = await session.run(feeds)
  await session.release()
  return {
    values: [...results[dx]!.data].map((value) => Number(value) + 0),
    sums: emitter.hintOf(dx).sums,
    hasPositions: model.graph.nodes.some(
      (node) => node.opType === 'MaxPool' && node.outputs.length > 1,
    ),
  }
}

test('windows side by side: the first of equal maxima takes the gradient', () =>
  fc.assert(
    fc.asyncProperty(poolings, async (pooling) => {
      const standard = await gradient(pooling, 'standard')
      const found = await gradient(pooling, 'onnxruntime-cpu')
      expect(found.values).toEqual(standard.values)
    }),
    { seed: testSeed, numRuns: 80 },
  ))

test.each<[string, Partial<Pooling>, boolean]>([
  ['images of few channels', {}, false],
  ['signals, in parts of a line', { kernel: [2], windows: [200] }, false],
  ['small images', { windows: [2, 2] }, true],
  ['wide images', { windows: [8, 64] }, true],
  ['large windows', { kernel: [3, 3] }, true],
  ['windows that leave a rest', { rest: 1 }, true],
])('%s', async (_, changed, hasPositions) => {
  const pooling = { channels: 10, kernel: [2, 2], windows: [12, 12], rest: 0, seed: 1, ...changed }
  const found = await gradient(pooling, 'onnxruntime-cpu')
  expect(found.hasPositions).toBe(hasPositions)
  expect(found.sums).toBe(hasPositions ? undefined : 'seed')
})
