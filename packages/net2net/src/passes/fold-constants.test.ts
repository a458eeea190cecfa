import { expect, test } from 'vitest'
import { normalTensor } from '../../testing/gradient-check.ts'
import { GraphBuilder } from '../model/builder.ts'
import { linksOf } from '../model/links.ts'
import type { Model } from '../model/model.ts'
import { encodeModel } from '../onnx/encode.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { randomStream } from '../tensor/random.ts'
import { float32, int64, Tensor, toNumbers } from '../tensor/tensor.ts'
import { foldConstants } from './fold-constants.ts'

test('casts to the own type and repeated numbers are gone, all others stay', async () => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['batch', 4])
  const half = builder.constant(float32([], [0.5]))
  const cast = builder.node('CastLike', [half, x])
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
  await expectSameNumbers(model, folded, feeds)
})

type Tensors = Readonly<Record<string, Tensor>>

async function run(model: Model, feeds: Tensors): Promise<Tensors> {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  const results = await session.run(feeds)
  await session.release()
  return results
}

/** Both give the same numbers to the last bit. */
async function expectSameNumbers(a: Model, b: Model, feeds: Tensors) {
  const [expected, found] = [await run(a, feeds), await run(b, feeds)]
  for (const [name, { data }] of Object.entries(expected))
    expect([...found[name]!.data], name).toEqual([...data])
}

test('products by one and sums with zero are gone, where nothing is repeated', async () => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['batch', 3])
  const number = (value: number, dims: readonly number[] = []) =>
    builder.constant(float32(dims, Array(dims.reduce((a, b) => a * b, 1)).fill(value)))
  const gone = [
    ['Mul', [x, number(1)]],
    ['Mul', [number(1, [3]), x]],
    ['Div', [x, number(1, [1, 1])]],
    ['Add', [x, number(0)]],
    ['Add', [number(0, [1, 3]), x]],
    ['Sub', [x, number(0)]],
  ] as const
  const kept = [
    ['Sub', [number(0), x]],
    ['Div', [number(1), x]],
    ['Mul', [x, number(2)]],
    ['Mul', [x, number(1, [2, 1, 3])]],
    ['Add', [builder.node('ReduceMax', [x]), number(0, [3])]],
  ] as const
  for (const [i, [op, inputs]] of [...gone, ...kept].entries()) {
    builder.nodeOutputs(op, inputs, {}, { outputs: [`y${i}`] })
    builder.output(`y${i}`, 'float32')
  }
  const model = builder.model()
  const folded = foldConstants(model)
  const { producers } = linksOf(folded.graph)
  const results = [...gone, ...kept].map((_, i) => producers.get(`y${i}`)!.opType)
  expect(results).toEqual([...gone.map(() => 'Identity'), ...kept.map(([op]) => op)])
  await expectSameNumbers(model, folded, { x: normalTensor(randomStream(3, 'folding'), [5, 3]) })
})

/** Softplus as PyTorch's exporter writes it: (u > t) ? x : ln(1 + eᵘ)/d with u = f·x. */
function exportedSoftplus(dtype: 'float32' | 'float64', t: number, f: number, d: number): Model {
  const builder = new GraphBuilder()
  const x = builder.input('x', dtype, ['batch', 64])
  const number = (value: number) =>
    builder.constant(
      dtype === 'float32'
        ? float32([], [value])
        : new Tensor('float64', [], Float64Array.of(value)),
    )
  const like = (value: number) => builder.node('CastLike', [number(value), x])
  const u = builder.node('Mul', [x, like(f)])
  const curve = builder.node('Div', [builder.node('Softplus', [u]), like(d)])
  const isLinear = builder.node('Greater', [u, like(t)])
  builder.nodeOutputs('Where', [isLinear, x, curve], {}, { outputs: ['y'] })
  builder.output('y', dtype, ['batch', 64])
  return builder.model()
}

test.each([
  [20, 1],
  [20, 2.5],
  [17, 0.5],
])('the exported softplus that is linear above %d, of β = %d, chooses nothing', async (t, beta) => {
  const model = exportedSoftplus('float32', t, beta, beta)
  const folded = foldConstants(model)
  const used = folded.graph.nodes.map(({ opType }) => opType)
  expect(used).toEqual(
    beta === 1 ? ['Softplus', 'Identity'] : ['Mul', 'Softplus', 'Div', 'Identity'],
  )
  const feeds = { x: normalTensor(randomStream(4, 'folding'), [100, 64], { scale: 20 }) }
  const [expected, found] = [await run(model, feeds), await run(folded, feeds)]
  for (const [i, value] of toNumbers(expected.y!).map(Number).entries())
    expect(Math.abs(Number(found.y!.data[i]) - value)).toBeLessThanOrEqual(
      2e-7 * Math.max(1, value),
    )
})

test.each([
  ['a bend that can be seen', 'float32', 5, 1, 1],
  ['another divisor than the factor', 'float32', 20, 2, 3],
  ['a falling line', 'float32', 20, -1, -1],
  ['more precise numbers', 'float64', 20, 1, 1],
] as const)('what looks like softplus still chooses: %s', (_, dtype, t, factor, divisor) => {
  const { nodes } = foldConstants(exportedSoftplus(dtype, t, factor, divisor)).graph
  expect(nodes.map(({ opType }) => opType)).toContain('Where')
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
  builder.initializer('shift', float32([3], [7, 7, 7]))
  builder.initializer('slope', float32([], [2]))
  const three = builder.constant(int64([3]))
  const bias = builder.node('Expand', [builder.constant(float32([], [7])), three])
  const slopes = builder.node('Expand', [builder.node('Identity', ['slope']), three])
  const shifted = builder.node('Sub', [builder.node('Add', [x, bias]), 'shift'])
  builder.nodeOutputs('Mul', [shifted, slopes], {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  const { nodes } = foldConstants(builder.model(), new Set(['shift', 'slope'])).graph
  expect(nodes.map(({ opType }) => opType)).toEqual(['Identity', 'Expand', 'Add', 'Sub', 'Mul'])
  expect(nodes.filter(({ inputs }) => inputs.includes('shift'))).toHaveLength(1)
})
