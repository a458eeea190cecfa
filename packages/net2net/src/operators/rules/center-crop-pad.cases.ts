/** Test cases of CenterCropPad. */
import { grows, refuses } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { between, randomShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { int64 } from '../../tensor/tensor.ts'

const images: Draw = (random) => {
  const dims = randomShape(random, 3, 5)
  const named = random.below(2) === 0 ? undefined : [-1, 0]
  const sizes = (named ?? dims).map(() => between(random, 1, 6))
  return {
    attributes: { axes: named },
    inputs: [normalTensor(random, dims), int64(sizes)],
    constants: random.below(2) === 0 ? [1] : [],
  }
}

export const cases: OperatorCases = {
  CenterCropPad: {
    gradient: vaguely(images),
    growth: [
      grows('of the channels', (b) =>
        b.read(b.op('CenterCropPad', [b.conv(), b.ints(3, 7)], { axes: [2, 3] }), 1),
      ),
      refuses('of the units', /takes its middle/, (b) =>
        b.read(b.op('CenterCropPad', [b.dense(), b.ints(3)], { axes: [1] }), 1),
      ),
    ],
  },
}
