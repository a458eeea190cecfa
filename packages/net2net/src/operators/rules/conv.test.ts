import { describe, test } from 'vitest'
import { drawConvolution } from '../../../testing/draw.ts'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'

describe('the gradient of Conv', () => {
  for (const rank of [1, 2, 3])
    test(`over ${rank} spatial axes`, () =>
      checkGradients({
        draws: 25,
        seed: rank,
        draw(random, index) {
          const { x, w, attributes } = drawConvolution(random, rank)
          const bias = index % 2 === 0 ? normalTensor(random, [w[0]!]) : undefined
          return oneNode({
            op: 'Conv',
            attributes,
            inputs: [normalTensor(random, x), normalTensor(random, w), bias],
          })
        },
      }))

  test('with symbolic sizes', () =>
    checkGradients({
      draws: 20,
      draw(random) {
        const { x, w, attributes } = drawConvolution(random, 2, { auto: false })
        return oneNode({
          op: 'Conv',
          attributes,
          inputs: [normalTensor(random, x), normalTensor(random, w)],
          shapes: { 0: ['n', x[1]!, 'h', 'w'] },
        })
      },
    }))
})
