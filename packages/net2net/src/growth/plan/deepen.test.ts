import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, type LazyTensor, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, deepen, inspect, measuredValues, planDeepen, widen } from '../index.ts'

const random = randomStream(6, 'weights')
const tensor = (...dims: number[]): LazyTensor =>
  float32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal() / 2),
  )

/** x [n, 2, 7, 5] → the layer `c` → `after` → a last convolution. */
function around(
  after: (b: GraphBuilder, c: string) => string,
  attributes: Record<string, number | number[]> = {},
  kernel = [3, 3],
): Model {
  const b = new GraphBuilder()
  b.input('x', 'float32', ['n', 2, 7, 5])
  const c = b.node(
    'Conv',
    ['x', b.initializer('c.weight', tensor(4, 2, ...kernel)), b.initializer('c.bias', tensor(4))],
    { kernel_shape: kernel, ...attributes },
    { name: 'c' },
  )
  const last = b.node(
    'Conv',
    [after(b, c), b.initializer('v', tensor(2, 4, 1, 1))],
    {},
    { name: 'd' },
  )
  b.output(last, 'float32')
  return b.model()
}

const names = (model: Model) => model.graph.nodes.map((node) => `${node.opType} ${node.name}`)

describe('deepening', () => {
  it('takes of a pattern the layers behind which a layer fits, and says why where there are none', async () => {
    const b = new GraphBuilder()
    b.input('ids', 'int64', ['n', 5])
    const table = b.node(
      'Gather',
      [b.initializer('table.weight', tensor(9, 4)), 'ids'],
      {},
      { name: 'table' },
    )
    const hidden = b.node(
      'MatMul',
      [table, b.initializer('hidden.weight', tensor(4, 6))],
      {},
      { name: 'hidden' },
    )
    const last = b.node(
      'MatMul',
      [hidden, b.initializer('last.weight', tensor(6, 2))],
      {},
      { name: 'last' },
    )
    b.output(last, 'float32')
    const model = b.model()
    expect(planDeepen(model, ['*']).inserted.map(({ after }) => after)).toEqual(['hidden', 'last'])
    expect(() => planDeepen(model, ['table'])).toThrow(
      /^Gather table cannot be deepened: an embedding/,
    )
    expect(() => planDeepen(model, ['tab*'])).toThrow(
      /^None of the layers that "tab\*" fits can be deepened: Gather table: an embedding/,
    )
    expect(() => planDeepen(model, ['*'], { kernelSize: 3 })).toThrow(
      /fits can be deepened: Gather table: it has no kernel, and neither would a layer behind it\.$/,
    )
  })

  it('inserts convolutions of another kernel, layers and residual blocks', async () => {
    const model = around((b, c) => b.node('Relu', [c], {}, { name: 'act' }), { dilations: [1, 2] })
    for (const kernelSize of [1, 2, 5, [1, 3]])
      for (const block of ['identity', 'residual'] as const) {
        const deeper = deepen(model, ['c'], { kernelSize, block })
        const { inserted } = planDeepen(model, ['c'], { kernelSize, block })
        const kernels = inserted[0]!.layer.parameters
          .filter(({ name }) => name.endsWith('weight'))
          .map(({ dims }) => dims.slice(2))
        const wanted = typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize
        expect(kernels).toEqual(block === 'identity' ? [wanted] : [wanted, wanted])
        await expectEqualFunctions(model, deeper)
      }
    expect(() => deepen(model, ['c'], { kernelSize: [3] })).toThrow(/kernel of 3 is none/)
    expect(() => deepen(model, ['c'], { kernelSize: 0 })).toThrow(/kernel of 0×0 is none/)
  })

  it('repeats an idempotent activation after the identity', async () => {
    for (const make of [
      (b: GraphBuilder, c: string) => b.node('Relu', [c], {}, { name: 'act' }),
      (b: GraphBuilder, c: string) =>
        b.node(
          'Clip',
          [c, b.initializer('low', float32([], [0])), b.initializer('high', float32([], [6]))],
          {},
          { name: 'act' },
        ),
    ]) {
      const model = around(make)
      const deeper = deepen(model, ['c'])
      const opType = model.graph.nodes[1]!.opType
      expect(names(deeper).slice(1, 4)).toEqual([
        `${opType} act`,
        'Conv c-deeper',
        `${opType} c-deeper.${opType.toLowerCase()}`,
      ])
      await expectEqualFunctions(model, deeper)
    }
  })

  it('goes before an activation that is not idempotent', async () => {
    for (const opType of ['LeakyRelu', 'Tanh', 'Elu', 'HardSwish']) {
      const model = around((b, c) => b.node(opType, [c], {}, { name: 'act' }))
      const deeper = deepen(model, ['c'])
      expect(names(deeper).slice(1, 3)).toEqual(['Conv c-deeper', `${opType} act`])
      await expectEqualFunctions(model, deeper)
    }
  })

  it('adds a ReLU where the values are known not to be negative', async () => {
    const model = around((b, c) => b.node('Sigmoid', [c], {}, { name: 'act' }))
    const deeper = deepen(model, ['c'])
    expect(names(deeper).slice(1, 4)).toEqual([
      'Sigmoid act',
      'Conv c-deeper',
      'Relu c-deeper.relu',
    ])
    await expectEqualFunctions(model, deeper)
  })

  it('passes over a normalization, with an identity normalization of its own', async () => {
    const model = around((b, c) => {
      const vectors = ['s', 'b', 'm'].map((name) => b.initializer(name, tensor(4)))
      const variance = b.initializer('variance', float32([4], [0.5, 1, 2, 3]))
      const normed = b.node('BatchNormalization', [c, ...vectors, variance], {
        epsilon: float(0.001),
      })
      return b.node('Relu', [normed], {}, { name: 'act' })
    })
    const plain = deepen(model, ['c'])
    expect(names(plain).slice(2, 6)).toEqual([
      'Relu act',
      'Conv c-deeper',
      'BatchNormalization c-deeper.batchnormalization',
      'Relu c-deeper.relu',
    ])
    await expectEqualFunctions(model, plain)
    // γ is the standard deviation, not the variance.
    expect(measuredValues(model, ['c'])).toEqual({ c: model.graph.nodes[2]!.outputs[0] })
    const statistics = { c: { mean: [1, 2, 3, 4], variance: [4, 9, 16, 0.25] } }
    const measured = deepen(model, ['c'], { statistics })
    const scale = toNumbers(measured.graph.initializers.get('c-deeper.scale')!.tensor)
    expect(scale[1]).toBeCloseTo(Math.sqrt(9.001), 5)
    expect(toNumbers(measured.graph.initializers.get('c-deeper.shift')!.tensor)).toEqual([
      1, 2, 3, 4,
    ])
    await expectEqualFunctions(model, measured)
  })

  it('gives every node of a residual block a name of its own', async () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 3])
    const first = b.node('MatMul', ['x', b.constant(tensor(3, 4))], {}, { name: 'm' })
    // Named as the block would name its first addition.
    const taken = b.node('Relu', [first], {}, { name: 'm-deeper.add' })
    b.output(b.node('MatMul', [taken, b.constant(tensor(4, 2))], {}, { name: 'n' }), 'float32')
    const model = b.model()
    const deeper = deepen(deepen(model, ['m', 'n'], { block: 'residual' }), ['m'])
    const found = deeper.graph.nodes.map((node) => node.name)
    expect(new Set(found).size).toBe(found.length)
    await expectEqualFunctions(model, deeper)
  })

  it('inserts a residual block of zero output, whose first weights are not zero', async () => {
    for (const opType of ['Tanh', 'Relu']) {
      const model = around((b, c) => b.node(opType, [c], {}, { name: 'act' }))
      const deeper = deepen(model, ['c'], { block: 'residual' })
      const weights = (name: string) =>
        toNumbers(deeper.graph.initializers.get(`c-deeper.${name}.weight`)!.tensor)
      expect(weights('outer').every((value) => value === 0)).toBe(true)
      expect(weights('inner').every((value) => value !== 0)).toBe(true)
      await expectEqualFunctions(model, deeper)
    }
    const linear = around((_, c) => c)
    await expectEqualFunctions(linear, deepen(linear, ['c'], { block: 'residual' }))
  })

  it('places the tap of the Dirac kernel for any kernel, pad, stride and dilation', async () => {
    const size = fc.integer({ min: 1, max: 4 })
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(size, size),
        fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 }))),
        fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
        async (kernel, pads, strides) => {
          // Kernels that do not fit into the padded image have no output.
          const model = around((_, c) => c, { pads, strides }, kernel)
          await expectEqualFunctions(model, deepen(model, ['c']))
        },
      ),
      { numRuns: 25 },
    )
    const dilated = around((_, c) => c, { dilations: [2, 1], pads: [2, 1, 2, 1] })
    await expectEqualFunctions(dilated, deepen(dilated, ['c']))
  })

  it('handles MatMul with its bias apart, on tokens', async () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 3, 4])
    const product = b.node('MatMul', ['x', b.initializer('w', tensor(4, 6))], {}, { name: 'fc' })
    const sum = b.node('Add', [b.initializer('b', tensor(6)), product], {}, { name: 'bias' })
    const act = b.node('Relu', [sum], {}, { name: 'act' })
    b.output(
      b.node('MatMul', [act, b.initializer('v', tensor(6, 2))], {}, { name: 'out' }),
      'float32',
    )
    const model = b.model()
    const deeper = deepen(model, ['fc'])
    expect(names(deeper).slice(2, 6)).toEqual([
      'Relu act',
      'MatMul fc-deeper',
      'Add fc-deeper.add',
      'Relu fc-deeper.relu',
    ])
    await expectEqualFunctions(model, deeper)
  })

  it('keeps the names of graph outputs and of values with several readers', async () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 2, 4, 3])
    b.node('Conv', ['x', b.initializer('w', tensor(2, 2, 1, 1))], {}, { name: 'c', outputs: ['y'] })
    b.node('Relu', ['y'], {}, { name: 'a', outputs: ['z'] })
    b.output('y', 'float32')
    b.output('z', 'float32')
    const model = b.model()
    const deeper = deepen(model, ['c'])
    expect(deeper.graph.outputs.map((output) => output.name)).toEqual(['y', 'z'])
    expect(names(deeper)).toEqual(['Conv c', 'Conv c-deeper', 'Relu a'])
    await expectEqualFunctions(model, deeper)
  })

  it('does not take the last layers’ sum with an activation for a bias', async () => {
    const model = around((b, c) => b.node('Relu', [b.node('Add', [c, c])], {}, { name: 'act' }))
    await expectEqualFunctions(model, deepen(model, ['c']))
  })

  it('finds new names when repeated, and can be widened', async () => {
    const model = around((b, c) => b.node('Relu', [c], {}, { name: 'act' }))
    const twice = deepen(deepen(model, ['c']), ['c', 'c-deeper'])
    expect(inspect(twice).layers.map((layer) => layer.name)).toEqual([
      'c',
      'c-deeper_1',
      'c-deeper',
      'c-deeper-deeper',
      'd',
    ])
    await expectEqualFunctions(model, widen(twice, { c: 7, 'c-deeper-deeper': 9 }))
  })

  it('keeps the plan plain JSON', () => {
    const model = around((b, c) => b.node('Relu', [c], {}, { name: 'act' }))
    const plan = planDeepen(model, ['c'])
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan)
    expect(names(applyPlan(model, JSON.parse(JSON.stringify(plan))))).toEqual(
      names(deepen(model, ['c'])),
    )
  })
})
