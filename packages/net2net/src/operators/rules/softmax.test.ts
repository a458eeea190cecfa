import { test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'

for (const op of ['Softmax', 'LogSoftmax'])
  test(`the gradient of ${op}`, () =>
    checkGradients({
      draws: 20,
      draw(random) {
        const dims = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(4))
        const axis = random.below(dims.length)
        return oneNode({
          op,
          attributes: { axis: random.below(2) ? axis : axis - dims.length },
          inputs: [normalTensor(random, dims)],
        })
      },
    }))
