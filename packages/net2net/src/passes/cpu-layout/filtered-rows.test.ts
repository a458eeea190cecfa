import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { block, compareSteps, type Net, run } from '../../../testing/compare-steps.ts'
import { convolutionModel } from '../../../testing/convolution-model.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { difference, sent } from '../../../testing/sent-tensors.ts'
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Model, Node } from '../../model/model.ts'
import { widestBlock } from '../../operators/helpers/blocked.ts'
import { reach } from '../../operators/helpers/windows.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { lowerStep } from './lower-for-cpu.ts'

/** Convolutions whose kernels have one row, in a group for each row of tiles. */
const filtered = ({ graph }: Model): readonly Node[] =>
  graph.nodes.filter(
    (node) =>
      node.opType === 'Conv' &&
      node.domain !== '' &&
      intsAttribute(node, 'kernel_shape')?.[0] === 1 &&
      intsAttribute(node, 'kernel_shape')?.[1] !== 1 &&
      intAttribute(node, 'group', 1) > 2,
  )

/** Convolutions with tall kernels of the rows of tiles. */
const filteredGradients = ({ graph }: Model): readonly Node[] =>
  graph.nodes.filter(
    (node) =>
      node.opType === 'Conv' &&
      intsAttribute(node, 'kernel_shape') === undefined &&
      intAttribute(node, 'group', 1) > 2,
  )

const axis = {
  kernel: fc.integer({ min: 2, max: 3 }),
  begin: fc.integer({ min: 0, max: 2 }),
  end: fc.integer({ min: 0, max: 2 }),
}

/** A step, of which the loss is to be as it was. */
const lower = (model: Model): Model => lowerStep(model, block, [], ['loss']).model

const convolutions = fc.record({
  channels: fc.constantFrom(4, 6),
  filters: fc.constantFrom(4, 5),
  groups: fc.constantFrom(1, 1, 2),
  rows: fc.record({
    ...axis,
    kernel: fc.integer({ min: 2, max: 7 }),
    stride: fc.constant(1),
    dilation: fc.constantFrom(1, 1, 2, 3),
    /** By how much the image is larger than the least that a kernel fits into. */
    more: fc.integer({ min: 6, max: 40 }),
  }),
  columns: fc.record({
    ...axis,
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    more: fc.integer({ min: 3, max: 6 }),
  }),
  batch: fc.integer({ min: 1, max: 3 }),
})

describe.skipIf(block === 1)('convolutions whose rows are filtered', () => {
  test('give what the standard’s give', async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(convolutions, async ({ groups, rows, columns, batch, ...drawn }) => {
        const [channels, filters] = [drawn.channels, drawn.filters].map(
          (blocks) => blocks * groups * widestBlock,
        ) as [number, number]
        const axes = [rows, columns].map((axis) => ({
          ...axis,
          size: Math.max(1, reach(axis) - axis.begin - axis.end) + axis.more,
        }))
        const sizes = axes.map(({ size }) => size)
        const random = randomStream(testSeed, 'filtered', channels, sizes[0]!)
        const model = convolutionModel({ channels, filters, groups, axes }, random)
        const lowered = lowerStep(model, block, [], []).model
        count += filtered(lowered).length
        const feeds = { x: normalTensor(random, [batch, channels, ...sizes]) }
        const [expected, found] = [await run(model, feeds), await run(lowered, feeds)]
        expect(difference(sent(found).y, sent(expected).y!)).toBeLessThan(1e-5)
      }),
      { seed: testSeed, numRuns: 24 },
    )
    expect(count, `seed ${testSeed}`).toBeGreaterThan(0)
  })

  const wide = 4 * widestBlock
  const layer = (net: Net, x: string, attributes = {}, kernel = [3, 3]) =>
    net.conv(x, [wide, wide, ...kernel], attributes)
  const flat = (net: Net, x: string): readonly [string, number] => [
    net.builder.node('GlobalAveragePool', [x]),
    wide,
  ]
  const first = (net: Net) => net.relu(net.conv('input', [wide, 3, 3, 3]))

  test.each<[string, readonly number[], (net: Net) => readonly [string, number]]>([
    ['one after the other', [3, 12, 9], (net) => flat(net, net.relu(layer(net, first(net))))],
    ['of high images', [3, 40, 6], (net) => flat(net, net.relu(layer(net, first(net))))],
    [
      'with a dilation',
      [3, 16, 12],
      (net) =>
        flat(net, net.relu(layer(net, first(net), { dilations: [2, 1], pads: [2, 1, 2, 1] }))),
    ],
    ['below a pooling', [3, 14, 14], (net) => flat(net, net.pool(layer(net, first(net))))],
    [
      'in groups',
      [3, 12, 9],
      (net) => {
        const dims = [2 * wide, 3, 3, 3]
        const x = net.relu(net.conv('input', dims))
        const y = net.conv(x, [2 * wide, wide, 3, 3], { group: 2 })
        return [net.builder.node('GlobalAveragePool', [y]), 2 * wide]
      },
    ],
  ])('give gradients, of images and of weights: %s', async (_, input, layers) => {
    const lowered = await compareSteps({ input, layers, batch: 4 }, lower)
    expect(filtered(lowered)).toHaveLength(1)
    expect(filteredGradients(lowered)).toHaveLength(1)
  })

  test('are none of those that the loss depends on', async () => {
    const lowered = await compareSteps(
      {
        input: [3, 20, 12],
        batch: 8,
        layers: (net) => {
          const { builder } = net
          // Images that are empty but for three rows in the middle, and layers without biases or with zeros.
          const isEmpty = Array.from({ length: 20 }, (_, row) => (row > 8 && row < 12 ? 1 : 0))
          const mask = builder.constant(float32([20, 1], isEmpty))
          const zeros = builder.constant(float32([wide], new Float32Array(wide)), 'b')
          const pads = { pads: [1, 1, 1, 1] }
          const image = builder.node('Mul', ['input', mask])
          const x = builder.node('Conv', [image, net.parameter('w', [wide, 3, 3, 3]), zeros], pads)
          const y = builder.node('Conv', [x, net.parameter('w', [wide, wide, 3, 3])], pads)
          return flat(net, net.pool(y))
        },
      },
      lower,
    )
    expect(filtered(lowered)).toHaveLength(1)
  })
  const layers = fc.record({
    rows: fc.record({
      ...axis,
      kernel: fc.integer({ min: 2, max: 5 }),
      dilation: fc.integer({ min: 1, max: 2 }),
    }),
    columns: fc.record(axis),
    height: fc.integer({ min: 10, max: 30 }),
    width: fc.integer({ min: 5, max: 9 }),
    groups: fc.constantFrom(1, 1, 2),
  })

  test('give the gradients of the standard', async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(layers, async ({ rows, columns, height, width, groups }) => {
        const lowered = await compareSteps(
          {
            input: [3, height, width],
            layers: (net) => {
              const channels = wide * groups
              const x = net.relu(net.conv('input', [channels, 3, 3, 3]))
              const y = net.conv(x, [channels, wide, rows.kernel, columns.kernel], {
                pads: [rows.begin, columns.begin, rows.end, columns.end],
                dilations: [rows.dilation, 1],
                group: groups,
              })
              return [
                net.builder.node('GlobalAveragePool', [net.builder.node('Tanh', [y])]),
                channels,
              ]
            },
          },
          lower,
        )
        count += filteredGradients(lowered).length
      }),
      { seed: testSeed, numRuns: 12 },
    )
    expect(count, `seed ${testSeed}`).toBeGreaterThan(0)
  })
})
