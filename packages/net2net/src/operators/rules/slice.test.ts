import { expect, test } from 'vitest'
import { backward } from '../../autodiff/backward.ts'
import { GraphEmitter } from '../../autodiff/emitter.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { Target } from '../contract/gradient.ts'

/** The operators of the gradient of every second entry along an axis. */
function operatorsFor(dims: readonly number[], axis: number, target: Target, step = 2) {
  const builder = new GraphBuilder()
  const emitter = new GraphEmitter(builder, new Map(), 18, target)
  builder.input('x', 'float32', dims)
  emitter.declare('x', { dtype: 'float32', shape: dims })
  const bounds = step > 0 ? [[0], [2 ** 31 - 1]] : [[-1], [-(2 ** 31)]]
  const inputs = [...bounds, [axis], [step]].map((list) => emitter.constant(int64(list)))
  const y = emitter.op('Slice', ['x', ...inputs])
  emitter.declare('seed', emitter.info(y))
  const { nodes } = builder.graph()
  backward(emitter, nodes, new Map([[y, 'seed']]), ['x'])
  return builder
    .graph()
    .nodes.slice(nodes.length)
    .map((node) => node.opType)
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
