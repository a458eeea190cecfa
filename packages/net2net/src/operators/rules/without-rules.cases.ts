/** Test cases of operators that have no rules. */
import { refuses } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'

export const cases: OperatorCases = {
  DynamicQuantizeLinear: {
    growth: [
      refuses('of the units', /quantized/, (b) => {
        const [values] = b.outputs('DynamicQuantizeLinear', [b.dense()], {}, 3)
        return b.read(b.op('Cast', [values!], { to: 1 }), 1)
      }),
    ],
  },
}
