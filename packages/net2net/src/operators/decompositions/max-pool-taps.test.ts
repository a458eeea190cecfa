import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maxPoolGradient, wholeNumbers } from '../../../testing/max-pool-gradient.ts'
import { testSeed } from '../../../testing/seed.ts'
import { randomStream } from '../../tensor/random.ts'
import type { Target } from '../contract/gradient.ts'

const axis = fc.record({
  size: fc.integer({ min: 1, max: 9 }),
  kernel: fc.integer({ min: 1, max: 5 }),
  before: fc.nat(2),
  behind: fc.nat(2),
})

/** Windows with strides up to their size, on images in which equal and negative elements are the rule. */
const poolings = fc
  .record({
    axes: fc.tuple(axis, axis),
    channels: fc.constantFrom<number>(6, 8, 16, 20, 24),
    stride: fc.integer({ min: 1, max: 3 }),
    ceil: fc.nat(1),
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

function gradient({ channels, axes, stride, ceil, isOpen, seed }: Pooling, target: Target) {
  const random = randomStream(seed, 'taps')
  const pooled = axes.map(({ size, kernel, before, behind }) => {
    const steps = (size + before + behind - kernel) / stride
    const count = (ceil ? Math.ceil(steps) : Math.floor(steps)) + 1
    // No window begins behind the image.
    return ceil && (count - 1) * stride >= size + before ? count - 1 : count
  })
  const attributes = {
    kernel_shape: axes.map(({ kernel }) => kernel),
    strides: [stride, stride],
    pads: [...axes.map(({ before }) => before), ...axes.map(({ behind }) => behind)],
    ceil_mode: ceil,
  }
  const feeds = {
    x: wholeNumbers(random, [2, channels, ...axes.map(({ size }) => size)], { from: -3, count: 5 }),
    seed: wholeNumbers(random, [2, channels, ...pooled], { from: -9, count: 19 }),
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
    { seed: testSeed, numRuns: 100 },
  ))

describe('by depthwise convolutions, where positions would be computed one by one', () => {
  const operatorsOf = async (pooling: Partial<Pooling>, kernel = 3) => {
    const axis = { size: 8, kernel, before: kernel >> 1, behind: kernel >> 1 }
    const spec = { channels: 16, axes: [axis, axis], stride: 2, ceil: 0, isOpen: true, seed: 1 }
    return (await gradient({ ...spec, ...pooling } as Pooling, 'onnxruntime-cpu')).operators
  }
  const count = (operators: readonly string[], name: string) =>
    operators.filter((operator) => operator === name).length

  test.each<[string, Partial<Pooling>, number?]>([
    ['with a stride', {}],
    ['that reach over the end', { ceil: 1 }],
    ['of channels that fill most of a block', { channels: 40 }],
  ])('windows %s', async (_, pooling) => {
    const operators = await operatorsOf(pooling)
    expect(operators).toContain('DepthToSpace')
    expect(operators).not.toContain('ScatterElements')
    expect(count(operators, 'MaxPool')).toBe(1)
  })

  test('windows that begin at every element: of rows first, and then of their maxima', async () => {
    for (const [channels, kernel] of [
      [16, 3],
      [6, 3],
      [16, 5],
    ] as const) {
      const operators = await operatorsOf({ channels, stride: 1 }, kernel)
      expect(operators).not.toContain('ScatterElements')
      expect(count(operators, 'MaxPool')).toBe(2)
      // One for each place of either axis but the last.
      expect(count(operators, 'HardSigmoid')).toBe(2 * (kernel - 1))
    }
  })

  test('positions are found where blocks would be empty, or windows large', async () => {
    expect(await operatorsOf({ channels: 8 })).toContain('ScatterElements')
    expect(await operatorsOf({ channels: 4, stride: 1 })).toContain('ScatterElements')
    expect(await operatorsOf({}, 5)).toContain('ScatterElements')
  })
})
