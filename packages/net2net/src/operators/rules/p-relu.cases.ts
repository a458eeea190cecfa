/** Test cases of PRelu. */
import { grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { anyOf, distinctTensor } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const pRelu: Draw = (random) => {
  const dims = [2, 3, 1 + random.below(3), 1 + random.below(3)]
  const slope = anyOf(random, [[1], [3, 1, 1], [1, 3, 1, 1], dims])
  return { inputs: [distinctTensor(random, dims), distinctTensor(random, slope)] }
}

export const cases: OperatorCases = {
  PRelu: {
    shapes: (random) => ({
      inputs: [normalTensor(random, [2, 3, 4]), normalTensor(random, [3, 1])],
      shapes: someSymbols(random, [2, 3, 4]),
    }),
    gradient: pRelu,
    growth: [
      grows('with a slope per channel', (b) =>
        b.read(b.op('PRelu', [b.conv(), b.weight(WIDTH, 1, 1)]), 1),
      ),
      grows('with one slope', (b) => b.read(b.op('PRelu', [b.conv(), b.weight(1)]), 1)),
    ],
  },
}
