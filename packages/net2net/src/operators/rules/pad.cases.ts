/** Test cases of Pad. */
import { grows, refuses, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, anyShape, between, randomAxis } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import { float32, int64 } from '../../tensor/tensor.ts'

const pad: Draw = (random) => {
  const dims = anyShape(random).map((size) => size + 2)
  const mode = anyOf(random, ['constant', 'constant', 'reflect', 'edge', 'wrap'])
  const low = mode === 'constant' ? -1 : 0
  const amounts = [...dims, ...dims].map(() => between(random, low, 2))
  const x = normalTensor(random, dims)
  const value = float32([], [0.7])
  if (mode !== 'wrap' && random.below(3) === 0)
    return { opset: 10, inputs: [x], attributes: { mode, pads: amounts, value: float(0.7) } }
  if (mode === 'constant' && random.below(2) === 0) {
    const axis = randomAxis(random, dims.length)
    return {
      inputs: [x, int64([1, 2]), value, int64([axis])],
      constants: [1, 2, 3],
      attributes: { mode },
    }
  }
  const constants = random.below(3) === 0 ? [2] : [1, 2]
  return mode === 'constant'
    ? { inputs: [x, int64(amounts), value], constants, attributes: { mode } }
    : { inputs: [x, int64(amounts)], constants, attributes: { mode } }
}

export const cases: OperatorCases = {
  Pad: {
    gradient: vaguely(pad),
    growth: [
      grows('as PyTorch computes it', (b) => {
        const given = b.op(
          'Concat',
          [b.ints(2, 3), b.op('ConstantOfShape', [b.ints(2)], { value: int64([0]) })],
          { axis: 0 },
        )
        const pairs = b.op('Reshape', [given, b.ints(-1, 2)])
        const turned = b.op('Slice', [pairs, b.ints(-1), b.ints(-(2 ** 31)), b.ints(0), b.ints(-1)])
        const flat = b.op('Reshape', [b.op('Transpose', [turned], { perm: [1, 0] }), b.ints(-1)])
        return b.read(b.op('Pad', [b.dense(), flat]), 1)
      }),
      grows('by amounts that were split and joined', (b) => {
        const [channels, rows, columns] = b.outputs(
          'Split',
          [b.ints(0, 0, 1, 2, 3, 1), b.ints(2, 2, 2)],
          { axis: 0 },
          3,
        )
        const [[n, c], [top, bottom], [left, right]] = [channels, rows, columns].map((pair) =>
          b.outputs('Split', [pair!, b.ints(1, 1)], { axis: 0 }, 2),
        ) as [string[], string[], string[]]
        const pads = b.op('Concat', [n!, c!, top!, left!, n!, c!, bottom!, right!], { axis: 0 })
        return b.read(b.op('Pad', [b.conv(), pads]), 1)
      }),
      grows('of the units with a constant', (b) =>
        b.read(b.op('Pad', [b.dense(), b.ints(0, 2, 0, 3), b.number(0.5)]), 1),
      ),
      grows('of the units in a shortcut', (b) => {
        const padded = b.op('Pad', [b.dense(), b.ints(0, 1, 0, 2)])
        return b.read(b.op('Add', [padded, b.dense('wide', WIDTH + 3)]), 1)
      }),
      grows(
        'of the image with attributes',
        (b) =>
          b.read(b.op('Pad', [b.conv()], { pads: [0, 0, 1, 0, 0, 0, 0, 2], value: float(1) }), 1),
        { opset: 10 },
      ),
      grows('of the image by reflection', (b) =>
        b.read(b.op('Pad', [b.conv(), b.ints(0, 0, 1, 1, 0, 0, 2, 2)], { mode: 'reflect' }), 1),
      ),
      refuses('of the units by reflection', /reflect/, (b) =>
        b.read(b.op('Pad', [b.dense(), b.ints(0, 1, 0, 1)], { mode: 'reflect' }), 1),
      ),
    ],
  },
}
