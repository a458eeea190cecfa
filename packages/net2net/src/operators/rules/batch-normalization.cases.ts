/** Test cases of BatchNormalization. */
import { type Bench, grows, WIDTH } from '../../../testing/bench.ts'
import { type NodeCase, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import { float32 } from '../../tensor/tensor.ts'

const normalized = (training_mode: 0 | 1): NodeCase => ({
  what: training_mode ? 'with statistics of the batch' : 'with stored statistics',
  draw(random) {
    const space = Array.from({ length: random.below(4) }, () => 2 + random.below(3))
    const dims = [3 + random.below(2), 1 + random.below(3), ...space]
    const vector = [dims[1]!]
    return {
      attributes: { training_mode, epsilon: float(1e-3) },
      inputs: [
        normalTensor(random, dims),
        normalTensor(random, vector),
        normalTensor(random, vector),
        normalTensor(random, vector),
        uniformTensor(random, vector, 0.5, 2),
      ],
      // The running statistics of training mode are no part of the function.
      ...(training_mode ? { outputs: 3, observed: ['y0'] } : {}),
    }
  },
})

/** Scale, shift and mean of either sign, and a positive variance. */
const statistics = (b: Bench) => [
  ...Array.from({ length: 3 }, () => b.weight(WIDTH)),
  b.constant(float32([WIDTH], [0.5, 1, 1.5, 2])),
]

export const cases: OperatorCases = {
  BatchNormalization: {
    shapes(random) {
      const space = Array.from({ length: random.below(4) }, () => 1 + random.below(3))
      const dims = [2, 3, ...space]
      const opset = anyOf(random, [7, 9, 14, 15])
      const training = opset >= 14 && random.below(2) === 1
      const vector = () => float32([3], [1, 2, 3])
      return {
        opset,
        attributes: { training_mode: training ? 1 : undefined },
        inputs: [normalTensor(random, dims), vector(), vector(), vector(), vector()],
        shapes: someSymbols(random, dims),
        outputs: training ? 3 : 1,
      }
    },
    gradient: [normalized(0), normalized(1)],
    growth: [
      grows('with stored statistics', (b) =>
        b.read(b.op('BatchNormalization', [b.conv(), ...statistics(b)]), 1),
      ),
      grows(
        'with statistics of the batch',
        (b) => {
          const inputs = [b.conv(), ...statistics(b)]
          const [y] = b.outputs('BatchNormalization', inputs, { training_mode: 1 }, 3)
          return b.read(y!, 1)
        },
        { unread: ['BatchNormalization 3', 'BatchNormalization 4'] },
      ),
    ],
  },
}
