/** Test cases of DFT. */
import { grows, refuses } from '../../../testing/bench.ts'
import type { NodeCase, OperatorCases } from '../../../testing/cases.ts'
import { anyOf, between, randomShape } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { scalar } from '../../tensor/tensor.ts'

const anyTransform: NodeCase = {
  linear: true,
  draw(random) {
    const dims = randomShape(random, between(random, 2, 3), 5)
    const axis = random.below(dims.length)
    const parts = 1 + random.below(2)
    const onesided = parts === 1 && random.below(2) === 1 ? 1 : 0
    const opset = anyOf(random, [17, 20])
    const axisInput = opset < 20 ? [] : [scalar('int64', axis)]
    const length = random.below(2) === 0 ? scalar('int64', between(random, 1, 7)) : undefined
    return {
      opset,
      attributes: {
        axis: opset < 20 ? axis : undefined,
        onesided,
        inverse: onesided === 1 ? 0 : random.below(2),
      },
      inputs: [normalTensor(random, [...dims, parts]), length, ...axisInput],
      constants: [1, 2],
    }
  },
}

export const cases: OperatorCases = {
  DFT: {
    gradient: [anyTransform],
    growth: [
      grows(
        'beside the signal',
        (b) => {
          const signals = b.op('Reshape', [b.conv(), b.ints(0, 0, -1, 1)])
          const spectrum = b.op('DFT', [signals, b.index(8), b.index(2)])
          return b.read(b.op('Reshape', [spectrum, b.ints(0, 0, -1)]), 1)
        },
        { opset: 20 },
      ),
      refuses(
        'of the signal',
        /transforms along it/,
        (b) => {
          const signals = b.op('Unsqueeze', [b.dense(), b.ints(2)])
          return b.read(b.op('DFT', [signals, '', b.index(1)]), 1)
        },
        { opset: 20 },
      ),
    ],
  },
}
