import { expect, test } from 'vitest'
import { normalTensor } from '../../testing/gradient-check.ts'
import { GraphBuilder } from '../model/builder.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { foldConstants } from './fold-constants.ts'

test('casts to the own type and repeated numbers are gone, all others stay', async () => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['batch', 4])
  const zero = builder.constant(float32([], [0.5]))
  const cast = builder.node('CastLike', [zero, x])
  const bias = builder.node('Expand', [cast, builder.constant(int64([3]))])
  const weight = normalTensor(randomStream(1, 'folding'), [4, 3])
  const y = builder.node('Gemm', [x, builder.constant(weight), bias])
  const whole = builder.node('Cast', [y], { to: 7 })
  const size = builder.node('Shape', [x])
  // As many as there are samples, and an integer: not known before.
  const many = builder.node('Expand', [cast, size])
  builder.nodeOutputs('Add', [many, x], {}, { outputs: ['sum'] })
  builder.nodeOutputs('Cast', [y], { to: 1 }, { outputs: ['same'] })
  builder.nodeOutputs('Cast', [whole], { to: 1 }, { outputs: ['truncated'] })
  for (const name of ['sum', 'same', 'truncated']) builder.output(name, 'float32')
  const model = builder.model()
  const folded = foldConstants(model)
  expect(folded.graph.nodes.map(({ opType }) => opType)).toEqual([
    'Gemm',
    'Cast',
    'Shape',
    'Expand',
    'Add',
    'Cast',
    'Identity',
  ])
  const feeds = { x: normalTensor(randomStream(2, 'folding'), [5, 4]) }
  const run = async (form: typeof model) => {
    const session = await nodeRuntime.createSession(encodeModel(form), { threads: 1 })
    const results = await session.run(feeds)
    await session.release()
    return results
  }
  const [expected, found] = [await run(model), await run(folded)]
  for (const [name, { data }] of Object.entries(expected))
    expect([...found[name]!.data], name).toEqual([...data])
})

test('a model in which nothing is known stays as it is', () => {
  const builder = new GraphBuilder()
  builder.nodeOutputs('Relu', [builder.input('x', 'float32', [2])], {}, { outputs: ['y'] })
  builder.output('y', 'float32', [2])
  const model = builder.model()
  expect(foldConstants(model)).toBe(model)
})

test('a repeated number is not the parameter that has the same numbers now, and a parameter is not folded', () => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['batch', 3])
  builder.initializer('shift', float32([3], [0, 0, 0]))
  builder.initializer('slope', float32([], [2]))
  const three = builder.constant(int64([3]))
  const bias = builder.node('Expand', [builder.constant(float32([], [0])), three])
  const slopes = builder.node('Expand', [builder.node('Identity', ['slope']), three])
  const shifted = builder.node('Sub', [builder.node('Add', [x, bias]), 'shift'])
  builder.nodeOutputs('Mul', [shifted, slopes], {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  const { nodes } = foldConstants(builder.model(), new Set(['shift', 'slope'])).graph
  expect(nodes.map(({ opType }) => opType)).toEqual(['Identity', 'Expand', 'Add', 'Sub', 'Mul'])
  expect(nodes.filter(({ inputs }) => inputs.includes('shift'))).toHaveLength(1)
})
