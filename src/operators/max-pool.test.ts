import { describe, test } from 'vitest'
import { checkGradients, oneNode } from '../training/testing/gradient-check.ts'
import { distinctTensor, drawWindow } from './testing/draw.ts'

describe('the gradient of MaxPool', () => {
  for (const rank of [1, 2, 3])
    test(`over ${rank} spatial axes`, () =>
      checkGradients({
        draws: 30,
        seed: rank,
        draw(random) {
          const { space, kernel, attributes } = drawWindow(random, rank, { pooling: true })
          const dims = [1 + random.below(2), 1 + random.below(3), ...space]
          return oneNode({
            op: 'MaxPool',
            attributes: {
              ...attributes,
              kernel_shape: kernel,
              ceil_mode: attributes.auto_pad ? undefined : random.below(2),
            },
            inputs: [distinctTensor(random, dims)],
            shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
          })
        },
      }))
})
