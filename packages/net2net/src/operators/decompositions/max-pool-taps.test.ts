import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxPoolGradient, wholeNumbers } from '../../../testing/max-pool-gradient.ts'
import { testSeed } from '../../../testing/seed.ts'
import { randomStream } from '../../tensor/random.ts'
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

function gradient({ axes, stride, isOpen, seed }: Pooling, target: Target) {
  const random = randomStream(seed, 'taps')
  const pooled = axes.map(
    ({ size, kernel, before, behind }) =>
      Math.floor((size + before + behind - kernel) / stride) + 1,
  )
  const attributes = {
    kernel_shape: axes.map(({ kernel }) => kernel),
    strides: [stride, stride],
    pads: [...axes.map(({ before }) => before), ...axes.map(({ behind }) => behind)],
  }
  const feeds = {
    x: wholeNumbers(random, [2, 16, ...axes.map(({ size }) => size)], { from: -3, count: 5 }),
    seed: wholeNumbers(random, [2, 16, ...pooled], { from: -9, count: 19 }),
  }
  return maxPoolGradient(attributes, feeds, { target, isOpen })
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
