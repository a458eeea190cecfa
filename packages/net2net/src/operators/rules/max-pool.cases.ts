/** Test cases of MaxPool. */
import { grows } from '../../../testing/bench.ts'
import type { NodeCase, OperatorCases } from '../../../testing/cases.ts'
import { drawPooling, drawWindow } from '../../../testing/draw-windows.ts'
import { anyOf, distinctTensor } from '../../../testing/draws.ts'

const overAxes = (rank: number): NodeCase => ({
  what: `over ${rank} spatial axes`,
  draw(random) {
    const { space, kernel, attributes } = drawWindow(random, rank, { pooling: true })
    const dims = [1 + random.below(2), 1 + random.below(3), ...space]
    return {
      attributes: {
        ...attributes,
        kernel_shape: kernel,
        ceil_mode: attributes.auto_pad ? undefined : random.below(2),
      },
      inputs: [distinctTensor(random, dims)],
      shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
    }
  },
})

export const cases: OperatorCases = {
  MaxPool: {
    shapes: (random) => ({
      ...drawPooling(random, anyOf(random, [8, 10, 11, 12, 18, 21]), 10),
      outputs: 1 + random.below(2),
    }),
    gradient: [overAxes(1), overAxes(2), overAxes(3)],
    growth: [
      grows('of the channels', (b) =>
        b.read(b.op('MaxPool', [b.conv()], { kernel_shape: [3, 2], strides: [2, 1] }), 1),
      ),
    ],
  },
}
