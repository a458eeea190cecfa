import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  block,
  compareSteps,
  expectSameOutputs,
  type Net,
  numbers,
  run,
} from '../../../testing/compare-steps.ts'
import {
  type Axis,
  type Convolution,
  convolutionModel,
} from '../../../testing/convolution-model.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { intsAttribute } from '../../model/attributes.ts'
import type { Model, Node } from '../../model/model.ts'
import { widestBlock } from '../../operators/helpers/blocked.ts'
import { range } from '../../operators/helpers/emission.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { lowerForCpu, lowerStep } from './lower-for-cpu.ts'

/** Convolutions that add a sum of others to their products. */
const addingToSums = ({ graph }: Model): readonly Node[] =>
  graph.nodes.filter((node) => node.opType === 'Conv' && node.inputs.length === 4)

/** … along the columns: one for each row of a pair. */
const lastOfPairs = (model: Model): readonly Node[] =>
  addingToSums(model).filter((node) => intsAttribute(node, 'kernel_shape')?.[0] === 1)

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
    kernel: fc.integer({ min: 2, max: 9 }),
    stride: fc.constant(1),
    dilation: fc.constantFrom(1, 1, 2),
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

const wide = 4 * widestBlock
const square: Axis = { kernel: 3, stride: 1, dilation: 1, begin: 1, end: 1, size: 16 }

describe.skipIf(block === 1)('convolutions that compute two rows at once', () => {
  test('give what the standard’s give', async () => {
    const found = new Set<string>()
    await fc.assert(
      fc.asyncProperty(convolutions, async ({ groups, columns, batch, ...drawn }) => {
        const { dilation, kernel } = drawn.rows
        // Dilated rows are paired where their numbers are multiples of the dilation.
        const even = (count: number) => Math.ceil(count / dilation) * dilation
        const { begin, size } = drawn.rows
        const rows = {
          ...drawn.rows,
          begin: even(begin),
          size: even(size + dilation * (kernel - 1)),
        }
        const [channels, filters] = [drawn.channels, drawn.filters].map(
          (blocks) => blocks * groups * widestBlock,
        ) as [number, number]
        const axes = [rows, columns]
        const model = modelOf({ channels, filters, groups, axes, hasBias: drawn.hasBias })
        const lowered = lowerForCpu(model, block)
        if (addingToSums(lowered).length > 0) {
          found.add(`dilation ${dilation}`)
          found.add(kernel > 3 ? `${kernel % 2 === 0 ? 'even' : 'odd'} kernels` : 'small kernels')
        }
        const random = randomStream(testSeed, 'images', channels, rows.size)
        const feeds = { x: normalTensor(random, [batch, channels, rows.size, columns.size]) }
        await expectSameOutputs(lowered, model, feeds, 1e-5)
      }),
      { seed: testSeed, numRuns: 40 },
    )
    const kinds = ['small kernels', 'odd kernels', 'even kernels', 'dilation 1', 'dilation 2']
    expect([...found], `seed ${testSeed}`).toEqual(expect.arrayContaining(kinds))
  })

  test.each([
    [3, false],
    [3, true],
    [4, true],
    [5, false],
    [7, true],
  ] as const)('leave equal what is equal: %i rows, with a bias: %s', async (kernel, hasBias) => {
    const [begin, end] = [Math.floor((kernel - 1) / 2), Math.ceil((kernel - 1) / 2)]
    // Rows of zeros, rows that are alike, and others.
    const [zeros, alike] = [end + 4, begin + end + 4]
    const [height, width] = [2 * Math.ceil((zeros + alike + 5) / 2), 14]
    const rows = { ...square, kernel, begin, end, size: height }
    const axes = [rows, { ...square, size: width }]
    const model = modelOf({ channels: wide, filters: wide, axes, hasBias })
    const lowered = lowerForCpu(model, block)
    expect(addingToSums(lowered).length).toBeGreaterThanOrEqual(2)
    const random = normalTensor(randomStream(testSeed, 'equal'), [1, wide, height, width])
    const given = numbers(random)
    const images = given.map((number, i) => {
      const row = Math.floor(i / width) % height
      return row < zeros ? 0 : row < zeros + alike ? given[i - (row - zeros) * width]! : number
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
    for (const row of range(zeros - end)) expect(at(found, row), `${row}`).toEqual(at(biases, row))
    const first = zeros + begin
    for (const row of range(zeros + alike - end, first))
      expect(at(found, row), `${row}`).toEqual(at(found, first))
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
      'dilated, below a pooling',
      0,
      [3, 16, 16],
      (net) =>
        net.pool(
          net.conv(first(net), [wide, wide, 3, 3], { dilations: [2, 2], pads: [2, 2, 2, 2] }),
        ),
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
