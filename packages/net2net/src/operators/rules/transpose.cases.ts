/** Test cases of Transpose. */
import { grows } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { permutation } from '../../tensor/random.ts'

const transpose: Draw = (random) => {
  const dims = anyShape(random)
  const perm = random.below(4) === 0 ? undefined : Array.from(permutation(dims.length, random))
  return { inputs: [normalTensor(random, dims)], attributes: { perm } }
}

export const cases: OperatorCases = {
  Transpose: {
    gradient: vaguely(transpose),
    growth: [
      grows('to NHWC', (b) => b.read(b.op('Transpose', [b.conv()], { perm: [0, 2, 3, 1] }), 3)),
    ],
  },
}
