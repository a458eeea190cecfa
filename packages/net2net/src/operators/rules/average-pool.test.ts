import { describe, test } from 'vitest'
import { drawWindow } from '../../../testing/draw.ts'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'

describe('the gradient of AveragePool', () => {
  for (const rank of [1, 2, 3])
    test(`over ${rank} spatial axes`, () =>
      checkGradients({
        draws: 30,
        seed: rank,
        draw(random) {
          const opset = random.below(2) ? 18 : 19
          const { space, kernel, attributes } = drawWindow(random, rank, {
            pooling: true,
            dilate: opset === 19,
          })
          const dims = [1 + random.below(2), 1 + random.below(3), ...space]
          return oneNode({
            op: 'AveragePool',
            opset,
            attributes: {
              ...attributes,
              kernel_shape: kernel,
              count_include_pad: random.below(2),
              ceil_mode: attributes.auto_pad ? undefined : random.below(2),
            },
            inputs: [normalTensor(random, dims)],
            shapes: random.below(2) ? { 0: ['n', ...dims.slice(1)] } : {},
          })
        },
      }))
})

test('the gradient of LpPool', () =>
  checkGradients({
    draws: 30,
    draw(random) {
      const { space, kernel, attributes } = drawWindow(random, 2, {
        pooling: true,
        dilate: false,
      })
      return oneNode({
        op: 'LpPool',
        attributes: { ...attributes, kernel_shape: kernel, p: 1 + random.below(3) },
        inputs: [normalTensor(random, [2, 2, ...space], { shift: 0.5 })],
      })
    },
  }))
