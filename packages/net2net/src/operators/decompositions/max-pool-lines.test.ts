import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxPoolGradient, wholeNumbers } from '../../../testing/max-pool-gradient.ts'
import { testSeed } from '../../../testing/seed.ts'
import { randomStream } from '../../tensor/random.ts'
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

function gradient({ channels, kernel, windows, rest, seed }: Pooling, target: Target) {
  const random = randomStream(seed, 'lines')
  const dims = kernel.map((size, axis) => size * windows[axis]! + (size > 1 ? rest : 0))
  const feeds = {
    x: wholeNumbers(random, [3, channels, ...dims], { from: -3, count: 5 }),
    seed: wholeNumbers(random, [3, channels, ...windows], { from: -9, count: 19 }),
  }
  return maxPoolGradient({ kernel_shape: kernel, strides: kernel }, feeds, { target })
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
