import fc from 'fast-check'
import { expect, test } from 'vitest'
import { block, compareSteps } from '../../../testing/compare-steps.ts'
import { testSeed } from '../../../testing/seed.ts'
import { intAttribute } from '../../model/attributes.ts'

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
