/** Test cases of Constant. */
import { grows, WIDTH } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'
import { fillTensor } from '../../tensor/fill.ts'

export const cases: OperatorCases = {
  Constant: {
    growth: [
      grows('holds a bias per unit', (b) => {
        const value = fillTensor({ kind: 'uniform', limit: 1 }, 'float32', [WIDTH], 3)
        return b.read(b.op('Add', [b.dense(), b.op('Constant', [], { value })]), 1)
      }),
      grows('holds a weight that reads the units', (b) => {
        const value = fillTensor({ kind: 'uniform', limit: 1 }, 'float32', [WIDTH, 3], 4)
        return b.op('MatMul', [b.dense(), b.op('Constant', [], { value })])
      }),
    ],
  },
}
