/** Test cases of Identity, Cast and CastLike. */
import { grows } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float32 } from '../../tensor/tensor.ts'

const unchanged: Draw = (random) => ({ inputs: [normalTensor(random, anyShape(random))] })

export const cases: OperatorCases = {
  Identity: {
    gradient: vaguely(unchanged),
    growth: [grows('of the units', (b) => b.read(b.op('Identity', [b.dense()]), 1))],
  },
  Cast: {
    gradient: vaguely((random, index) => ({ ...unchanged(random, index), attributes: { to: 1 } })),
    growth: [
      grows('to whole numbers and back', (b) => {
        const whole = b.op('Cast', [b.op('Mul', [b.dense(), b.number(5)])], { to: 6 })
        return b.read(b.op('Cast', [whole], { to: 1 }), 1)
      }),
    ],
  },
  CastLike: {
    gradient: vaguely((random) => ({
      inputs: [normalTensor(random, anyShape(random)), float32([], [0])],
      constants: [1],
    })),
    growth: [
      grows('Identity, Cast and CastLike', (b) => {
        const double = b.op('Cast', [b.op('Identity', [b.dense()])], { to: 11 })
        return b.read(b.op('CastLike', [double, b.number(0)]), 1)
      }),
    ],
  },
}
