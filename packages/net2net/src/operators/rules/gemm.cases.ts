/** Test cases of Gemm. */
import { deepens, grows, WIDTH } from '../../../testing/bench.ts'
import { type Draw, type OperatorCases, someSymbols } from '../../../testing/cases.ts'
import { anyOf } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

const gemm: Draw = (random, index) => {
  const [m, k, n] = [1, 2, 3].map(() => 1 + random.below(5)) as [number, number, number]
  const transA = random.below(2)
  const transB = random.below(2)
  const biases = [undefined, [], [1], [n], [1, n], [m, 1], [m, n], [1, 1]]
  const bias = biases[index % biases.length]
  return {
    attributes: {
      transA,
      transB,
      alpha: float(0.5 + random.uniform()),
      beta: float(random.below(2) ? 1 : 0.3),
    },
    inputs: [
      normalTensor(random, transA ? [k, m] : [m, k]),
      normalTensor(random, transB ? [n, k] : [k, n]),
      bias && normalTensor(random, bias),
    ],
  }
}

export const cases: OperatorCases = {
  Gemm: {
    shapes(random) {
      const [m = 1, k = 1, n = 1] = [0, 0, 0].map(() => 1 + random.below(5))
      const [transA, transB] = [random.below(2), random.below(2)]
      const a = transA ? [k, m] : [m, k]
      return {
        opset: anyOf(random, [7, 9, 11, 18]),
        attributes: { transA, transB },
        inputs: [
          normalTensor(random, a),
          normalTensor(random, transB ? [n, k] : [k, n]),
          normalTensor(random, anyOf(random, [[n], [1], [1, n], [m, 1]])),
        ],
        shapes: someSymbols(random, a),
      }
    },
    gradient: [{ draw: gemm, draws: 40 }],
    growth: [
      deepens('with a transposed weight, scaled', (b) => {
        const attributes = { transB: 1, alpha: float(0.5), beta: float(2) }
        return b.op('Gemm', ['x', b.weight(WIDTH, 6), b.weight(WIDTH)], attributes, {
          name: 'grown',
        })
      }),

      grows('over the flattened image', (b) => {
        const flat = b.op('Flatten', [b.op('Relu', [b.conv()])])
        const weights = [b.weight(7, 20 * WIDTH), b.weight(7)]
        return b.op('Gemm', [flat, ...weights], { transB: 1, alpha: float(0.5), beta: float(2) })
      }),
      grows('with a scalar bias', (b) => {
        const pooled = b.op('Flatten', [b.op('GlobalMaxPool', [b.conv()])])
        return b.op('Gemm', [pooled, b.weight(WIDTH, 7), b.weight(1)])
      }),
      grows('its own units', (b) => b.read(b.op('Tanh', [b.dense()]), 1)),
      grows('with its weight on the left, transposed', (b) => {
        const h = b.op(
          'Gemm',
          [b.weight(6, WIDTH), 'x'],
          { transA: 1, transB: 1 },
          { name: 'grown' },
        )
        return b.read(h, 0)
      }),
    ],
  },
}
