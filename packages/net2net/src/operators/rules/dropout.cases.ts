/** Test cases of Dropout. */
import { grows } from '../../../testing/bench.ts'
import { type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'

export const cases: OperatorCases = {
  Dropout: {
    shapes(random) {
      const dims = [2, 1 + random.below(4)]
      const opset = anyOf(random, [7, 10, 12, 13])
      return {
        opset,
        inputs: [normalTensor(random, dims)],
        shapes: someSymbols(random, dims),
        outputs: opset >= 10 ? 1 + random.below(2) : 1,
      }
    },
    // Nothing is dropped outside of training.
    gradient: (random) => ({ inputs: [normalTensor(random, [2, 1 + random.below(4)])] }),
    growth: [grows('of the channels', (b) => b.read(b.op('Dropout', [b.conv()]), 1))],
  },
}
