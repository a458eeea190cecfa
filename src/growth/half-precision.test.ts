/** Growth of models whose weights and values are float16. */
import { describe, expect, it } from 'vitest'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { compare } from '../runtime/compare.ts'
import { toFloat16 } from '../tensor/half.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { elementCount, Tensor } from '../tensor/tensor.ts'
import { deepen, inspect } from './index.ts'

function halves(random: RandomStream, ...dims: number[]): Tensor {
  const scale = 1 / Math.sqrt(elementCount(dims.slice(1)))
  const values = Array.from({ length: elementCount(dims) }, () => random.normal() * scale)
  return new Tensor('float16', dims, Uint16Array.from(values, toFloat16))
}

/** x [n, 3, 8, 6] → conv → ReLU → fc → tanh → out, all in float16. */
function network(seed: number): Model {
  const random = randomStream(seed, 'weights')
  const b = new GraphBuilder()
  const weight = (name: string, ...dims: number[]) => b.initializer(name, halves(random, ...dims))
  b.input('x', 'float16', ['n', 3, 8, 6])
  const conv = b.node(
    'Conv',
    ['x', weight('conv.w', 8, 3, 3, 3), weight('conv.b', 8)],
    {},
    { name: 'conv' },
  )
  const flat = b.node('Flatten', [b.node('Relu', [conv])])
  const fc = b.node(
    'Gemm',
    [flat, weight('fc.w', 16, 192), weight('fc.b', 16)],
    { transB: 1 },
    { name: 'fc' },
  )
  const out = b.node('MatMul', [b.node('Tanh', [fc]), weight('out.w', 16, 5)], {}, { name: 'out' })
  b.output(out, 'float16')
  return b.model()
}

describe('a float16 model', () => {
  it('is deepened without any difference', async () => {
    const model = network(1)
    const { layers } = inspect(model)
    expect(layers.map(({ name, deepen: able }) => [name, able])).toEqual([
      ['conv', true],
      ['fc', true],
      ['out', true],
    ])
    const { outputs } = await compare(model, deepen(model, ['conv', 'fc', 'out']))
    expect(outputs).toMatchObject([{ maxAbs: 0 }])
  })
})
