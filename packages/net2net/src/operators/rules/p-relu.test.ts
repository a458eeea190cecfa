import { expect, test } from 'vitest'
import { oneNode } from '../../../testing/gradient-check.ts'
import { gradientOperators } from '../../../testing/gradient-operators.ts'
import { float32 } from '../../tensor/tensor.ts'
import type { Target } from '../contract/gradient.ts'
import { pRelu } from './p-relu.ts'

test('PRelu is idempotent for slopes 0 and 1 only', () => {
  const model = oneNode({ op: 'PRelu', inputs: [float32([2], [1, 2]), float32([2], [0, 1])] }).model
  const node = model.graph.nodes[0]!
  const idempotent = (values: readonly number[]) =>
    pRelu.growth!.activation!.idempotent(node, () => float32([values.length], values))
  expect(idempotent([0, 1])).toBe(true)
  expect(idempotent([0, 0.25])).toBe(false)
  expect(pRelu.growth!.activation!.idempotent(node, () => undefined)).toBe(false)
})

test('its gradient is computed by masks on processors, which images in blocks have kernels for', () => {
  const operators = (target: Target) =>
    gradientOperators(
      target,
      { x: [2, 16, 4, 4], slope: [16, 1, 1] },
      (emitter) => emitter.op('PRelu', ['x', 'slope']),
      ['x', 'slope'],
    )
  expect(operators('onnxruntime-cpu')).not.toContain('Where')
  expect(operators('onnxruntime-cpu')).toContain('HardSigmoid')
  expect(operators('standard')).toContain('Where')
})
