/** Test cases of Conv. */
import { type Bench, deepens, grows, WIDTH } from '../../../testing/bench.ts'
import { type NodeCase, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { drawConvolution } from '../../../testing/draw-windows.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const overAxes = (rank: number): NodeCase => ({
  what: `over ${rank} spatial axes`,
  draw(random, index) {
    const { x, w, attributes } = drawConvolution(random, rank)
    const bias = index % 2 === 0 ? normalTensor(random, [w[0]!]) : undefined
    return { attributes, inputs: [normalTensor(random, x), normalTensor(random, w), bias] }
  },
})

const withSymbols: NodeCase = {
  what: 'with symbolic sizes',
  draw(random) {
    const { x, w, attributes } = drawConvolution(random, 2, { auto: false })
    return {
      attributes,
      inputs: [normalTensor(random, x), normalTensor(random, w)],
      shapes: { 0: ['n', x[1]!, 'h', 'w'] },
    }
  },
}

/** The channels of the layer after a Relu, as images with a border. */
const channels = (b: Bench) => b.op('Relu', [b.conv()])
const same = { pads: [1, 1, 1, 1] }

export const cases: OperatorCases = {
  Conv: {
    shapes(random) {
      const { x, w, attributes } = drawConvolution(random, 1 + random.below(3))
      return {
        opset: anyOf(random, [7, 11, 18, 21]),
        attributes,
        inputs: [normalTensor(random, x), normalTensor(random, w)],
        shapes: someSymbols(random, x),
      }
    },
    gradient: [overAxes(1), overAxes(2), overAxes(3), withSymbols],
    growth: [
      ...[
        [3, 3],
        [2, 4],
        [1, 1],
        [5, 2],
      ].map(([h = 1, w = 1]) =>
        deepens(`${h} × ${w}, strided, without pads`, (b) =>
          b.op('Conv', ['image', b.weight(5, 3, h, w)], { strides: [2, 1] }, { name: 'grown' }),
        ),
      ),
      deepens('dilated', (b) => {
        const attributes = { dilations: [2, 3], pads: [2, 1, 2, 2] }
        return b.op('Conv', ['image', b.weight(5, 3, 3, 2)], attributes, { name: 'grown' })
      }),
      deepens('depthwise', (b) =>
        b.op('Conv', ['image', b.weight(6, 1, 3, 3)], { group: 3 }, { name: 'grown' }),
      ),
      deepens('with groups of channels', (b) =>
        b.op(
          'Conv',
          [b.conv('first'), b.weight(6, WIDTH / 2, 3, 3)],
          { group: 2 },
          { name: 'grown' },
        ),
      ),
      deepens('over one axis', (b) => {
        const row = b.op('Reshape', ['image', b.ints(0, 3, 20)])
        return b.op('Conv', [row, b.weight(5, 3, 4)], { strides: [2] }, { name: 'grown' })
      }),
      deepens('over three axes', (b) => {
        const deep = b.op('Reshape', ['image', b.ints(0, 3, 5, 2, 2)])
        return b.op(
          'Conv',
          [deep, b.weight(5, 3, 2, 1, 2)],
          { dilations: [2, 1, 1] },
          { name: 'grown' },
        )
      }),

      grows('strided, dilated, asymmetric', (b) => {
        const y = b.op('Conv', [channels(b), b.weight(5, WIDTH, 3, 2), b.weight(5)], {
          strides: [2, 1],
          dilations: [1, 2],
          pads: [1, 0, 2, 1],
        })
        return b.read(y, 1)
      }),
      grows('depthwise', (b) =>
        b.read(
          b.op('Conv', [channels(b), b.weight(WIDTH, 1, 3, 3), b.weight(WIDTH)], {
            group: WIDTH,
            ...same,
          }),
          1,
        ),
      ),
      grows('depthwise with a multiplier', (b) =>
        b.read(
          b.op('Conv', [channels(b), b.weight(2 * WIDTH, 1, 3, 3)], { group: WIDTH, ...same }),
          1,
        ),
      ),
      grows('twice depthwise', (b) => {
        const first = b.op('Conv', [channels(b), b.weight(WIDTH, 1, 3, 3)], {
          group: WIDTH,
          ...same,
        })
        return b.read(b.op('Conv', [first, b.weight(WIDTH, 1, 1, 1)], { group: WIDTH }), 1)
      }),
      grows(
        'with groups of channels',
        (b) =>
          b.read(
            b.op('Conv', [channels(b), b.weight(6, WIDTH / 2, 3, 3), b.weight(6)], {
              group: 2,
              ...same,
            }),
            1,
          ),
        // By whole groups, or all groups alike.
        { widths: [8, 12], others: /width 7 / },
      ),
      grows('its own filters', (b) => {
        const y = b.op(
          'Conv',
          [b.conv('first'), b.weight(WIDTH, WIDTH, 2, 3), b.weight(WIDTH)],
          { strides: [1, 2] },
          { name: 'grown' },
        )
        return b.read(b.op('Relu', [y]), 1)
      }),
    ],
  },
}
