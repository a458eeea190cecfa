/** Test cases of Where. */
import { grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, vaguely } from '../../../testing/cases.ts'
import { between, bool, broadcastable, randomShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

const choices: Draw = (random) => {
  const full = randomShape(random, between(random, 0, 4), 3)
  const shapes = [full, broadcastable(random, full), broadcastable(random, full)]
  const turn = random.below(3)
  const [c, a, b] = [0, 1, 2].map((i) => shapes[(i + turn) % 3]!)
  return { inputs: [bool(random, c!), normalTensor(random, a!), normalTensor(random, b!)] }
}

export const cases: OperatorCases = {
  Where: {
    gradient: vaguely(choices),
    growth: [
      grows('chooses between the units and a constant', (b) => {
        const h = b.dense()
        const condition = b.op('Greater', [h, b.weight(WIDTH)])
        return b.read(b.op('Where', [condition, h, b.weight(1, WIDTH)]), 1)
      }),
    ],
  },
}
