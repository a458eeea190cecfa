/** Test cases of LpNormalization. */
import { grows, refuses } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, anyShape, awayFromZero, randomAxis } from '../../../testing/draws.ts'

const lpNormalization: Draw = (random) => {
  const dims = anyShape(random)
  return {
    opset: anyOf(random, [18, 22]),
    attributes: { axis: randomAxis(random, dims.length), p: anyOf(random, [1, 2, undefined]) },
    inputs: [awayFromZero(random, dims)],
  }
}

export const cases: OperatorCases = {
  LpNormalization: {
    gradient: vaguely(lpNormalization),
    growth: [
      grows('over positions', (b) =>
        b.read(b.op('LpNormalization', [b.conv()], { axis: 2, p: 1 }), 1),
      ),
      refuses('over the units', /LpNormalization .*takes the norm over it/, (b) =>
        b.read(b.op('LpNormalization', [b.dense()]), 1),
      ),
    ],
  },
}
