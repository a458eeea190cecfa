/** Test cases of ReverseSequence. */
import { BATCH, grows, refuses } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, between } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { int64 } from '../../tensor/tensor.ts'

const reverseSequence: Draw = (random) => {
  const dims = anyShape(random, 2, 4)
  const batch_axis = random.below(2)
  const time = dims[1 - batch_axis]!
  const lengths = Array.from({ length: dims[batch_axis]! }, () => between(random, 1, time))
  return {
    attributes: { batch_axis, time_axis: 1 - batch_axis },
    inputs: [normalTensor(random, dims), int64(lengths)],
    constants: random.below(2) ? [1] : [],
  }
}

export const cases: OperatorCases = {
  ReverseSequence: {
    gradient: vaguely(reverseSequence),
    growth: [
      grows('of rows of units', (b) => {
        const rows = b.op('Transpose', [b.conv()], { perm: [2, 0, 1, 3] })
        const lengths = b.ints(...Array.from({ length: BATCH }, (_, k) => 3 + k))
        return b.read(b.op('ReverseSequence', [rows, lengths]), 2)
      }),
      refuses('of the units', /reverses it/, (b) => {
        const attributes = { batch_axis: 0, time_axis: 1 }
        return b.read(b.op('ReverseSequence', [b.dense(), b.ints(2, 3)], attributes), 1)
      }),
    ],
  },
}
