import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { compare } from '../../check/compare.ts'
import {
  batchNorm,
  conv2d,
  dense,
  flatten,
  maxPool2d,
  relu,
  residual,
  sequential,
} from '../../layers/index.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { randomStream } from '../../tensor/random.ts'
import {
  elementCount,
  float32,
  int64,
  type LazyTensor,
  materialize,
  toNumbers,
} from '../../tensor/tensor.ts'
import {
  applyPlan,
  deepen,
  grow,
  growAverages,
  growSlots,
  inspect,
  planShrink,
  planWiden,
  repeat,
  shrink,
  widen,
} from '../index.ts'

const random = randomStream(9, 'shrink')
const tensor = (...dims: number[]): LazyTensor =>
  float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => random.normal()),
  )

const network = sequential(
  [
    conv2d(4, 3, { name: 'conv1', padding: 'same' }),
    batchNorm({ name: 'norm1' }),
    relu(),
    residual([
      conv2d(6, 3, { name: 'up', padding: 'same', activation: 'relu' }),
      conv2d(4, 3, { name: 'down', padding: 'same' }),
    ]),
    maxPool2d(2),
    flatten(),
    dense(5, { name: 'fc1', activation: 'relu' }),
    dense(3, { name: 'fc2' }),
  ],
  { input: [2, 6, 4], seed: 3 },
)

const widthsOf = (model: Model) =>
  Object.fromEntries(inspect(model).layers.map(({ name, width }) => [name, width]))

describe('shrinking', () => {
  it('gives back what was widened, deepened and repeated, weight by weight', () => {
    const grown = repeat(
      deepen(widen(network, { '*': 'x2' }, { seed: 1, noise: 'none' }), ['conv1', 'fc1']),
      ['up'],
    )
    expect(widthsOf(grown)).toMatchObject({ conv1: 8, up: 12, fc1: 10, 'conv1-deeper': 8 })
    const back = shrink(grown)
    expect(widthsOf(back)).toEqual(widthsOf(network))
    for (const [name, { tensor: old }] of network.graph.initializers)
      toNumbers(back.graph.initializers.get(name)!.tensor).forEach((value, i) => {
        // Three thirds of a weight may differ from it in the last bit.
        expect(value, name).toBeCloseTo(Number(materialize(old).data[i]), 6)
      })
    expect(back.graph.initializers.size).toBe(network.graph.initializers.size)
    expect(back.graph.nodes.map(({ opType }) => opType)).toEqual(
      network.graph.nodes.map(({ opType }) => opType),
    )
  })

  it('merges copies whatever their coefficients and noise are, where they read the same', async () => {
    const wide = widen(network, { up: 17 }, { seed: 1, noiseSize: 2 })
    const back = shrink(wide)
    expect(widthsOf(back)).toEqual(widthsOf(network))
    await expectEqualFunctions(wide, back)
    // With noise in what the other layer reads, that one's copies are no copies.
    const both = shrink(widen(network, { conv1: 8, up: 17 }, { seed: 1 }))
    expect(widthsOf(both)).toMatchObject({ conv1: 8, up: 17 })
    await expectEqualFunctions(network, both)
  })

  it('keeps the balance of norms, and merges heads', async () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 3])
    const h = b.node('MatMul', ['x', b.constant(tensor(3, 4))], {}, { name: 'h' })
    const normed = b.node('LayerNormalization', [h, b.constant(tensor(4)), b.constant(tensor(4))])
    const out = b.node('MatMul', [normed, b.constant(tensor(4, 2))], {}, { name: 'out' })
    b.output(out, 'float32')
    const model = b.model()
    const wide = widen(model, { h: 12 }, { noise: 'none' })
    expect(widthsOf(shrink(wide))).toEqual({ h: 4, out: 2 })
    // Two units that are alike by chance stay: the mean would be another.
    const weight = toNumbers(tensor(3, 4))
    for (let i = 0; i < 3; i++) weight[4 * i + 3] = weight[4 * i]!
    const name = model.graph.nodes[0]!.inputs[1]!
    const initializers = new Map(model.graph.initializers)
    for (const [each, { tensor: old }] of initializers)
      if (old.dims.length === 1) initializers.set(each, { tensor: float32([4], [1, 2, 3, 1]) })
    initializers.set(name, { tensor: float32([3, 4], weight) })
    const alike = { ...model, graph: { ...model.graph, initializers } }
    expect(widthsOf(shrink(alike))).toEqual({ h: 4, out: 2 })
    await expectEqualFunctions(wide, shrink(wide))
  })

  it('merges units of which two make a channel', async () => {
    // Channels and the same ones shuffled are added: there are as many rows as columns of them.
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 3])
    const h = b.node('MatMul', ['x', b.constant(tensor(3, 4))], {}, { name: 'h' })
    const apart = b.node('Reshape', [h, b.constant(int64([-1, 2, 2]))])
    const turned = b.node('Transpose', [apart], { perm: [0, 2, 1] })
    const shuffled = b.node('Reshape', [turned, b.constant(int64([-1, 4]))])
    const sum = b.node('Tanh', [b.node('Add', [h, shuffled])])
    b.output(b.node('MatMul', [sum, b.constant(tensor(4, 2))], {}, { name: 'out' }), 'float32')
    const model = b.model()
    const wide = widen(model, { h: 16 }, { seed: 1 })
    expect(widthsOf(wide)).toEqual({ h: 16, out: 2 })
    const back = shrink(wide)
    expect(widthsOf(back)).toEqual(widthsOf(model))
    await expectEqualFunctions(model, back)
  })

  it('merges positive multiples behind a Relu, and nothing else', async () => {
    // The scores of a linear attention: Σ relu(q) · relu(k).
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 5, 3])
    const [q, k] = ['q', 'k'].map((name) => {
      const product = b.node('MatMul', ['x', b.constant(tensor(3, 4))], {}, { name })
      return b.node('Relu', [b.node('Add', [product, b.constant(tensor(4))])])
    }) as [string, string]
    b.output(b.node('MatMul', [q, b.node('Transpose', [k], { perm: [0, 2, 1] })]), 'float32')
    const model = b.model()
    const wide = widen(model, { q: 11 }, { noise: 'none', seed: 3 })
    expect(widthsOf(wide)).toEqual({ q: 11, k: 11 })
    const back = shrink(wide)
    expect(widthsOf(back)).toEqual(widthsOf(model))
    await expectEqualFunctions(wide, back)
    // A copy of which one weight has moved is no multiple any more. Either side may be the one that is split.
    const others = wide.graph.nodes
      .filter(({ opType }) => opType === 'MatMul' || opType === 'Add')
      .flatMap(({ inputs }) => inputs.filter((name) => wide.graph.initializers.has(name)))
    expect(others).toHaveLength(4)
    for (const name of others) {
      const { dims } = wide.graph.initializers.get(name)!.tensor
      const values = toNumbers(wide.graph.initializers.get(name)!.tensor)
      values[10] = values[10]! * 1.001
      const initializers = new Map(wide.graph.initializers)
      initializers.set(name, { tensor: float32(dims, values) })
      const moved = { ...wide, graph: { ...wide.graph, initializers } }
      expect(widthsOf(shrink(moved))).toEqual({ q: 5, k: 5 })
      await expectEqualFunctions(moved, shrink(moved))
    }
  })

  it('drops units that nothing depends on, unless a maximum does', async () => {
    const build = (reads: 'sum' | 'maximum') => {
      const b = new GraphBuilder()
      b.input('x', 'float32', ['n', 3])
      const weight = toNumbers(tensor(4, 2))
      weight.fill(0, 2, 6)
      const h = b.node('Relu', [
        b.node('MatMul', ['x', b.constant(tensor(3, 4))], {}, { name: 'h' }),
      ])
      const out = b.node('MatMul', [h, b.constant(float32([4, 2], weight))], {}, { name: 'out' })
      b.output(out, 'float32')
      if (reads === 'maximum')
        b.output(b.node('ReduceMax', [h], { axes: [-1], keepdims: 1 }), 'float32')
      return b.model()
    }
    const model = build('sum')
    expect(widthsOf(shrink(model))).toEqual({ h: 2, out: 2 })
    await expectEqualFunctions(model, shrink(model))
    expect(widthsOf(shrink(build('maximum')))).toEqual({ h: 4, out: 2 })
  })

  it('takes only from the layers that are named', () => {
    const wide = widen(network, { up: 12, fc1: 10 }, { noise: 'none' })
    expect(widthsOf(shrink(wide, ['fc1']))).toMatchObject({ up: 12, fc1: 5 })
    expect(planShrink(network)).toMatchObject({ units: [], parameters: [] })
    expect(() => shrink(network, ['fc9'])).toThrow('There is no layer "fc9"')
  })

  it('does not merge what differs in the last bit, and no corrupted model is taken for equal', async () => {
    const wide = widen(network, { fc1: 10 }, { noise: 'none', seed: 2 })
    const initializers = new Map(wide.graph.initializers)
    const bias = materialize(initializers.get('fc1.bias')!.tensor)
    const other = toNumbers(bias)
    other[9] = other[9]! + 2 ** -20
    initializers.set('fc1.bias', { tensor: float32([10], other) })
    const changed = { ...wide, graph: { ...wide.graph, initializers } }
    expect(widthsOf(shrink(changed))).toMatchObject({ fc1: 6 })
    const back = shrink(wide)
    const wrong = new Map(back.graph.initializers)
    const values = toNumbers(wrong.get('fc2.weight')!.tensor)
    values[0] = values[0]! + 0.01
    wrong.set('fc2.weight', { tensor: float32([3, 5], values) })
    const corrupted = { ...back, graph: { ...back.graph, initializers: wrong } }
    expect((await compare(wide, corrupted)).equal).toBe(false)
    expect((await compare(wide, back)).equal).toBe(true)
  })

  it('gives optimizer state and averages back', () => {
    const plan = planWiden(network, { up: 24, fc1: 20, conv1: 16 }, { noise: 'none', seed: 5 })
    const back = planShrink(applyPlan(network, plan))
    const state = new Map(
      [...network.graph.initializers].map(
        ([
          name,
          {
            tensor: { dims },
          },
        ]) => {
          const values = toNumbers(tensor(...dims)).map(Math.abs)
          return [name, float32(dims, values)] as const
        },
      ),
    )
    const returned = [
      growSlots(back, growSlots(plan, state, 1), 1),
      growSlots(back, growSlots(plan, state, 2), 2),
      growAverages(back, growAverages(plan, state)),
    ]
    for (const found of returned)
      for (const [name, old] of state)
        toNumbers(found.get(name)!).forEach((value, i) => {
          expect(value, name).toBeCloseTo(Number(old.data[i]), 5)
        })
  })

  it('is a step like others: its plans are written down and replay', () => {
    const wide = deepen(widen(network, { fc1: 10 }, { noise: 'none' }), ['fc1'])
    const { steps, model } = grow(wide, [{ shrink: '*' }])
    expect(steps.map(({ plan }) => [plan.removed?.length ?? 0, plan.units.length])).toEqual([
      [1, 0],
      [0, 1],
    ])
    const replayed = JSON.parse(JSON.stringify(steps)) as typeof steps
    expect(encodeModel(grow(wide, replayed).model)).toEqual(encodeModel(model))
  })
})

describe('units that are zero behind their activation', () => {
  const random = randomStream(4, 'zeros')
  const numbers = (count: number, make: (i: number) => number) =>
    Array.from({ length: count }, (_, i) => make(i))

  /** A layer of 6 units behind `inner`, of which the units in `dead` have the given weights and bias, a Relu, and a layer. */
  function zeros(inner: string, weight: (i: number) => number, bias: number, dead = [1, 4]): Model {
    const b = new GraphBuilder()
    const x = b.node(
      'MatMul',
      [b.input('x', 'float32', ['n', 3]), b.constant(tensor(3, 5))],
      {},
      { name: 'first' },
    )
    const bent = inner === '' ? x : b.node(inner, [x])
    const isDead = (unit: number) => dead.includes(unit)
    const w = numbers(30, (i) =>
      isDead(i % 6) ? weight(Math.floor(i / 6)) : Math.abs(random.normal()),
    )
    const shift = numbers(6, (unit) => (isDead(unit) ? bias : Math.abs(random.normal())))
    const product = b.node('MatMul', [bent, b.constant(float32([5, 6], w))], {}, { name: 'grown' })
    const h = b.node('Relu', [b.node('Add', [product, b.constant(float32([6], shift))])])
    b.output(b.node('MatMul', [h, b.constant(tensor(6, 2))], {}, { name: 'last' }), 'float32')
    return b.model()
  }

  it.each([
    ['without weights', '', () => 0, -0.1, 4],
    ['without weights and a positive bias', '', () => 0, 0.1, 6],
    ['with negative weights behind a Relu', 'Relu', (i: number) => -i, 0, 4],
    ['with negative weights of anything', 'Identity', (i: number) => -i, -9, 6],
    ['with one positive weight behind a Relu', 'Relu', (i: number) => (i === 2 ? 1 : -1), -9, 6],
    ['with a bias below all that a Sigmoid gives', 'Sigmoid', (i: number) => i - 2, -3.01, 4],
    ['with a bias that rounding could reach', 'Sigmoid', (i: number) => i - 2, -3, 6],
    ['with a bias that a Sigmoid can reach', 'Sigmoid', (i: number) => i - 2, -2.9, 6],
    ['with a bias below all that a Tanh gives', 'Tanh', (i: number) => i - 2, -6.1, 4],
  ] as const)('go or stay: %s', async (_, inner, weight, bias, width) => {
    const model = zeros(inner, weight, bias)
    // Those that stay are copies of one another, where they are alike: one of two goes.
    const expected = width === 6 ? 5 : width
    const small = shrink(model)
    expect(widthsOf(small).grown).toBe(expected)
    await expectEqualFunctions(model, small, { isBlind: true })
  })

  it('stay where only the rows of a product with itself are zero, and not its columns', async () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 3])
    const h = b.node('Sigmoid', [
      b.node('MatMul', ['x', b.constant(tensor(3, 4))], {}, { name: 'h' }),
    ])
    const [rows, columns] = [2, 1].map((axis) =>
      b.node('Unsqueeze', [h, b.constant(int64([axis]))]),
    )
    const scale = b.constant(float32([4, 1], [1, 0, 2, 3]))
    const products = b.node('Mul', [b.node('Mul', [rows!, columns!]), scale])
    const y = b.node('MatMul', [products, b.constant(tensor(4, 2))])
    b.output(
      b.node('MatMul', [b.node('Transpose', [y], { perm: [0, 2, 1] }), b.constant(tensor(4, 1))]),
      'float32',
    )
    const model = b.model()
    expect(widthsOf(shrink(model)).h).toBe(4)
    await expectEqualFunctions(model, shrink(model), { isBlind: true })
  })

  it('go behind a batch normalization whose scale is zero, but not where something else is added', async () => {
    const build = (isAdded: boolean) => {
      const b = new GraphBuilder()
      const conv = b.node(
        'Conv',
        [b.input('x', 'float32', ['n', 2, 5, 4]), b.constant(tensor(4, 2, 3, 3))],
        { pads: [1, 1, 1, 1] },
        { name: 'grown' },
      )
      const vectors = [
        [1, 0, -2, 0],
        [0.3, -0.5, 0.1, 0],
        [0.1, 7, 0.2, -3],
        [1, 2, 3, 4],
      ]
      const normed = b.node('BatchNormalization', [
        conv,
        ...vectors.map((each) => b.constant(float32([4], each))),
      ])
      const h = b.node('MaxPool', [b.node('Relu', [normed])], {
        kernel_shape: [2, 2],
        strides: [2, 2],
      })
      const other = isAdded
        ? b.node('Conv', ['x', b.constant(tensor(4, 2, 2, 2))], { strides: [2, 2] })
        : ''
      const read = isAdded ? b.node('Add', [h, other]) : h
      b.output(
        b.node('Conv', [read, b.constant(tensor(3, 4, 1, 1))], {}, { name: 'last' }),
        'float32',
      )
      return b.model()
    }
    const model = build(false)
    const small = shrink(model)
    expect(widthsOf(small).grown).toBe(2)
    await expectEqualFunctions(model, small, { isBlind: true })
    expect(widthsOf(shrink(build(true))).grown).toBe(4)
  })
})
