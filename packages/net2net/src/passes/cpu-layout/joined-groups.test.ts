import fc from 'fast-check'
import { expect, test } from 'vitest'
import { block, compareSteps, expectSameOutputs } from '../../../testing/compare-steps.ts'
import { convolutionModel } from '../../../testing/convolution-model.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { intAttribute } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { joinGroups } from './joined-groups.ts'
import { lowerForCpu } from './lower-for-cpu.ts'

const layers = fc.record({
  narrow: fc.constantFrom(2, 4),
  /** How many times as many channels a group reads, or gives. */
  reads: fc.constantFrom(1, 2),
  gives: fc.constantFrom(1, 2),
  blocks: fc.integer({ min: 1, max: 2 }),
  kernel: fc.constantFrom(1, 3, 4),
  stride: fc.constantFrom(1, 2),
  height: fc.integer({ min: 5, max: 9 }),
  width: fc.integer({ min: 5, max: 9 }),
})

test('narrow groups are convolved in blocks, forward and back', () =>
  fc.assert(
    fc.asyncProperty(layers, async (drawn) => {
      const { narrow, kernel, stride } = drawn
      const [reads, gives] = [drawn.reads, drawn.gives].map((times) => times * narrow)
      const groups = (Math.max(block, 4) / narrow) * drawn.blocks
      const [channels, filters] = [groups * reads!, groups * gives!]
      const lowered = await compareSteps({
        input: [3, drawn.height, drawn.width],
        layers: (net) => {
          const first = net.relu(net.conv('input', [channels, 3, 3, 3]))
          const pads = kernel === 1 ? [0, 0, 0, 0] : [1, 0, 1, 0]
          const second = net.conv(first, [filters, reads!, kernel, kernel], {
            group: groups,
            strides: [stride, stride],
            pads,
          })
          return [
            net.builder.node('GlobalAveragePool', [net.builder.node('Tanh', [second])]),
            filters,
          ]
        },
      })
      if (block === 1) return
      const grouped = lowered.graph.nodes.filter(
        (node) => node.opType === 'Conv' && intAttribute(node, 'group', 1) > 1,
      )
      expect(grouped.filter(({ domain }) => domain === '')).toEqual([])
      // With one block, what was joined is one group.
      if (drawn.blocks > 1) expect(grouped).not.toEqual([])
    }),
    { seed: testSeed, numRuns: 20 },
  ))

/** Groups of one and a half to six blocks. On most images it pays to fill those that are not whole. */
const filled = fc.record({
  width: fc.constantFrom(1.5, 2.5, 2.5, 3).map((blocks) => blocks * block),
  groups: fc.constantFrom(2, 3, 4),
  /** How many times as many channels a group gives. */
  gives: fc.constantFrom(1, 1, 2),
  kernel: fc.constantFrom(3, 5),
  stride: fc.constantFrom(1, 1, 2),
  size: fc.integer({ min: 3, max: 12 }),
  hasBias: fc.boolean(),
  isTransposed: fc.boolean(),
  batch: fc.integer({ min: 1, max: 3 }),
})

test.skipIf(block === 1)('wide groups fill blocks', async () => {
  let count = 0
  await fc.assert(
    fc.asyncProperty(filled, async (drawn) => {
      const { width, groups, gives, kernel, size, hasBias, isTransposed, batch } = drawn
      const stride = isTransposed ? 2 : drawn.stride
      const [channels, filters] = [groups * width, groups * width * gives]
      const builder = new GraphBuilder()
      const random = randomStream(testSeed, 'filled', channels, size)
      builder.input('x', 'float32', ['n', channels, size, size])
      const dims = isTransposed
        ? [channels, filters / groups, kernel, kernel]
        : [filters, width, kernel, kernel]
      const weight = builder.constant(normalTensor(random, dims, { scale: 0.1 }))
      const bias = hasBias ? [builder.constant(normalTensor(random, [filters]))] : []
      const pad = (kernel - 1) / 2
      const attributes = {
        kernel_shape: [kernel, kernel],
        strides: [stride, stride],
        pads: [pad, pad, pad, pad],
        group: groups,
        ...(isTransposed && { output_padding: [1, 1] }),
      }
      const opType = isTransposed ? 'ConvTranspose' : 'Conv'
      builder.nodeOutputs(opType, ['x', weight, ...bias], attributes, { outputs: ['y'] })
      builder.output('y', 'float32')
      const model = builder.model()
      const lowered = lowerForCpu(model, block)
      const inPlain = lowered.graph.nodes.filter(
        ({ opType, domain }) => /^Conv/.test(opType) && domain === '',
      )
      if (width % block !== 0 && inPlain.length === 0) count++
      const feeds = { x: normalTensor(random, [batch, channels, size, size]) }
      await expectSameOutputs(lowered, model, feeds, 1e-5)
    }),
    { seed: testSeed, numRuns: 40 },
  )
  expect(count, `seed ${testSeed}`).toBeGreaterThan(2)
})

/** How many groups each convolution has. */
const groupsOf = ({ graph }: Model): readonly number[] =>
  graph.nodes
    .filter(({ opType }) => opType === 'Conv')
    .map((node) => intAttribute(node, 'group', 1))

test.skipIf(block === 1)('groups of few channels on large images are left alone', () => {
  const model = (width: number) => {
    const axis = { kernel: 3, stride: 1, dilation: 1, begin: 1, end: 1, size: 32 }
    const convolution = { channels: 6 * width, filters: 6 * width, groups: 6, axes: [axis, axis] }
    return convolutionModel(convolution, randomStream(testSeed, 'narrow'))
  }
  expect(groupsOf(joinGroups(model(5), block))).toEqual([6])
  expect(joinGroups(model(block), block).graph.nodes).toHaveLength(1)
})

test.skipIf(block === 1)('groups that are whole together are joined on images of any size', () => {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', ['n', 2 * block, 'height', 'width'])
  const dims = [2 * block, block / 2, 3, 3]
  const weight = builder.constant(normalTensor(randomStream(testSeed, 'open'), dims))
  builder.output(builder.node('Conv', ['x', weight], { group: 4 }), 'float32')
  expect(groupsOf(joinGroups(builder.model(), block))).toEqual([2])
})
