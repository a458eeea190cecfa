import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { block, compareSteps, type Net, numbers, run } from '../../../testing/compare-steps.ts'
import {
  type Axis,
  type Convolution,
  convolutionModel,
} from '../../../testing/convolution-model.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { difference, sent } from '../../../testing/sent-tensors.ts'
import { intsAttribute } from '../../model/attributes.ts'
import type { Model, Node } from '../../model/model.ts'
import { range } from '../../operators/helpers/emission.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { lowerForCpu, lowerStep } from './lower-for-cpu.ts'

/** Convolutions along the columns that add a sum of others: one for each row of a pair. */
const lastOfPairs = ({ graph }: Model): readonly Node[] =>
  graph.nodes.filter(
    (node) =>
      node.opType === 'Conv' &&
      node.inputs.length === 4 &&
      intsAttribute(node, 'kernel_shape')?.[0] === 1,
  )

/** The convolution with random parameters. */
const modelOf = (convolution: Convolution): Model =>
  convolutionModel(
    convolution,
    randomStream(testSeed, 'pairs', convolution.channels, convolution.axes[0]!.size),
  )

const axis = {
  begin: fc.integer({ min: 0, max: 2 }),
  end: fc.integer({ min: 0, max: 2 }),
}

const convolutions = fc.record({
  channels: fc.constantFrom(6, 8),
  filters: fc.constantFrom(7, 8),
  groups: fc.constantFrom(1, 1, 2),
  rows: fc.record({
    ...axis,
    kernel: fc.constantFrom(2, 3, 3),
    stride: fc.constant(1),
    dilation: fc.constant(1),
    size: fc.integer({ min: 14, max: 25 }),
  }),
  columns: fc.record({
    ...axis,
    kernel: fc.integer({ min: 2, max: 3 }),
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    size: fc.integer({ min: 14, max: 20 }),
  }),
  hasBias: fc.boolean(),
  batch: fc.integer({ min: 1, max: 3 }),
})

const wide = 4 * block
const square: Axis = { kernel: 3, stride: 1, dilation: 1, begin: 1, end: 1, size: 16 }

describe.skipIf(block === 1)('convolutions that compute two rows at once', () => {
  test('give what the standard’s give', async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(convolutions, async ({ groups, rows, columns, batch, ...drawn }) => {
        const [channels, filters] = [drawn.channels, drawn.filters].map(
          (blocks) => blocks * groups * block,
        ) as [number, number]
        const axes = [rows, columns]
        const model = modelOf({ channels, filters, groups, axes, hasBias: drawn.hasBias })
        const lowered = lowerForCpu(model, block)
        count += lastOfPairs(lowered).length
        const random = randomStream(testSeed, 'images', channels, rows.size)
        const feeds = { x: normalTensor(random, [batch, channels, rows.size, columns.size]) }
        const [expected, found] = [await run(model, feeds), await run(lowered, feeds)]
        expect(difference(sent(found).y, sent(expected).y!)).toBeLessThan(1e-5)
      }),
      { seed: testSeed, numRuns: 24 },
    )
    expect(count, `seed ${testSeed}`).toBeGreaterThan(0)
  })

  test.each([false, true])('leave equal what is equal, with a bias: %s', async (hasBias) => {
    const [height, width] = [square.size, 14]
    const axes = [square, { ...square, size: width }]
    const model = modelOf({ channels: wide, filters: wide, axes, hasBias })
    const lowered = lowerForCpu(model, block)
    expect(lastOfPairs(lowered)).toHaveLength(2)
    // Five rows of zeros, six that are alike, and five others.
    const random = normalTensor(randomStream(testSeed, 'equal'), [1, wide, height, width])
    const given = numbers(random)
    const images = given.map((number, i) => {
      const row = Math.floor(i / width) % height
      return row < 5 ? 0 : row < 11 ? given[i - (row - 5) * width]! : number
    })
    const x = float32([1, wide, height, width], images)
    const empty = float32(
      [1, wide, height, width],
      images.map(() => 0),
    )
    const [found, biases] = [await run(lowered, { x }), await run(model, { x: empty })].map(
      ({ y }) => numbers(y!),
    ) as [number[], number[]]
    const at = (values: readonly number[], row: number) =>
      range(wide).flatMap((filter) =>
        values.slice((filter * height + row) * width, (filter * height + row + 1) * width),
      )
    for (const row of range(4)) expect(at(found, row), `row ${row}`).toEqual(at(biases, row))
    for (const row of range(10, 7)) expect(at(found, row), `row ${row}`).toEqual(at(found, 6))
  })

  const flat = (net: Net, x: string, count: number): readonly [string, number] => [
    net.builder.node('GlobalAveragePool', [x]),
    count,
  ]
  const first = (net: Net) => net.relu(net.conv('input', [wide, 3, 3, 3]))

  test.each<[string, number, readonly number[], (net: Net) => string]>([
    ['one', 2, [3, 16, 14], (net) => net.conv(first(net), [wide, wide, 3, 3])],
    [
      'with an odd number of rows',
      2,
      [3, 19, 18],
      (net) => net.conv(first(net), [wide, wide, 3, 3]),
    ],
    [
      'below a pooling',
      4,
      [3, 16, 16],
      (net) => net.pool(net.conv(first(net), [wide, wide, 3, 3])),
    ],
    [
      'between others',
      4,
      [3, 14, 14],
      (net) => {
        const x = first(net)
        const y = net.relu(net.conv(x, [wide, wide, 3, 3]))
        return net.relu(net.builder.node('Add', [x, net.conv(y, [wide, wide, 3, 3])]))
      },
    ],
  ])('in steps: %s', async (_, count, input, layers) => {
    const lowered = await compareSteps(
      { input, layers: (net) => flat(net, layers(net), wide), batch: 4 },
      (model) => lowerStep(model, block, [], ['loss']).model,
    )
    expect(lastOfPairs(lowered)).toHaveLength(count)
  })
})
