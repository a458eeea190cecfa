import { test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

test('the gradient of Gemm', () =>
  checkGradients({
    draws: 40,
    draw(random, index) {
      const [m, k, n] = [1, 2, 3].map(() => 1 + random.below(5)) as [number, number, number]
      const transA = random.below(2)
      const transB = random.below(2)
      const biases = [undefined, [], [1], [n], [1, n], [m, 1], [m, n], [1, 1]]
      const bias = biases[index % biases.length]
      return oneNode({
        op: 'Gemm',
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
      })
    },
  }))
