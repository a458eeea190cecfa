import { describe, test } from 'vitest'
import { float } from '../model/attributes.ts'
import {
  checkGradients,
  normalTensor,
  oneNode,
  uniformTensor,
} from '../training/testing/gradient-check.ts'

describe('the gradient of BatchNormalization', () => {
  for (const training_mode of [0, 1])
    test(training_mode ? 'with statistics of the batch' : 'with stored statistics', () =>
      checkGradients({
        draws: 20,
        draw(random) {
          const space = Array.from({ length: random.below(4) }, () => 2 + random.below(3))
          const dims = [3 + random.below(2), 1 + random.below(3), ...space]
          const vector = [dims[1]!]
          const drawn = oneNode({
            op: 'BatchNormalization',
            attributes: { training_mode, epsilon: float(1e-3) },
            inputs: [
              normalTensor(random, dims),
              normalTensor(random, vector),
              normalTensor(random, vector),
              normalTensor(random, vector),
              uniformTensor(random, vector, 0.5, 2),
            ],
            outputs: training_mode ? 3 : 1,
          })
          // The running statistics of training mode are no part of the function.
          return training_mode ? { ...drawn, outputs: ['y0'] } : drawn
        },
      }),
    )
})
