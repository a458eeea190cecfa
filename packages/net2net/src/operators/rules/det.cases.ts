/** Test cases of Det. */
import { refuses } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'
import { between, randomShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

export const cases: OperatorCases = {
  Det: {
    gradient(random) {
      const size = between(random, 1, 4)
      const batch = randomShape(random, between(random, 0, 2), 3)
      const x = normalTensor(random, [...batch, size, size])
      // Rows that are equal: there is no inverse.
      if (random.below(3) === 0 && size > 1) {
        const data = x.data as Float32Array
        data.copyWithin(size, 0, size)
      }
      return {
        inputs: [x],
        shapes: random.below(2) ? { 0: [...batch.map((_, k) => `s${k}`), size, size] } : {},
      }
    },
    growth: [
      refuses('of units', /determinant/, (b) => {
        const square = b.op('Reshape', [b.dense(), b.ints(-1, 2, 2)])
        return b.op('Unsqueeze', [b.op('Det', [square]), b.ints(1)])
      }),
    ],
  },
}
