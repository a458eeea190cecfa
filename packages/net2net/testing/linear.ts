import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { float32 } from '../src/tensor/tensor.ts'

/** y = x · w + b, with a weight of `rows` × 100 numbers. */
export function linear(rows: number, first = 0): Model {
  const b = new GraphBuilder()
  const x = b.input('x', 'float32', ['batch', rows])
  const values = new Float32Array(rows * 100)
  for (let i = 0; i < values.length; i++) values[i] = first + i
  const weight = b.initializer('w', float32([rows, 100], values))
  const bias = b.initializer('b', float32([100], new Float32Array(100)))
  const product = b.node('MatMul', [x, weight])
  b.output(b.node('Add', [product, bias], {}, { outputs: ['y'] }), 'float32', ['batch', 100])
  return b.model()
}
