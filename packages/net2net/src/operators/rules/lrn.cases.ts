/** Test cases of LRN. */
import { grows, refuses } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

const lrn: Draw = (random) => {
  const space = [1 + random.below(3), 1 + random.below(3)]
  return {
    attributes: {
      size: 1 + 2 * random.below(3),
      alpha: float(0.3),
      beta: float(0.5 + random.uniform()),
      bias: float(1 + random.uniform()),
    },
    inputs: [normalTensor(random, [2, 1 + random.below(6), ...space])],
  }
}

export const cases: OperatorCases = {
  LRN: {
    shapes: (random) => ({
      attributes: { size: 3, alpha: float(1e-3) },
      inputs: [normalTensor(random, [2, 3, 4, 5])],
      shapes: someSymbols(random, [2, 3, 4, 5]),
    }),
    gradient: lrn,
    growth: [
      refuses('of the channels', /LRN .*neighbouring channels/, (b) =>
        b.read(b.op('LRN', [b.conv()], { size: 3 }), 1),
      ),
      grows('of a layer whose units became rows', (b) => {
        const rows = b.op('Transpose', [b.conv()], { perm: [0, 2, 1, 3] })
        return b.read(b.op('LRN', [rows], { size: 3, alpha: float(0.3) }), 2)
      }),
    ],
  },
}
