import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { block, compareSteps, numbers, run } from '../../../testing/compare-steps.ts'
import {
  type Axis,
  type Convolution,
  convolutionModel,
} from '../../../testing/convolution-model.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { difference, sent } from '../../../testing/sent-tensors.ts'
import { intAttribute } from '../../model/attributes.ts'
import { linksOf } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import { range } from '../../operators/helpers/emission.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { lowerForCpu, lowerStep } from './lower-for-cpu.ts'
import { viewed } from './views.ts'

/** Convolutions in blocks whose groups are the products of a tile. */
const products = ({ graph }: Model, groups = 4): readonly Node[] =>
  graph.nodes.filter(
    (node) =>
      node.opType === 'Conv' && node.domain !== '' && intAttribute(node, 'group', 1) === groups,
  )

const modelOf = (convolution: Convolution): Model =>
  convolutionModel(
    convolution,
    randomStream(testSeed, 'planes', convolution.channels, convolution.axes[0]!.size),
  )

const pad = fc.integer({ min: 0, max: 2 })
const plane = fc.record({
  kernel: fc.integer({ min: 2, max: 4 }),
  stride: fc.integer({ min: 1, max: 2 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  begin: pad,
  end: pad,
  size: fc.integer({ min: 7, max: 12 }),
})
const convolutions = fc.record({
  channels: fc.constantFrom(32, 48, 64),
  filters: fc.constantFrom(32, 48, 64),
  depth: fc.record({
    kernel: fc.constantFrom(2, 3, 3),
    begin: pad,
    end: pad,
    size: fc.integer({ min: 3, max: 9 }),
  }),
  plane: fc.tuple(plane, plane),
  hasBias: fc.boolean(),
  batch: fc.integer({ min: 1, max: 3 }),
})

const square: Axis = { kernel: 3, stride: 1, dilation: 1, begin: 1, end: 1, size: 6 }
const whole = { channels: 32, filters: 32, axes: [{ ...square, size: 12 }, square, square] }

describe.skipIf(block === 1)('convolutions of volumes that compute two planes at once', () => {
  test('give what the standard’s give', async () => {
    let count = 0
    await fc.assert(
      fc.asyncProperty(convolutions, async ({ depth, plane, batch, ...drawn }) => {
        const axes = [{ ...depth, stride: 1, dilation: 1 }, ...plane]
        const model = modelOf({ ...drawn, axes })
        const lowered = lowerForCpu(model, block)
        count += products(lowered, depth.kernel + 1).length
        const random = randomStream(testSeed, 'volumes', drawn.channels, depth.size)
        const sizes = axes.map(({ size }) => size)
        const feeds = { x: normalTensor(random, [batch, drawn.channels, ...sizes]) }
        const [expected, found] = [await run(model, feeds), await run(lowered, feeds)]
        expect(difference(sent(found).y, sent(expected).y!)).toBeLessThan(1e-5)
      }),
      { seed: testSeed, numRuns: 24 },
    )
    expect(count, `seed ${testSeed}`).toBeGreaterThan(0)
  })

  test('do not where that costs more: few channels, strides, dilations, one output, many planes', () => {
    const used = (changed: Partial<Convolution>) =>
      products(lowerForCpu(modelOf({ ...whole, ...changed }), block)).length
    const deep = (changed: Partial<Axis>) =>
      used({ axes: [{ ...square, ...changed }, square, square] })
    expect(used({})).toBe(1)
    expect(used({ channels: 8 })).toBe(0)
    expect(
      used({ channels: 16, filters: 16, axes: [{ ...square, size: 40 }, square, square] }),
    ).toBe(0)
    expect(deep({ stride: 2 })).toBe(0)
    expect(deep({ dilation: 2 })).toBe(0)
    expect(deep({ size: 3, begin: 0, end: 0 })).toBe(0)
    expect(deep({ kernel: 4 })).toBe(0)
  })

  test.each([false, true])('leave equal what is equal, with a bias: %s', async (hasBias) => {
    const [depth, area, filters] = [12, 36, whole.filters]
    const model = modelOf({ ...whole, hasBias })
    const lowered = lowerForCpu(model, block)
    // Three planes of zeros, five that are alike, and four others.
    const sizes = [1, whole.channels, depth, 6, 6]
    const given = numbers(normalTensor(randomStream(testSeed, 'equal'), sizes))
    const values = given.map((number, i) => {
      const k = Math.floor(i / area) % depth
      return k < 3 ? 0 : k < 8 ? given[i - (k - 3) * area]! : number
    })
    const planesOf = async (model: Model, values: readonly number[]) => {
      const { y } = await run(model, { x: float32(sizes, values) })
      const found = numbers(y!)
      return (k: number) =>
        range(filters).flatMap((filter) =>
          found.slice((filter * depth + k) * area, (filter * depth + k + 1) * area),
        )
    }
    const found = await planesOf(lowered, values)
    const empty = values.map(() => 0)
    const biases = await planesOf(model, empty)
    for (const k of range(2)) expect(found(k), `plane ${k}`).toEqual(biases(k))
    for (const k of range(7, 5)) expect(found(k), `plane ${k}`).toEqual(found(4))
    // An output reads no plane beyond its own.
    const others = values.map((value, i) => (Math.floor(i / area) % depth < 9 ? value : 2 * value))
    const changed = await planesOf(lowered, others)
    for (const k of range(8)) expect(changed(k), `plane ${k}`).toEqual(found(k))
    expect(changed(8)).not.toEqual(found(8))
  })

  test('in steps: forward, and for both gradients, with the same tiles', async () => {
    const lowered = await compareSteps(
      {
        input: [16, 5, 8, 7],
        batch: 3,
        layers: (net) => {
          const { builder } = net
          const conv = (x: string, filters: number, channels: number, pads: readonly number[]) =>
            builder.node('Conv', [x, net.parameter('w', [filters, channels, 3, 3, 3])], { pads })
          const first = net.relu(conv('input', 32, 16, [1, 1, 1, 1, 1, 1]))
          const second = net.relu(conv(first, 48, 32, [2, 1, 1, 1, 1, 0]))
          return [builder.node('GlobalAveragePool', [second]), 48]
        },
      },
      (model) => lowerStep(model, block, [], ['loss']).model,
    )
    // Two forward, and two for the gradients of the weights; rows are filtered besides in that of what the second reads.
    expect(products(lowered)).toHaveLength(4)
    const { nodes, initializers } = lowered.graph
    // Three pairs for each volume, of four planes: of both inputs, which the weights' gradients read as well, and of δ for either gradient.
    const tiles = nodes.filter(
      ({ opType, inputs }) =>
        opType === 'MatMul' && initializers.get(inputs[0]!)?.tensor.dims[0] === 12,
    )
    expect(tiles).toHaveLength(5)
    // Planes come into blocks before they are multiplied, not the tiles, which are twice as many.
    const { producers } = linksOf(lowered.graph)
    const brought = nodes.filter(({ opType }) => opType === 'ReorderInput')
    const sources = brought.map(({ inputs }) => producers.get(viewed(inputs[0]!, producers)))
    expect(brought.length).toBeGreaterThan(0)
    expect(tiles.filter((node) => sources.includes(node))).toEqual([])
  })
})
