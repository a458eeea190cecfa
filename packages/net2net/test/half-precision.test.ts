/** Growth of models whose weights and values are float16. */
import { describe, expect, it } from 'vitest'
import { compare } from '../src/check/compare.ts'
import { deepen, inspect, widen } from '../src/growth/index.ts'
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { toFloat16 } from '../src/tensor/half.ts'
import { gather } from '../src/tensor/lazy.ts'
import { type RandomStream, randomStream } from '../src/tensor/random.ts'
import { elementCount, Tensor } from '../src/tensor/tensor.ts'

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

  it('is equal to its widened self within its own rounding', async () => {
    let rounded = 0
    for (let seed = 1; seed <= 6; seed++) {
      const model = network(seed)
      const width = 8 + seed
      const report = await compare(
        model,
        widen(model, { conv: width, fc: 16 + 3 * seed }, { seed }),
      )
      expect(report.equal, JSON.stringify(report.outputs)).toBe(true)
      if (report.outputs[0]!.rounding !== undefined) rounded++
    }
    // Thirds and fifths of a weight are no float16: 1e-5 alone would refuse these.
    expect(rounded).toBeGreaterThan(3)
  })

  it('is not equal to one in which a unit has lost a tenth', async () => {
    const model = network(7)
    const { tensor } = model.graph.initializers.get('out.w')!
    const index = Uint32Array.from({ length: 16 }, (_, i) => i)
    const factors = Float64Array.from(index, (i) => (i === 3 ? 0.9 : 1))
    const initializers = new Map(model.graph.initializers)
    initializers.set('out.w', { tensor: gather(tensor, [{ axis: 0, index, factors }]) })
    const other = { ...model, graph: { ...model.graph, initializers } }
    expect((await compare(model, other)).equal).toBe(false)
  })

  it('has its slopes and bounds read', async () => {
    const random = randomStream(8, 'weights')
    const b = new GraphBuilder()
    b.input('x', 'float16', ['n', 3])
    const first = b.node('MatMul', ['x', b.constant(halves(random, 3, 4))], {}, { name: 'first' })
    const slopes = b.constant(new Tensor('float16', [4], Uint16Array.of(0, 0x3c00, 0, 0)))
    const [low, high] = [0, 3].map((value) =>
      b.constant(new Tensor('float16', [], Uint16Array.of(toFloat16(value)))),
    )
    const bent = b.node('PRelu', [first, slopes], {}, { name: 'bend' })
    const second = b.node(
      'MatMul',
      [bent, b.constant(halves(random, 4, 4))],
      {},
      { name: 'second' },
    )
    const clipped = b.node('Clip', [second, low!, high!], {}, { name: 'clip' })
    b.output(b.node('MatMul', [clipped, b.constant(halves(random, 4, 2))]), 'float16')
    const model = b.model()
    const deeper = deepen(model, ['first', 'second'])
    // Slopes of 0 and 1 make an idempotent activation: it is repeated.
    expect(deeper.graph.nodes.map(({ opType }) => opType)).toEqual([
      ...['MatMul', 'PRelu', 'MatMul', 'Add', 'PRelu'],
      ...['MatMul', 'Clip', 'MatMul', 'Add', 'Clip', 'MatMul'],
    ])
    expect((await compare(model, deeper)).outputs).toMatchObject([{ maxAbs: 0 }])
  })
})
