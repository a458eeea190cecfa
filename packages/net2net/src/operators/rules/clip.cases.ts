/** Test cases of Clip. */
import { grows } from '../../../testing/bench.ts'
import { type Draw, type DrawnNode, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { anyOf, anyShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import { float32 } from '../../tensor/tensor.ts'

/** Bounds as inputs, or as attributes in old operator sets. */
const clip: Draw = (random) => {
  const [low, high] = [-0.7 - random.uniform(), 0.7 + random.uniform()]
  const x = normalTensor(random, anyShape(random, 1, 3), { scale: 2 })
  if (random.below(3) === 0)
    return {
      opset: 10,
      attributes: anyOf(random, [{ min: float(low), max: float(high) }, { max: float(high) }]),
      inputs: [x],
    }
  const bound = (value: number) => float32([], [value])
  const inputs = anyOf<DrawnNode['inputs']>(random, [
    [x, bound(low), bound(high)],
    [x, undefined, bound(high)],
    [x, bound(low)],
    [x],
  ])
  return { inputs, constants: [1, 2] }
}

export const cases: OperatorCases = {
  Clip: {
    gradient: vaguely(clip),
    growth: [
      grows('of the units without bounds', (b) => b.read(b.op('Clip', [b.dense()]), 1)),
      grows('of the units with bounds', (b) =>
        b.read(b.op('Clip', [b.dense(), b.number(-0.5), b.number(0.5)]), 1),
      ),
    ],
  },
}
