import { test } from 'vitest'
import { distinctTensor } from '../../../testing/draw.ts'
import { checkGradients, oneNode } from '../../../testing/gradient-check.ts'

for (const op of ['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'])
  test(`the gradient of ${op}`, () =>
    checkGradients({
      draws: 20,
      draw(random) {
        const space = Array.from({ length: 1 + random.below(3) }, () => 1 + random.below(4))
        const dims = [1 + random.below(2), 1 + random.below(3), ...space]
        return oneNode({
          op,
          attributes: { p: op === 'GlobalLpPool' ? 1 + random.below(3) : undefined },
          inputs: [distinctTensor(random, dims)],
          shapes: random.below(2) ? { 0: ['n', dims[1]!, ...space.map((_, i) => `s${i}`)] } : {},
        })
      },
    }))
