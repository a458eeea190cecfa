import { expect, test } from 'vitest'
import { GraphBuilder } from '../../model/builder.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { buildStep, muon } from '../index.ts'

/** A table, a residual block, a matrix that the graph multiplies out, and a last layer with a bias of two axes. */
test('muon moves the matrices of hidden layers, and nothing else', () => {
  const builder = new GraphBuilder()
  builder.input('ids', 'int64', ['batch'])
  const parameter = (name: string, ...dims: readonly number[]) =>
    builder.initializer(
      name,
      float32(
        dims,
        Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
      ),
    )
  const known = builder.node('Gather', [parameter('table', 9, 4), 'ids'], {})
  const low = builder.node('MatMul', [parameter('down', 4, 2), parameter('up', 2, 4)], {})
  const inner = builder.node('MatMul', [known, low], {})
  const kernel = builder.node('Unsqueeze', [known, builder.constant(int64([2]))], {})
  const convolved = builder.node('Conv', [kernel, parameter('kernel', 4, 4, 1)], {})
  const flat = builder.node('Flatten', [convolved], {})
  const sum = builder.node('Add', [inner, flat], {})
  const wide = builder.node('Gemm', [sum, parameter('wide', 4, 5), parameter('bias', 5)], {})
  const scores = builder.node('MatMul', [wide, parameter('last', 5, 3)], {})
  builder.nodeOutputs('Add', [scores, parameter('shift', 1, 3)], {}, { outputs: ['scores'] })
  builder.output('scores', 'float32', ['batch', 3])
  const { slots, parameters } = buildStep(builder.model('parts'), {
    loss: 'softmax-cross-entropy',
    optimizer: muon(),
  })
  expect([...parameters].sort()).toEqual(
    ['table', 'down', 'up', 'kernel', 'wide', 'bias', 'last', 'shift'].sort(),
  )
  const moved = slots.filter(({ slot }) => slot === 'momentum').map((one) => one.parameter)
  expect(moved.sort()).toEqual(['down', 'up', 'wide'])
  const others = slots.filter(({ slot }) => slot === 'v').map((one) => one.parameter)
  expect([...moved, ...others].sort()).toEqual([...parameters].sort())
})
