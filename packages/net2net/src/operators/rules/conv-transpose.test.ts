import { describe, test } from 'vitest'
import { drawTransposed } from '../../../testing/draw.ts'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'

describe('the gradient of ConvTranspose', () => {
  for (const rank of [1, 2, 3])
    test(`over ${rank} spatial axes`, () =>
      checkGradients({
        draws: 30,
        seed: rank,
        draw(random, index) {
          const { x, w, group, attributes } = drawTransposed(random, rank)
          const bias = index % 2 === 0 ? normalTensor(random, [w[1]! * group]) : undefined
          return oneNode({
            op: 'ConvTranspose',
            attributes,
            inputs: [normalTensor(random, x), normalTensor(random, w), bias],
          })
        },
      }))
})
