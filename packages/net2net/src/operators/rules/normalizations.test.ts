import { describe, test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'

test('the gradient of LayerNormalization', () =>
  checkGradients({
    draws: 30,
    draw(random) {
      const dims = Array.from({ length: 1 + random.below(4) }, () => 2 + random.below(3))
      const axis = random.below(dims.length)
      const rest = dims.slice(axis)
      return oneNode({
        op: 'LayerNormalization',
        attributes: { axis: random.below(2) ? axis : axis - dims.length, epsilon: float(1e-3) },
        inputs: [
          normalTensor(random, dims),
          normalTensor(random, rest),
          ...(random.below(2) ? [normalTensor(random, rest)] : []),
        ],
      })
    },
  }))

for (const [op, opset] of [
  ['RMSNormalization', 23],
  ['SimplifiedLayerNormalization', 18],
] as const)
  test(`the gradient of ${op}`, () =>
    checkGradients({
      draws: 20,
      draw(random) {
        const dims = Array.from({ length: 1 + random.below(3) }, () => 2 + random.below(3))
        return oneNode({
          op,
          opset,
          attributes: { axis: -1, epsilon: float(1e-3) },
          inputs: [normalTensor(random, dims), normalTensor(random, dims.slice(-1))],
        })
      },
    }))

test('the gradient of InstanceNormalization', () =>
  checkGradients({
    draws: 20,
    draw(random) {
      const space = Array.from({ length: 1 + random.below(3) }, () => 2 + random.below(3))
      const channels = 1 + random.below(3)
      return oneNode({
        op: 'InstanceNormalization',
        attributes: { epsilon: float(1e-3) },
        inputs: [
          normalTensor(random, [2, channels, ...space]),
          normalTensor(random, [channels]),
          normalTensor(random, [channels]),
        ],
      })
    },
  }))

describe('the gradient of GroupNormalization', () => {
  for (const opset of [18, 21])
    test(`in operator set ${opset}`, () =>
      checkGradients({
        draws: 20,
        draw(random) {
          const space = Array.from({ length: 1 + random.below(2) }, () => 2 + random.below(3))
          const groups = 1 + random.below(3)
          const channels = groups * (1 + random.below(3))
          const vector = [opset < 21 ? groups : channels]
          return oneNode({
            op: 'GroupNormalization',
            opset,
            attributes: { num_groups: groups, epsilon: float(1e-3) },
            inputs: [
              normalTensor(random, [2, channels, ...space]),
              normalTensor(random, vector),
              normalTensor(random, vector),
            ],
          })
        },
      }))
})

test('the gradient of LRN', () =>
  checkGradients({
    draws: 20,
    draw(random) {
      const space = [1 + random.below(3), 1 + random.below(3)]
      return oneNode({
        op: 'LRN',
        attributes: {
          size: 1 + 2 * random.below(3),
          alpha: float(0.3),
          beta: float(0.5 + random.uniform()),
          bias: float(1 + random.uniform()),
        },
        inputs: [normalTensor(random, [2, 1 + random.below(6), ...space])],
      })
    },
  }))
