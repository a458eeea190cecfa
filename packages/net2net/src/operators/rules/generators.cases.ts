/** Test cases of tensors that are made from sizes and numbers. */
import { grows, refuses } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'
import { fillTensor } from '../../tensor/fill.ts'

export const cases: OperatorCases = {
  ConstantOfShape: {
    growth: [
      grows('of a Shape', (b) => {
        const h = b.dense()
        return b.read(b.op('Add', [h, b.op('ConstantOfShape', [b.op('Shape', [h])])]), 1)
      }),
    ],
  },
  Range: {
    growth: [
      refuses('over the units', /numbers that are computed from sizes/, (b) => {
        const h = b.dense()
        const n = b.op('Gather', [b.op('Shape', [h]), b.index(1)])
        const steps = b.op('Range', [b.index(0), n, b.index(1)])
        return b.read(b.op('Mul', [h, b.op('Cast', [steps], { to: 1 })]), 1)
      }),
    ],
  },
  EyeLike: {
    growth: [
      refuses('of the units', /diagonal/, (b) => {
        const h = b.dense()
        return b.read(b.op('Add', [h, b.op('EyeLike', [h])]), 1)
      }),
    ],
  },
  OneHot: {
    growth: [
      grows('of an ArgMax over another axis', (b) => {
        const best = b.op('ArgMax', [b.conv()], { axis: 2, keepdims: 0 })
        const values = b.constant(fillTensor({ kind: 'uniform', limit: 1 }, 'float32', [2], 3))
        return b.read(b.op('OneHot', [best, b.index(5), values], { axis: -1 }), 1)
      }),
    ],
  },
}
