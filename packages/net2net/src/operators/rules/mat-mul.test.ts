import { test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'

test('the gradient of MatMul: matrices, vectors, batches and broadcasting', () =>
  checkGradients({
    draws: 60,
    draw(random) {
      const [m, k, n, b, c] = Array.from({ length: 5 }, () => 1 + random.below(4)) as number[]
      const lefts = [[k], [m, k], [b, m, k], [1, m, k], [c, b, m, k], [c, 1, m, k]]
      const rights = [[k], [k, n], [b, k, n], [1, k, n], [c, b, k, n], [1, b, k, n]]
      const left = lefts[random.below(lefts.length)]! as number[]
      const right = rights[random.below(rights.length)]! as number[]
      return oneNode({
        op: 'MatMul',
        inputs: [normalTensor(random, left), normalTensor(random, right)],
        shapes: random.below(2) && left.length > 2 ? { 0: ['batch', ...left.slice(1)] } : {},
      })
    },
  }))
