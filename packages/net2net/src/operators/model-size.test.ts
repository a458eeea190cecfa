import { expect, test } from 'vitest'
import { GraphBuilder } from '../model/builder.ts'
import { float32 } from '../tensor/tensor.ts'
import { countMultiplyAdds } from './model-size.ts'

const zeros = (...dims: readonly number[]) =>
  float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)))

test.each([
  ['LSTM', 4],
  ['GRU', 3],
  ['RNN', 1],
])('counts what %s multiplies at each step, in both directions', (op, gates) => {
  const [sequence, input, hidden, directions] = [7, 5, 6, 2]
  const b = new GraphBuilder()
  const x = b.input('x', 'float32', [sequence, 'batch', input])
  const w = b.initializer('w', zeros(directions, gates * hidden, input))
  const r = b.initializer('r', zeros(directions, gates * hidden, hidden))
  b.output(b.node(op, [x, w, r], { direction: 'bidirectional', hidden_size: hidden }))
  // The batch is no leading axis here: without it the count is not known.
  expect(countMultiplyAdds(b.model())).toBeNull()
  const { graph } = b.model()
  const single = {
    ...b.model(),
    graph: {
      ...graph,
      inputs: [
        {
          name: 'x',
          type: { kind: 'tensor' as const, dtype: 'float32' as const, shape: [sequence, 1, input] },
        },
      ],
    },
  }
  expect(countMultiplyAdds(single)).toBe(sequence * directions * gates * hidden * (input + hidden))
})

test('counts a convolution that a runtime has fused as one that it has not', () => {
  const count = (op: string, domain?: string) => {
    const b = new GraphBuilder()
    const x = b.input('x', 'float32', ['n', 3, 8, 8])
    const w = b.initializer('w', zeros(4, 3, 3, 3))
    b.output(b.node(op, [x, w], {}, domain === undefined ? {} : { domain }))
    return countMultiplyAdds(b.model())
  }
  expect(count('Conv')).toBe(4 * 3 * 9 * 36)
  expect(count('FusedConv', 'com.microsoft')).toBe(count('Conv'))
})
