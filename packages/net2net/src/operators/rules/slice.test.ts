import { expect, test } from 'vitest'
import { gradientOperators } from '../../../testing/gradient-operators.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { Emitter, Target } from '../contract/gradient.ts'

/** The operators of the gradient of every second entry along an axis. */
function operatorsFor(dims: readonly number[], axis: number, target: Target, step = 2) {
  const bounds = step > 0 ? [[0], [2 ** 31 - 1]] : [[-1], [-(2 ** 31)]]
  const sliced = (emitter: Emitter) => {
    const given = [...bounds, [axis], [step]].map((list) => emitter.constant(int64(list)))
    return emitter.op('Slice', ['x', ...given])
  }
  return gradientOperators(target, { x: dims }, sliced, ['x'])
}

test('entries in steps are put apart, where that costs less than to add each at its position', () => {
  expect(operatorsFor([2, 6, 16], 1, 'standard')).toContain('Pad')
  expect(operatorsFor([2, 6, 16], 1, 'standard')).not.toContain('ScatterElements')
  expect(operatorsFor([2, 6, 2], 1, 'standard')).toContain('ScatterElements')
  expect(operatorsFor([2, 256], 1, 'onnxruntime-cpu')).toEqual(['MatMul'])
  expect(operatorsFor([2, 258], 1, 'onnxruntime-cpu')).toContain('ScatterElements')
  expect(operatorsFor([2, 256], 1, 'standard')).toContain('ScatterElements')
  expect(operatorsFor([2, 6, 16], 1, 'standard', -1)).toContain('ScatterElements')
})
