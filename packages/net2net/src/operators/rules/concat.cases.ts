/** Test cases of Concat. */
import { grows } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape, between, randomAxis } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const concat: Draw = (random) => {
  const dims = anyShape(random)
  const axis = randomAxis(random, dims.length)
  const at = axis < 0 ? axis + dims.length : axis
  const inputs = Array.from({ length: between(random, 1, 4) }, () =>
    normalTensor(
      random,
      dims.map((size, k) => (k === at ? between(random, 1, 3) : size)),
    ),
  )
  return { inputs, attributes: { axis } }
}

export const cases: OperatorCases = {
  Concat: {
    gradient: vaguely(concat),
    growth: [
      grows('of two layers and one twice', (b) => {
        const [h, other] = [b.dense(), b.dense('other', 3)]
        return b.read(b.op('Concat', [h, other, h], { axis: 1 }), 1)
      }),
      grows('on another axis', (b) => {
        const h = b.dense()
        return b.read(b.op('Concat', [h, b.dense('other')], { axis: 0 }), 1)
      }),
    ],
  },
}
