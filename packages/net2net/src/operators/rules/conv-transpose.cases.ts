/** Test cases of ConvTranspose. */
import { deepens, grows, WIDTH } from '../../../testing/bench.ts'
import { type NodeCase, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { drawTransposed } from '../../../testing/draw-windows.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const overAxes = (rank: number): NodeCase => ({
  what: `over ${rank} spatial axes`,
  draw(random, index) {
    const { x, w, group, attributes } = drawTransposed(random, rank)
    const bias = index % 2 === 0 ? normalTensor(random, [w[1]! * group]) : undefined
    return { attributes, inputs: [normalTensor(random, x), normalTensor(random, w), bias] }
  },
})

export const cases: OperatorCases = {
  ConvTranspose: {
    shapes(random, index) {
      // Strides beyond the kernel leave nothing to cut.
      if (index % 4 === 0)
        return {
          attributes: { auto_pad: anyOf(random, ['SAME_UPPER', 'SAME_LOWER']), strides: [3, 4] },
          inputs: [
            normalTensor(random, [1, 1, 1 + random.below(3), 2]),
            normalTensor(random, [1, 1, 1 + random.below(2), 1]),
          ],
        }
      const { x, w, attributes } = drawTransposed(random, 1 + random.below(3))
      return {
        opset: anyOf(random, [7, 11, 18, 21]),
        attributes,
        inputs: [normalTensor(random, x), normalTensor(random, w)],
        shapes: someSymbols(random, x),
      }
    },
    gradient: [overAxes(1), overAxes(2), overAxes(3)],
    growth: [
      deepens('strided', (b) =>
        b.op(
          'ConvTranspose',
          ['image', b.weight(3, 5, 2, 2)],
          { strides: [2, 2] },
          { name: 'grown' },
        ),
      ),
      deepens('with groups of channels', (b) => {
        const inputs = [b.conv('first'), b.weight(WIDTH, 3, 3, 3)]
        return b.op('ConvTranspose', inputs, { strides: [2, 2], group: 2 }, { name: 'grown' })
      }),

      grows('of the channels', (b) => {
        const y = b.op('ConvTranspose', [b.conv(), b.weight(WIDTH, 5, 3, 3), b.weight(5)], {
          strides: [2, 2],
          output_padding: [1, 0],
        })
        return b.read(y, 1)
      }),
      grows('depthwise', (b) =>
        b.read(
          b.op('ConvTranspose', [b.conv(), b.weight(WIDTH, 1, 2, 2), b.weight(WIDTH)], {
            strides: [2, 2],
            group: WIDTH,
          }),
          1,
        ),
      ),
      grows('its own filters', (b) => {
        const y = b.op(
          'ConvTranspose',
          [b.conv('first'), b.weight(WIDTH, WIDTH, 2, 3), b.weight(WIDTH)],
          { strides: [1, 2] },
          { name: 'grown' },
        )
        return b.read(b.op('Relu', [y]), 1)
      }),
    ],
  },
}
