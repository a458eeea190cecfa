import { expect, test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { gradientOperators } from '../../../testing/gradient-operators.ts'
import type { Emitter, Target } from '../contract/gradient.ts'

/** The operator that computes the gradient of images [4, C, 14, 14] by a kernel of 5 × 5. */
function operatorFor(channels: number, filters: number, target: Target, group = 1) {
  const inputs = { x: [4, channels, 14, 14], w: [filters, channels / group, 5, 5] }
  const convolved = (emitter: Emitter) =>
    emitter.op('Conv', ['x', 'w'], { kernel_shape: [5, 5], group })
  const emitted = gradientOperators(target, inputs, convolved, ['x'])
  return emitted.find((name) => name.startsWith('Conv'))
}

test('the gradient of images of few channels adds columns, where there are fewer than to lay out', () => {
  expect(operatorFor(6, 16, 'onnxruntime-cpu')).toBe('ConvTranspose')
  // The outputs are as many.
  expect(operatorFor(6, 8, 'onnxruntime-cpu')).toBe('Conv')
  expect(operatorFor(6, 24, 'onnxruntime-cpu', 2)).toBe('Conv')
  // In blocks a convolution is faster.
  expect(operatorFor(16, 64, 'onnxruntime-cpu')).toBe('Conv')
  // Measured in native code alone.
  expect(operatorFor(6, 16, 'standard')).toBe('Conv')
})

test('it is the same gradient', () =>
  checkGradients({
    draws: 6,
    targets: ['onnxruntime-cpu'],
    draw: (random) => {
      const [channels, filters] = [1 + random.below(3), 13 + random.below(4)]
      const [kernel, dilation] = [2 + random.below(2), 1 + random.below(2)]
      const pads = Array.from({ length: 4 }, () => random.below(2))
      return oneNode({
        op: 'Conv',
        attributes: { kernel_shape: [kernel, kernel], dilations: [dilation, dilation], pads },
        inputs: [
          normalTensor(random, [2, channels, 7, 6 + random.below(2)]),
          normalTensor(random, [filters, channels, kernel, kernel]),
        ],
      })
    },
  }))
