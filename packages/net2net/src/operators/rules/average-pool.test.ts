import { expect, test } from 'vitest'
import { checkGradients, normalTensor, oneNode } from '../../../testing/gradient-check.ts'
import { gradientOperators } from '../../../testing/gradient-operators.ts'
import type { Target } from '../contract/gradient.ts'

const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }

test('overlapping windows of images that fill blocks are spread channel by channel, in blocks', () => {
  const operators = (target: Target, channels: number) =>
    gradientOperators(
      target,
      { x: [2, channels, 8, 8] },
      (emitter) => emitter.op('AveragePool', ['x'], { ...attributes, count_include_pad: 1 }),
      ['x'],
    )
  const inBlocks = operators('onnxruntime-cpu', 16)
  expect(inBlocks).toContain('ConvTranspose')
  expect(inBlocks).not.toContain('Reshape')
  // Each channel of each sample is a sample elsewhere: one kernel serves all.
  for (const others of [operators('onnxruntime-cpu', 6), operators('standard', 16)])
    expect(others).toContain('Reshape')
})

test.each([1, 2, 3])(
  'windows side by side along %i axes are filled without a convolution',
  (rank) => {
    const operators = (size: number, stride: number) =>
      gradientOperators(
        'onnxruntime-cpu',
        { x: [2, 6, ...Array<number>(rank).fill(size)] },
        (emitter) =>
          emitter.op('AveragePool', ['x'], {
            kernel_shape: Array<number>(rank).fill(2),
            strides: Array<number>(rank).fill(stride),
          }),
        ['x'],
      )
    expect(operators(8, 2)).toContain('MatMul')
    expect(operators(8, 2)).not.toContain('ConvTranspose')
    // What the last window leaves has to be zero.
    expect(operators(9, 2)).toContain('ConvTranspose')
  },
)

test('it is the gradient', () =>
  checkGradients({
    draws: 6,
    targets: ['onnxruntime-cpu'],
    draw: (random) =>
      oneNode({
        op: 'AveragePool',
        attributes: { ...attributes, count_include_pad: random.below(2) },
        inputs: [normalTensor(random, [2, 8, 5 + random.below(3), 6 + random.below(3)])],
      }),
  }))
