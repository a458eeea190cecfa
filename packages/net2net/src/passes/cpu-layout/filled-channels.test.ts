import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { block, compareSteps, type Net, operatorsOf } from '../../../testing/compare-steps.ts'
import { testSeed } from '../../../testing/seed.ts'
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Model } from '../../model/model.ts'
import { fillTensor, ones, zeros } from '../../tensor/fill.ts'

/** A convolution without a bias, which would have no gradient but rounding below a normalization. */
const convolution = (net: Net, x: string, dims: readonly number[], attributes = {}): string =>
  net.builder.node('Conv', [x, net.parameter('w', dims)], {
    pads: Array(4).fill((dims[2]! - 1) / 2),
    ...attributes,
  })

const depthwise = (net: Net, x: string, channels: number, kernel = 3, attributes = {}): string =>
  convolution(net, x, [channels, 1, kernel, kernel], { group: channels, ...attributes })

/** The domains of depthwise convolutions. */
const domains = ({ graph }: Model): readonly string[] =>
  graph.nodes
    .filter((node) => node.opType === 'Conv' && intAttribute(node, 'group', 1) > 1)
    .map(({ domain }) => domain)

/** Of a normalization with the statistics of the batch. */
function norm(net: Net, x: string, channels: number): string {
  const stored = [zeros, ones].map((fill) =>
    net.builder.constant(fillTensor(fill, 'float32', [channels], 0), 'stored'),
  )
  const own = [net.parameter('scale', [channels]), net.parameter('shift', [channels])]
  return net.builder.node('BatchNormalization', [x, ...own, ...stored])
}

describe('depthwise convolutions of channels that are no whole blocks', () => {
  const layers = fc.record({
    channels: fc.integer({ min: 9, max: 50 }),
    kernel: fc.constantFrom(3, 5),
    stride: fc.constantFrom(1, 2),
    height: fc.integer({ min: 4, max: 9 }),
    width: fc.integer({ min: 4, max: 9 }),
    filters: fc.integer({ min: 9, max: 40 }),
    activation: fc.constantFrom('Relu', 'Sigmoid', 'HardSwish', 'Tanh'),
    isNormalized: fc.boolean(),
    isFixed: fc.boolean(),
    end: fc.constantFrom('mean', 'sum', 'flat', 'pool'),
  })

  test('are computed in blocks, forward and back', async () => {
    await fc.assert(
      fc.asyncProperty(layers, async (drawn) => {
        const { channels, kernel, stride, filters, activation, isNormalized } = drawn
        const lowered = await compareSteps({
          input: [3, drawn.height, drawn.width],
          isFixed: drawn.isFixed,
          layers: (net) => {
            const { builder } = net
            const normalized = (x: string, count: number) =>
              isNormalized ? norm(net, x, count) : x
            const first = normalized(convolution(net, 'input', [channels, 3, 3, 3]), channels)
            const active = builder.node(activation, [first])
            const strides = { strides: [stride, stride] }
            const second = normalized(depthwise(net, active, channels, kernel, strides), channels)
            const joined = stride === 1 ? builder.node('Add', [second, active]) : second
            const third = depthwise(net, builder.node(activation, [joined]), channels)
            const last = builder.node('Tanh', [net.conv(third, [filters, channels, 1, 1])])
            if (drawn.end === 'mean') return [builder.node('GlobalAveragePool', [last]), filters]
            if (drawn.end === 'sum')
              return [builder.node('ReduceSum', [last, net.ints(2, 3)], { keepdims: 0 }), filters]
            const [height, width] = [drawn.height, drawn.width].map((size) =>
              Math.ceil(size / stride),
            )
            if (drawn.end === 'flat') return [last, filters * height! * width!]
            const pooled = builder.node('AveragePool', [third], { kernel_shape: [2, 2] })
            return [pooled, channels * (height! - 1) * (width! - 1)]
          },
        })
        if (block > 1 && channels * 2 >= block)
          expect(new Set(domains(lowered))).toEqual(new Set(['com.microsoft.nchwc']))
      }),
      { seed: testSeed, numRuns: 12 },
    )
  }, 120_000)

  test.skipIf(block === 1)(
    'bring images into blocks once, with the convolution before',
    async () => {
      const lowered = await compareSteps({
        input: [16, 6, 6],
        layers: (net) => {
          const wide = net.relu(norm(net, convolution(net, 'input', [40, 16, 1, 1]), 40))
          const moved = net.relu(norm(net, depthwise(net, wide, 40), 40))
          return [net.builder.node('GlobalAveragePool', [net.conv(moved, [16, 40, 1, 1])]), 16]
        },
      })
      const used = operatorsOf(lowered)
      expect(used).not.toContain('BatchNormalization')
      expect(used).not.toContain('Relu')
      expect(used.filter((name) => name === 'Conv')).toEqual([])
    },
  )

  test('what is not finite for zeros is computed of the channels alone', () =>
    compareSteps({
      input: [3, 5, 5],
      layers: (net) => {
        const { builder } = net
        const positive = builder.node('Sigmoid', [
          depthwise(net, net.conv('input', [24, 3, 3, 3]), 24),
        ])
        const scaled = builder.node('Mul', [
          positive,
          builder.constant(fillTensor(ones, 'float32', [24, 1, 1], 0), 'ones'),
        ])
        const gated = depthwise(
          net,
          builder.node('Reciprocal', [builder.node('Abs', [scaled])]),
          24,
        )
        const quotient = builder.node('Div', [gated, builder.node('Abs', [scaled])])
        return [builder.node('Tanh', [net.conv(quotient, [20, 24, 1, 1])]), 20 * 25]
      },
    }))
})

describe('convolutions of all channels', () => {
  interface Layers {
    readonly channels: number
    readonly filters: number
    readonly kernel: number
    readonly stride: number
    readonly isNormalized: boolean
  }

  const layers = fc.record({
    channels: fc.constantFrom(40, 44, 56),
    filters: fc.constantFrom(40, 46, 60),
    kernel: fc.constantFrom(2, 3, 5),
    stride: fc.constantFrom(1, 2),
    height: fc.integer({ min: 27, max: 30 }),
    width: fc.integer({ min: 27, max: 30 }),
    isNormalized: fc.boolean(),
    isFixed: fc.boolean(),
  })

  /** Two convolutions of so many channels, the second one without padding. */
  const twice = (net: Net, drawn: Layers) => {
    const { channels, filters, kernel, stride, isNormalized } = drawn
    const first = convolution(net, 'input', [channels, 3, 3, 3])
    const active = net.relu(isNormalized ? norm(net, first, channels) : first)
    const attributes = { strides: [stride, stride], pads: [0, 1, 1, 0] }
    const second = net.conv(active, [filters, channels, kernel, kernel], attributes)
    const last = net.builder.node('Tanh', [net.conv(second, [channels, filters, 3, 3])])
    return [net.builder.node('GlobalAveragePool', [last]), channels] as const
  }

  /** The layouts of convolutions whose kernels have so many rows and columns. */
  const layouts = ({ graph }: Model, kernel: number): ReadonlySet<string> =>
    new Set(
      graph.nodes
        .filter(
          (node) =>
            /Conv/.test(node.opType) &&
            String(intsAttribute(node, 'kernel_shape')) === String([kernel, kernel]),
        )
        .map(({ domain }) => domain),
    )

  test('are computed in blocks where few channels are empty', async () => {
    await fc.assert(
      fc.asyncProperty(layers, async ({ height, width, isFixed, ...drawn }) => {
        const lowered = await compareSteps({
          input: [3, height, width],
          isFixed,
          batch: 2,
          layers: (net) => twice(net, drawn),
        })
        // The gradient of an image with odd sizes has phases of different sizes.
        if (block > 1 && (drawn.stride === 1 || (height % 2 === 0 && width % 2 === 0)))
          expect(layouts(lowered, 5)).not.toContain('')
      }),
      { seed: testSeed, numRuns: 8 },
    )
  }, 120_000)

  test.skipIf(block === 1).each<[string, number, number, readonly string[]]>([
    ['are', 2.5, 28, ['com.microsoft.nchwc']],
    ['are on small images', 2.5, 16, ['com.microsoft.nchwc']],
    ['are not where many channels would be empty', 1.25, 28, ['']],
  ])('%s', async (_, blocks, size, expected) => {
    const channels = blocks * block
    const lowered = await compareSteps({
      input: [3, size, size],
      layers: (net) =>
        twice(net, {
          channels,
          filters: channels,
          kernel: 5,
          stride: 2,
          isNormalized: false,
        }),
    })
    expect([...layouts(lowered, 5)]).toEqual(expected)
  })
})

test('the first channels of an image are cut on its way out of blocks, others are not', () =>
  compareSteps({
    input: [3, 5, 5],
    layers: (net) => {
      const { builder } = net
      const image = net.conv('input', [32, 3, 3, 3])
      const slice = (...ends: readonly [number, number, number, number]) =>
        builder.node('Slice', [image, ...ends.map((end) => net.ints(end))])
      const [first, last, odd] = [slice(0, 12, 1, 1), slice(20, 32, 1, 1), slice(0, 24, 1, 2)]
      const sum = builder.node('Sum', [first, last, odd])
      return [net.builder.node('Tanh', [net.conv(sum, [16, 12, 3, 3])]), 16 * 25]
    },
  }))

test('channels of zeros behind an image are filled up on its way into blocks, others are not', () =>
  compareSteps({
    input: [3, 5, 5],
    layers: (net) => {
      const { builder } = net
      const image = net.conv('input', [12, 3, 3, 3])
      const pad = (before: number, behind: number, ...value: readonly string[]) =>
        builder.node('Pad', [image, net.ints(0, before, 0, 0, 0, behind, 0, 0), ...value])
      const sum = builder.node('Sum', [
        pad(0, 4),
        pad(4, 0),
        pad(0, 4, builder.constant(fillTensor(ones, 'float32', [], 0), 'one')),
      ])
      return [net.builder.node('Tanh', [net.conv(sum, [16, 16, 3, 3])]), 16 * 25]
    },
  }))
