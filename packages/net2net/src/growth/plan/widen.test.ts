import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { Net2NetError } from '../../errors.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { SCOPES } from '../../model/names.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { inferModel } from '../../operators/inference.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, type LazyTensor, Tensor, toNumbers } from '../../tensor/tensor.ts'
import { applyPlan, inspect, planDeepen, planWiden, type WidenOptions, widen } from '../index.ts'
import type { DeepenOptions } from './deepen.ts'

const random = randomStream(5, 'weights')
const tensor = (...dims: number[]): LazyTensor =>
  float32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal() / 2),
  )

function build(
  make: (builder: GraphBuilder) => string,
  input: readonly (number | string)[],
): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', input)
  builder.output(make(builder), 'float32')
  return builder.model()
}

const conv = (
  b: GraphBuilder,
  name: string,
  x: string,
  dims: readonly [number, number, number, number],
  extra: Record<string, number> = {},
) =>
  b.node(
    'Conv',
    [
      x,
      b.initializer(`${name}.weight`, tensor(...dims)),
      b.initializer(`${name}.bias`, tensor(dims[0])),
    ],
    { kernel_shape: [dims[2], dims[3]], ...extra },
    { name },
  )

const failure = (run: () => unknown): Net2NetError => {
  try {
    run()
  } catch (error) {
    expect(error).toBeInstanceOf(Net2NetError)
    return error as Net2NetError
  }
  return expect.fail('nothing was thrown')
}

describe('widening', () => {
  it('grows a residual stream as one group, by one map', async () => {
    const model = build(
      (b) => {
        const stem = conv(b, 'stem', 'x', [5, 2, 1, 1])
        const inner = b.node('Relu', [conv(b, 'a', stem, [7, 5, 1, 1])])
        const sum = b.node('Add', [conv(b, 'b', inner, [5, 7, 1, 1]), stem], {}, { name: 'join' })
        return conv(b, 'last', sum, [3, 5, 1, 1])
      },
      ['n', 2, 4, 3],
    )
    expect(inspect(model).layers.map(({ name, group }) => [name, group])).toEqual([
      ['stem', ['b']],
      ['a', []],
      ['b', ['stem']],
      ['last', []],
    ])
    const plan = planWiden(model, { b: 11 })
    expect(plan.units).toHaveLength(1)
    expect(plan.units[0]).toMatchObject({ id: 'stem', members: ['stem', 'b'], from: 5, to: 11 })
    await expectEqualFunctions(model, applyPlan(model, plan))
    await expectEqualFunctions(model, widen(model, { stem: 9, a: 15, b: 9 }, { seed: 4 }))
    expect(failure(() => planWiden(model, { stem: 9, b: 10 })).kind).toBe('usage')
  })

  it('names the node and the reason of a refusal', () => {
    const model = build(
      (b) => {
        const sum = b.node('Add', [conv(b, 'c', 'x', [2, 2, 1, 1]), 'x'], {}, { name: 'add' })
        return conv(b, 'last', sum, [2, 2, 1, 1])
      },
      ['n', 2, 4, 3],
    )
    const error = failure(() => planWiden(model, { c: 4 }))
    expect(error.kind).toBe('refused')
    expect(error.message).toBe(
      'Conv c cannot be widened: its units reach graph input "x" through Add add.',
    )
    const chain = build((b) => b.node('Relu', [conv(b, 'c', 'x', [2, 2, 1, 1])]), ['n', 2, 4, 3])
    expect(failure(() => planWiden(chain, { c: 4 })).message).toContain('graph output')
  })

  it('fixes only what an unknown operator touches', async () => {
    const model = build(
      (b) => {
        const first = conv(b, 'first', 'x', [3, 2, 1, 1])
        const second = conv(b, 'second', first, [4, 3, 1, 1])
        const third = b.node('Unheard', [second], {}, { name: 'odd', domain: 'elsewhere' })
        return conv(b, 'last', third, [2, 4, 1, 1])
      },
      ['n', 2, 4, 3],
    )
    const { layers } = inspect({
      ...model,
      graph: {
        ...model.graph,
        values: [
          {
            name: model.graph.nodes[2]!.outputs[0]!,
            type: { kind: 'tensor', dtype: 'float32', shape: ['n', 4, 4, 3] },
          },
        ],
      },
    })
    expect(layers[0]!.widen).toBe(true)
    expect(layers[1]!.widen).toBe(
      'its units reach Unheard odd, which is an operator that is not known',
    )
  })

  it('says which widths there are', () => {
    const model = build(
      (b) => {
        const inner = b.node('MatMul', ['x', b.constant(tensor(3, 4), 'w')], {}, { name: 'inner' })
        // The mean of the units before a Relu is not the mean behind it, so that none can be added.
        const weights = [b.constant(tensor(4), 'scale')]
        const first = b.node('LayerNormalization', [b.node('Relu', [inner]), ...weights])
        return b.node('MatMul', [first, b.constant(tensor(4, 2), 'v')], {}, { name: 'outer' })
      },
      ['n', 3],
    )
    const error = failure(() => planWiden(model, { inner: 6 }))
    expect(error.kind).toBe('usage')
    expect(error.message).toMatch(/choose a multiple of 4/)
    expect(failure(() => planWiden(model, { inner: 4 })).message).toMatch(/must be larger/)
    expect(failure(() => planWiden(model, { inner: 2.5 })).kind).toBe('usage')
    expect(failure(() => planWiden(model, { inner: 'x1' })).kind).toBe('usage')
    expect(planWiden(model, { inner: 'x1.2' }).units[0]!.to).toBe(8)
  })

  it('copies every unit equally often under a layer norm', async () => {
    const model = build(
      (b) => {
        const normed = b.node(
          'LayerNormalization',
          [
            b.node('MatMul', ['x', b.constant(tensor(3, 4), 'w')], {}, { name: 'inner' }),
            b.constant(tensor(4), 'scale'),
          ],
          { epsilon: float(0.01) },
        )
        return b.node('MatMul', [normed, b.constant(tensor(4, 2), 'v')], {}, { name: 'outer' })
      },
      ['n', 3],
    )
    await expectEqualFunctions(model, widen(model, { inner: 12 }))
  })

  it('keeps attention heads whole', async () => {
    const model = build(
      (b) => {
        const heads = (name: string, perm: number[]) => {
          const flat = b.node(
            'MatMul',
            ['x', b.initializer(`${name}.w`, tensor(6, 4))],
            {},
            { name },
          )
          const apart = b.node('Reshape', [flat, b.constant(int64([0, 5, 2, 2]))])
          return b.node('Transpose', [apart], { perm })
        }
        const scores = b.node('MatMul', [heads('q', [0, 2, 1, 3]), heads('k', [0, 2, 3, 1])])
        const mixed = b.node('MatMul', [
          b.node('Softmax', [scores], { axis: -1 }),
          heads('v', [0, 2, 1, 3]),
        ])
        const turned = b.node('Transpose', [mixed], { perm: [0, 2, 1, 3] })
        const joined = b.node('Reshape', [turned, b.constant(int64([0, 5, 4]))])
        return b.node('MatMul', [joined, b.initializer('o.w', tensor(4, 6))], {}, { name: 'o' })
      },
      ['n', 5, 6],
    )
    expect(inspect(model).layers.find((layer) => layer.name === 'q')?.group).toEqual(['k', 'v'])
    await expectEqualFunctions(model, widen(model, { q: 10 }))
    expect(failure(() => planWiden(model, { q: 7 })).message).toMatch(/multiple of 2/)
  })

  it('says what keeps the units of queries, keys and values, not that there are three', () => {
    const model = build(
      (b) => {
        const all = b.node(
          'MatMul',
          ['x', b.initializer('qkv.w', tensor(6, 12))],
          {},
          { name: 'qkv' },
        )
        const apart = b.node('Tanh', [b.node('Reshape', [all, b.constant(int64([0, 5, 3, 4]))])])
        const [query, key] = b
          .nodeOutputs('Split', [apart, b.constant(int64([1, 1, 1]))], { axis: 2 }, { outputs: 3 })
          .map((part) => b.node('Squeeze', [part, b.constant(int64([2]))]))
        const turned = b.node('Transpose', [key!], { perm: [0, 2, 1] })
        return b.node('MatMul', [query!, turned], {}, { name: 'scores' })
      },
      ['n', 5, 6],
    )
    expect(failure(() => planWiden(model, { qkv: 24 })).message).toBe(
      'MatMul qkv cannot be widened: its units reach MatMul scores, which sums products of two activations over it, and neither can be split along it (Tanh Tanh does not scale with its input).',
    )
  })

  it('clones a shared initializer whose readers part ways, and says so', async () => {
    const model = build(
      (b) => {
        const shared = b.initializer('shared', tensor(4, 4))
        const first = b.node('MatMul', ['x', shared], {}, { name: 'first' })
        const second = b.node('MatMul', [b.node('Relu', [first]), shared], {}, { name: 'second' })
        return b.node('MatMul', [second, b.initializer('v', tensor(4, 2))], {}, { name: 'third' })
      },
      ['n', 4],
    )
    const plan = planWiden(model, { first: 7 })
    expect(plan.parameters.map(({ name, to, uses }) => [name, to, uses?.length])).toEqual([
      ['shared', 'shared', undefined],
      ['shared', 'shared_grown', 1],
    ])
    const grown = applyPlan(model, plan)
    expect(grown.graph.initializers.get('shared')!.tensor.dims).toEqual([4, 7])
    expect(grown.graph.initializers.get('shared_grown')!.tensor.dims).toEqual([7, 4])
    await expectEqualFunctions(model, grown)
    await expectEqualFunctions(model, widen(model, { first: 7, second: 9 }))
  })

  it('keeps a shared initializer shared where both readers agree', async () => {
    const model = build(
      (b) => {
        const shared = b.initializer('slope', tensor(4, 1, 1))
        const first = b.node('PRelu', [conv(b, 'a', 'x', [4, 2, 1, 1]), shared])
        return conv(b, 'last', b.node('PRelu', [first, shared]), [2, 4, 1, 1])
      },
      ['n', 2, 3, 2],
    )
    const plan = planWiden(model, { a: 6 })
    expect(plan.parameters.filter(({ name }) => name === 'slope')).toHaveLength(1)
    await expectEqualFunctions(model, applyPlan(model, plan))
  })

  /** Two calls of a block of two layers; `first` and `second` are the modules that the nodes come from. */
  const twice = (bias: LazyTensor, first = 'block', second = 'block') => {
    const model = build(
      (b) => {
        const weights = [tensor(4, 6), tensor(6, 4)].map((value, i) =>
          b.initializer(`w${i}`, value),
        )
        const shift = b.initializer('bias', bias)
        const call = (x: string, name: string) => {
          const h = b.node('MatMul', [x, weights[0]!], {}, { name: `${name}.up` })
          const z = b.node('Relu', [b.node('Add', [h, shift], {}, { name: `${name}.shift` })])
          return b.node('Add', [
            b.node('MatMul', [z, weights[1]!], {}, { name: `${name}.down` }),
            x,
          ])
        }
        return call(call('x', 'first'), 'second')
      },
      ['batch', 4],
    )
    const nodes = model.graph.nodes.map((node) => {
      const module = node.name.startsWith('first') ? first : second
      return { ...node, metadata: new Map([[SCOPES, `['', '${module}', 'call']`]]) }
    })
    return { ...model, graph: { ...model.graph, nodes } }
  }

  it('keeps what is called twice one, with its weights and their noise, where both calls grow alike', async () => {
    const model = twice(tensor(6))
    const plan = planWiden(model, { '*.up': 9 })
    expect(plan.units.map(({ members }) => members)).toEqual([['first.up', 'second.up']])
    expect(plan.parameters.map(({ to }) => to).sort()).toEqual(['bias', 'w0', 'w1'])
    const wide = applyPlan(model, plan)
    expect(wide.graph.initializers.size).toBe(3)
    await expectEqualFunctions(model, wide)
    for (const widths of [{ 'first.up': 9 }, { 'first.up': 9, 'second.up': 10 }]) {
      const apart = planWiden(model, widths)
      expect(apart.units.length).toBe(Object.keys(widths).length)
      await expectEqualFunctions(model, applyPlan(model, apart))
    }
  })

  it('takes the name of a weight, or of the module, for all calls', () => {
    const model = twice(tensor(6))
    for (const name of ['w0', '*.up'])
      expect(planWiden(model, { [name]: 9 }).units[0]!.members).toEqual(['first.up', 'second.up'])
    // Of the module are two weights.
    expect(() => planWiden(model, { block: 9 })).toThrow(/"block" could be any of the layers/)
    const nodes = model.graph.nodes.map((node) => {
      const part = node.name.endsWith('.up') ? 'block.up' : 'block.down'
      return { ...node, metadata: new Map([[SCOPES, `['', 'block', '${part}', 'call']`]]) }
    })
    const named = { ...model, graph: { ...model.graph, nodes } }
    expect(planWiden(named, { 'block.up': 9 }).units[0]!.members).toEqual(['first.up', 'second.up'])
  })

  it('grows layers apart that share no more than equal numbers', () => {
    const units = (bias: LazyTensor) => {
      const model = twice(bias, 'a', 'b')
      // Weights of their own, but for the bias.
      const initializers = new Map(model.graph.initializers)
      const nodes = model.graph.nodes.map((node) => {
        if (!node.name.startsWith('second')) return node
        const inputs = node.inputs.map((name) => (/^w\d/.test(name) ? `${name}.own` : name))
        return { ...node, inputs }
      })
      for (const name of ['w0', 'w1']) initializers.set(`${name}.own`, initializers.get(name)!)
      const own = { ...model, graph: { ...model.graph, nodes, initializers } }
      return planWiden(own, { '*.up': 9 }).units.length
    }
    expect(units(float32([6], new Float32Array(6)))).toBe(2)
    expect(units(tensor(6))).toBe(1)
  })

  it('edits the sizes that a model writes down, and only where they mean the grown axis', async () => {
    const model = build(
      (b) => {
        const sizes = b.initializer('sizes', int64([0, 6]))
        const flat = b.node('Reshape', [conv(b, 'c', 'x', [3, 2, 1, 1]), sizes])
        const dense = b.node('MatMul', [flat, b.initializer('w', tensor(6, 12))], {}, { name: 'd' })
        const again = b.node('Reshape', [dense, b.constant(int64([-1, 6]))])
        const other = b.node('Reshape', [again, sizes])
        return b.node('MatMul', [other, b.initializer('v', tensor(6, 2))], {}, { name: 'e' })
      },
      ['n', 2, 2, 1],
    )
    const plan = planWiden(model, { c: 5 })
    expect(plan.integers).toMatchObject([{ constant: 'sizes', index: 1, from: 6, to: 10 }])
    expect(plan.integers[0]).toHaveProperty('clone', 'sizes_grown')
    const grown = applyPlan(model, plan)
    expect(toNumbers(grown.graph.initializers.get('sizes')!.tensor)).toEqual([0, 6])
    await expectEqualFunctions(model, grown)
  })

  it('reaches a flattened layer through an image of unknown size', async () => {
    const model = build(
      (b) => {
        const flat = b.node('Flatten', [conv(b, 'c', 'x', [3, 2, 1, 1])])
        return b.node('Gemm', [flat, b.initializer('w', tensor(60, 2))], {}, { name: 'fc' })
      },
      ['n', 2, 'height', 'width'],
    )
    const plan = planWiden(model, { c: 4 })
    expect(plan.parameters.find(({ name }) => name === 'w')).toMatchObject({
      after: [80, 2],
      axes: [{ axis: 0, map: { product: [{ units: 'c' }, { keep: 20 }] }, role: 'split' }],
    })
  })

  it('grows grouped convolutions by whole groups, or inside of them', async () => {
    const model = build(
      (b) => {
        const first = conv(b, 'first', 'x', [6, 2, 1, 1])
        const grouped = conv(b, 'grouped', first, [4, 3, 1, 1], { group: 2 })
        return conv(b, 'last', grouped, [2, 4, 1, 1])
      },
      ['n', 2, 3, 2],
    )
    const whole = planWiden(model, { grouped: 6 })
    expect(whole.integers).toMatchObject([{ attribute: 'group', from: 2, to: 3 }])
    await expectEqualFunctions(model, applyPlan(model, whole))
    await expectEqualFunctions(model, widen(model, { first: 8 }))
    await expectEqualFunctions(model, widen(model, { grouped: 10 }))
    expect(failure(() => planWiden(model, { grouped: 5 })).message).toMatch(/multiple of 2/)
  })

  it('handles weights in Constant nodes, inputs with defaults, odd names and stale types', async () => {
    const name = '{"node": "out", "n": 1}'
    const builder = new GraphBuilder()
    builder.input('x', 'float32', ['n', 2, 3, 2])
    const weight = builder.node('Constant', [], { value: tensor(4, 2, 1, 1) })
    const hidden = builder.node('Conv', ['x', weight], {}, { name: 'a b/c', outputs: [name] })
    builder.initializer('v', tensor(2, 4, 1, 1))
    builder.input('v', 'float32', [2, 4, 1, 1])
    builder.output(builder.node('Conv', [hidden, 'v'], {}, { name: '' }), 'float32')
    const graph = {
      ...builder.graph(),
      values: [
        {
          name,
          type: { kind: 'tensor' as const, dtype: 'float32' as const, shape: ['n', 4, 3, 2] },
        },
      ],
    }
    const model: Model = { ...builder.model(), irVersion: 3, graph }
    const grown = widen(model, { 'a b/c': 7 })
    expect(grown.graph.values[0]!.type).toMatchObject({ shape: ['n', 7, 3, 2] })
    const inputs = new Map(grown.graph.inputs.map((input) => [input.name, input.type]))
    expect(inputs.get('v')).toMatchObject({ shape: [2, 7, 1, 1] })
    // Before IR version 4 every initializer is an input, also the one that was a node.
    expect(inputs.get(weight)).toMatchObject({ shape: [7, 2, 1, 1] })
    await expectEqualFunctions(model, grown)
  })

  it('leaves the given model and its bytes as they were', () => {
    const model = build(
      (b) => conv(b, 'b', conv(b, 'a', 'x', [4, 2, 1, 1]), [2, 4, 1, 1]),
      ['n', 2, 3, 2],
    )
    const before = encodeModel(model).slice()
    encodeModel(widen(model, { a: 9 }))
    expect(encodeModel(model)).toEqual(before)
  })

  it('gives the same bits for the same seed', () => {
    const model = build(
      (b) => conv(b, 'b', conv(b, 'a', 'x', [4, 2, 1, 1]), [2, 4, 1, 1]),
      ['n', 2, 3, 2],
    )
    const bytes = (seed: number) => encodeModel(widen(model, { a: 9 }, { seed }))
    expect(bytes(1)).toEqual(bytes(1))
    expect(bytes(1)).not.toEqual(bytes(2))
  })

  it('takes a plan back from JSON, and refuses it for another model', () => {
    const make = (width: number) =>
      build(
        (b) => conv(b, 'b', conv(b, 'a', 'x', [width, 2, 1, 1]), [2, width, 1, 1]),
        ['n', 2, 3, 2],
      )
    const plan = planWiden(make(4), { a: 9 })
    const copy = JSON.parse(JSON.stringify(plan))
    expect(copy).toEqual(plan)
    const model = make(4)
    expect(encodeModel(applyPlan(model, copy))).toEqual(encodeModel(applyPlan(model, plan)))
    expect(failure(() => applyPlan(make(5), plan)).kind).toBe('input')
  })

  it('infers the grown shapes', () => {
    const model = build(
      (b) => conv(b, 'b', conv(b, 'a', 'x', [4, 2, 1, 1]), [2, 4, 1, 1]),
      ['n', 2, 3, 2],
    )
    const grown = widen(model, { a: 9 })
    const hidden = grown.graph.nodes[0]!.outputs[0]!
    expect(inferModel(grown).get(hidden)?.shape).toEqual(['n', 9, 3, 2])
  })
})

describe('selecting layers', () => {
  const model = build(
    (b) => {
      const first = conv(b, 'block1/conv', 'x', [4, 2, 1, 1])
      const second = conv(b, 'block2/conv', first, [4, 4, 1, 1])
      return b.node('Relu', [conv(b, 'head', second, [2, 4, 1, 1])])
    },
    ['n', 2, 3, 2],
  )

  it('takes names, weight names, unambiguous parts and patterns', () => {
    const grownBy = (name: string) => planWiden(model, { [name]: 'x2' }).units.map(({ id }) => id)
    expect(grownBy('block1/conv')).toEqual(['block1/conv'])
    expect(grownBy('block2/conv.weight')).toEqual(['block2/conv'])
    expect(grownBy('block2')).toEqual(['block2/conv'])
    expect(grownBy('block*')).toEqual(['block1/conv', 'block2/conv'])
    // A pattern takes what can grow.
    expect(grownBy('*')).toEqual(['block1/conv', 'block2/conv'])
  })

  it('refuses options that only JavaScript lets through', () => {
    const network = build(
      (b) => {
        const first = b.node('MatMul', ['x', b.constant(tensor(2, 2))], {}, { name: 'first' })
        return b.node('MatMul', [first, b.constant(tensor(2, 2))])
      },
      ['n', 2],
    )
    for (const [options, message] of [
      [{ noise: 'papers' }, /noise must be one of zero-sum, paper, none, not papers/],
      [{ init: 'random' }, /init must be one of net2wider, random-pad, not random/],
      [{ noiseSize: Number.NaN }, /noiseSize must be a number/],
    ] as const)
      expect(
        failure(() => planWiden(network, { first: 3 }, options as WidenOptions)),
      ).toMatchObject({
        kind: 'usage',
        message: expect.stringMatching(message),
      })
    const deepening = { init: 'random' } as unknown as DeepenOptions
    expect(failure(() => planDeepen(network, ['first'], deepening)).message).toMatch(
      /init must be one of net2deeper, random-init, not random/,
    )
  })

  it('says what a model without layers has instead', () => {
    const empty = build((b) => b.node('Relu', ['x']), ['n', 2])
    expect(failure(() => planWiden(empty, { '*': 'x2' })).message).toBe(
      'The model has no layer with weights of its own.',
    )
    const quantized = build(
      (b) => {
        const bytes = b.nodeOutputs('DynamicQuantizeLinear', ['x'], {}, { outputs: 3 })
        const weight = () => b.constant(new Tensor('uint8', [2, 2], Uint8Array.of(1, 2, 3, 4)))
        const sum = b.node('MatMulInteger', [bytes[0]!, weight()])
        return b.node('Cast', [sum], { to: 1 })
      },
      ['n', 2],
    )
    const error = failure(() => planDeepen(quantized, ['anything']))
    expect(error.kind).toBe('refused')
    expect(error.message).toBe(
      'The model has no layer with weights of its own: DynamicQuantizeLinear works on quantized values, for which there is no rule: grow the network from before the quantization (1 node); MatMulInteger works on quantized values, for which there is no rule: grow the network from before the quantization (1 node).',
    )
  })

  it('says what exists, and what may have been meant', () => {
    const ambiguous = failure(() => planWiden(model, { conv: 8 }))
    expect(ambiguous).toMatchObject({ kind: 'usage' })
    expect(ambiguous.message).toContain('block1/conv, block2/conv')
    const unknown = failure(() => planWiden(model, { blok1: 8 }))
    expect(unknown.message).toContain('the layers are block1/conv, block2/conv, head')
    const near = failure(() => planWiden(model, { 'block1/cnv': 8 }))
    expect(near.hint).toBe('Did you mean "block1/conv"?')
    expect(failure(() => planWiden(model, { 'he*': 8 })).kind).toBe('refused')
    expect(failure(() => planWiden(model, {})).kind).toBe('usage')
  })
})
