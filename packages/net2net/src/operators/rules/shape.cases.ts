/** Test cases of Shape and Size. */
import { grows } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'

export const cases: OperatorCases = {
  Shape: {
    growth: [
      grows('a size as a number', (b) => {
        const h = b.dense()
        const n = b.op('Cast', [b.op('Gather', [b.op('Shape', [h]), b.index(1)])], { to: 1 })
        return b.read(b.op('Div', [h, b.op('Sqrt', [n])]), 1)
      }),
    ],
  },
  Size: {
    growth: [
      grows('as a number', (b) => {
        const h = b.dense()
        return b.read(b.op('Div', [h, b.op('Cast', [b.op('Size', [h])], { to: 1 })]), 1)
      }),
    ],
  },
}
