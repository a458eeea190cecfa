/**
 * Models whose outputs hide what happens inside. A growth that keeps the function is proven on each;
 * random padding, which makes another function, is never called equal.
 */
import { describe, expect, test } from 'vitest'
import { watchedRuntime } from '../../testing/watched-runtime.ts'
import { applyPlan, lora, planDeepen, planWiden } from '../growth/index.ts'
import { GraphBuilder } from '../model/builder.ts'
import type { Graph, Model } from '../model/model.ts'
import type { DType } from '../tensor/dtype.ts'
import { gather } from '../tensor/lazy.ts'
import { randomStream } from '../tensor/random.ts'
import {
  elementCount,
  float32,
  int64,
  materialize,
  scalar,
  type Tensor,
  toNumbers,
} from '../tensor/tensor.ts'
import { compare } from './compare.ts'

type Hide = (graph: GraphBuilder, z: string) => string

const normal = (key: string, factor: number, ...dims: number[]) => {
  const random = randomStream(7, key)
  return float32(
    dims,
    Array.from({ length: elementCount(dims) }, () => factor * random.normal()),
  )
}
const number = (graph: GraphBuilder, value: number) => graph.constant(float32([], [value]))
/** Adds products with matrices, named as the layers that they are. */
const product =
  (graph: GraphBuilder) =>
  (name: string, from: string, rows: number, columns: number, deviation = 0.3) =>
    graph.node(
      'MatMul',
      [from, graph.initializer(`${name}.w`, normal(name, deviation, rows, columns))],
      {},
      { name },
    )

/** 12 inputs, 10 hidden units, 6 outputs; `inner` is the activation, `hide` what follows. */
function hidden(
  hide: Hide,
  inner: Hide = (graph, h) => graph.node('Relu', [h]),
  type: DType = 'float32',
): Model {
  const graph = new GraphBuilder()
  graph.input('x', 'float32', ['batch', 12])
  const h = graph.node(
    'Gemm',
    [
      'x',
      graph.initializer('w1', normal('w1', 0.3, 12, 10)),
      graph.initializer('b1', normal('b1', 0.3, 10)),
    ],
    {},
    { name: 'fc1' },
  )
  const z = graph.node(
    'Gemm',
    [
      inner(graph, h),
      graph.initializer('w2', normal('w2', 0.3, 10, 6)),
      graph.initializer('b2', normal('b2', 0.3, 6)),
    ],
    {},
    { name: 'fc2' },
  )
  graph.node('Identity', [hide(graph, z)], {}, { outputs: ['y'] })
  graph.output('y', type, undefined)
  return graph.model()
}

const scaled =
  (factor: number): Hide =>
  (graph, z) =>
    graph.node('Mul', [z, number(graph, factor)])
const shifted =
  (by: number): Hide =>
  (graph, z) =>
    graph.node('Add', [z, number(graph, by)])
const then =
  (...hides: readonly Hide[]): Hide =>
  (graph, z) =>
    hides.reduce((value, hide) => hide(graph, value), z)
const apply =
  (op: string, entries = {}): Hide =>
  (graph, z) =>
    graph.node(op, [z], entries)
const clipped =
  (low: number, high: number): Hide =>
  (graph, z) =>
    graph.node('Clip', [z, number(graph, low), number(graph, high)])
/** Is some number of the input larger than this? */
const gate = (graph: GraphBuilder, bound: number) =>
  graph.node('Greater', [graph.node('ReduceMax', ['x'], { keepdims: 0 }), number(graph, bound)])
const branch = (outputs: (graph: GraphBuilder) => string): Graph => {
  const graph = new GraphBuilder()
  graph.output(outputs(graph), 'float32', undefined)
  return graph.graph('branch')
}
const chosen: Hide = (graph, z) => {
  const [value] = graph.nodeOutputs('If', [gate(graph, 50)], {
    then_branch: {
      type: 'graph',
      value: branch((inner) => inner.node('Identity', [z], {}, { outputs: ['opened'] })),
    },
    else_branch: {
      type: 'graph',
      value: branch((inner) =>
        inner.node(
          'Mul',
          [z, inner.constant(float32([], [0]), 'nought')],
          {},
          { outputs: ['shut'] },
        ),
      ),
    },
  })
  return value!
}

const blind: Readonly<Record<string, Hide>> = {
  'times 1e-7': scaled(1e-7),
  'plus 1e9': shifted(1e9),
  'clipped to a range that it never leaves': then(clipped(-1, 1), shifted(6), clipped(-20, 3)),
  'the largest': apply('ArgMax', { axis: 1 }),
  'greater than -1e3': (graph, z) => graph.node('Greater', [z, number(graph, -1e3)]),
  rounded: then(scaled(1e-3), apply('Round')),
  'softmax over one entry': (graph, z) =>
    graph.node('Softmax', [graph.node('ReduceSum', [z, graph.constant(int64([1]))])], { axis: 1 }),
  'where a gate is shut': (graph, z) => graph.node('Where', [gate(graph, 50), z, number(graph, 0)]),
  'if a gate is shut': chosen,
  'exp plus infinity': then(apply('Exp'), shifted(Number.POSITIVE_INFINITY)),
  NaN: scaled(Number.NaN),
  'tanh far out': then(shifted(40), apply('Tanh')),
  'sigmoid far out': then(shifted(-200), apply('Sigmoid')),
  'hard swish far out': then(shifted(-90), apply('HardSwish')),
  'hard sigmoid far out': then(shifted(90), apply('HardSigmoid')),
  'relu far below': then(shifted(-1e4), apply('Relu')),
  'times zero': scaled(0),
  'at most a constant': (graph, z) => graph.node('Min', [z, number(graph, -1e4)]),
  'at least a constant': (graph, z) => graph.node('Max', [z, number(graph, 1e4)]),
  'the sign far out': then(shifted(1e4), apply('Sign')),
  hardmax: then(scaled(1e-3), apply('Hardmax', { axis: 1 })),
  'the positions of the top': (graph, z) =>
    graph.nodeOutputs('TopK', [z, graph.constant(int64([2]))], { axis: 1 }, { outputs: 2 })[1]!,
  'which are not zero': apply('NonZero'),
  'an integer': then(scaled(1e-2), apply('Cast', { to: 7 })),
  'integer division': (graph, z) =>
    graph.node('Div', [graph.node('Cast', [z], { to: 7 }), graph.constant(int64([1000]))]),
  'a remainder of one': (graph, z) =>
    graph.node('Mod', [graph.node('Cast', [z], { to: 7 }), graph.constant(int64([1]))]),
  floored: then(scaled(1e-3), shifted(0.5), apply('Floor')),
  'quantized coarsely': (graph, z) =>
    graph.node('DequantizeLinear', [
      graph.node('QuantizeLinear', [z, number(graph, 1e3), graph.constant(scalar('uint8', 3))]),
      number(graph, 1e3),
      graph.constant(scalar('uint8', 3)),
    ]),
  'its shape': apply('Shape'),
  'masked out': (graph, z) => {
    const mask = graph.constant(float32([1, 6], Array<number>(6).fill(-3e38)))
    return graph.node('Softmax', [graph.node('Add', [z, mask])], { axis: 1 })
  },
  'is it NaN': apply('IsNaN'),
}

describe.each(Object.entries(blind))('outputs that are %s', (name, hide) => {
  const type: DType = /largest|positions|not zero|integer|remainder|shape/.test(name)
    ? 'int64'
    : /greater than|is it NaN/.test(name)
      ? 'bool'
      : 'float32'
  const model = hidden(hide, undefined, type)

  test('prove growth that keeps the function', async () => {
    expect(await compare(model, applyPlan(model, planWiden(model, { fc1: 17 })))).toMatchObject({
      equal: true,
    })
    expect(await compare(model, applyPlan(model, planDeepen(model, ['fc1'])))).toMatchObject({
      equal: true,
    })
  })

  test('do not hide random units', async () => {
    const padded = applyPlan(model, planWiden(model, { fc1: 17 }, { init: 'random-pad' }))
    const report = await compare(model, padded)
    expect(report.equal).not.toBe(true)
    if (report.equal === null) expect(report.notExercised!.length).toBeGreaterThan(0)
  })

  test('do not hide a random layer', async () => {
    const random = applyPlan(model, planDeepen(model, ['fc1'], { init: 'random-init' }))
    expect((await compare(model, random)).equal).not.toBe(true)
  })

  test('do not hide noise that is not exact', async () => {
    const noisy = applyPlan(model, planWiden(model, { fc1: 17 }, { noise: 'paper' }))
    expect((await compare(model, noisy)).equal).not.toBe(true)
  })

  test.each(['w1', 'b1', 'w2', 'b2'])('do not hide a mistake in %s', async (weight) => {
    const student = applyPlan(model, planWiden(model, { fc1: 17 }))
    expect((await compare(model, corrupted(student, weight))).equal).not.toBe(true)
  })
})

/** The model with one number of a weight replaced. */
function corrupted(model: Model, weight: string): Model {
  const { tensor } = model.graph.initializers.get(weight)!
  const values = new Float32Array(tensor.read(0, tensor.byteLength).slice().buffer)
  const at = randomStream(3, weight).below(values.length)
  values[at] = values[at]! * 1.5 + 0.05
  const initializers = new Map(model.graph.initializers)
  initializers.set(weight, { tensor: float32(tensor.dims, values) })
  return { ...model, graph: { ...model.graph, initializers } }
}

/** The model with other names for everything but its inputs and outputs. */
function renamed(model: Model): Model {
  const { graph } = model
  const kept = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name))
  const other = (name: string) => (name === '' || kept.has(name) ? name : `other.${name}`)
  return {
    ...model,
    graph: {
      ...graph,
      initializers: new Map([...graph.initializers].map(([name, each]) => [other(name), each])),
      nodes: graph.nodes.map((node) => ({
        ...node,
        name: other(node.name),
        inputs: node.inputs.map(other),
        outputs: node.outputs.map(other),
      })),
    },
  }
}

describe('models that no growth has made', () => {
  const plain: Hide = (_, z) => z
  const model = hidden(plain)

  test('are equal under other names, and different where a number is', async () => {
    expect(await compare(model, renamed(model))).toMatchObject({ equal: true })
    const grown = applyPlan(model, planWiden(model, { fc1: 17 }))
    expect(await compare(model, renamed(grown))).toMatchObject({ equal: true })
    for (const weight of ['w1', 'b1', 'w2', 'b2'])
      expect((await compare(model, renamed(corrupted(grown, weight)))).equal).toBe(false)
  })

  test('cannot be told apart behind what hides them, under other names either', async () => {
    const blinded = hidden(clipped(7, 8))
    const padded = applyPlan(blinded, planWiden(blinded, { fc1: 17 }, { init: 'random-pad' }))
    const report = await compare(blinded, renamed(padded))
    expect(report.equal).not.toBe(true)
  })

  test('are equal with their hidden units in another order', async () => {
    const order = Uint32Array.from({ length: 10 }, (_, i) => (i * 3 + 1) % 10)
    const initializers = new Map(model.graph.initializers)
    for (const [name, axis] of [
      ['w1', 1],
      ['b1', 0],
      ['w2', 0],
    ] as const)
      initializers.set(name, {
        tensor: gather(initializers.get(name)!.tensor, [{ axis, index: order }]),
      })
    const permuted = { ...model, graph: { ...model.graph, initializers } }
    expect(await compare(model, permuted)).toMatchObject({ equal: true })
  })

  test('are the same in segments', async () => {
    const inSegments = { wholeUpTo: 0 }
    const grown = applyPlan(model, planWiden(model, { fc1: 17 }))
    const deeper = applyPlan(grown, planDeepen(grown, ['fc1']))
    expect(await compare(model, deeper, inSegments)).toMatchObject({ equal: true })
    expect((await compare(model, corrupted(grown, 'w2'), inSegments)).equal).toBe(false)
    const blinded = hidden(clipped(7, 8))
    const padded = applyPlan(blinded, planWiden(blinded, { fc1: 17 }, { init: 'random-pad' }))
    expect((await compare(blinded, padded, inSegments)).equal).not.toBe(true)
  })

  test('are equal although one overflows where the other does not, on numbers that nobody asked for', async () => {
    const model = (before: number, behind: number) =>
      hidden((graph, z) => {
        const large = graph.node('Mul', [z, graph.initializer('before', float32([], [before]))])
        const square = graph.node('Mul', [large, large])
        const factor = graph.initializer('behind', float32([], [behind]))
        const named = graph.node('Mul', [square, factor], {}, { outputs: ['named'] })
        return graph.node('Reciprocal', [graph.node('Add', [named, number(graph, 1)])])
      }, apply('Tanh'))
    const [a, b] = [model(2 ** 62, 2 ** -120), model(2 ** 58, 2 ** -112)]
    expect((await compare(a, b)).equal).toBe(true)
  })

  test('are equal where small changes are not seen, and rounding is all that is left of large numbers', async () => {
    /** What comes between has names that the other model does not have: it is not compared by itself. */
    const model = (before: number, behind: number) =>
      hidden(shifted(0), (graph, h) => {
        const step = (op: string, value: string, by: string) =>
          graph.nodeOutputs(op, [value, by], {}, { outputs: [`${value}.${before}`] })[0]!
        const large = step('Mul', h, graph.initializer('before', float32([], [before])))
        const back = step('Mul', large, graph.initializer('behind', float32([], [behind])))
        const small = step('Mul', back, number(graph, 2e-5))
        return graph.node('Sin', [step('Add', small, number(graph, 1))])
      })
    expect(await compare(model(3, 1 / 3), model(7, 1 / 7))).toMatchObject({ equal: true })
    expect((await compare(model(3, 1 / 3), model(7, 1 / 9))).equal).not.toBe(true)
  })

  test('change no weight again that was seen to count when another one was not', async () => {
    /** How often models run, of which the first layer counts so little. */
    const runs = async (by: number) => {
      const model = hidden(shifted(0), then(scaled(by), shifted(1)))
      const grown = applyPlan(model, planWiden(model, { fc1: 17 }))
      let count = 0
      const runtime = watchedRuntime(() => count++)
      expect((await compare(model, grown, { runtime })).equal).toBe(true)
      return count
    }
    const [once, often] = [await runs(1), await runs(1e-3)]
    // Nine more trials run both models on two samples, and change the weight of the one layer until it is seen.
    expect(often - once).toBeLessThanOrEqual(9 * 4 + 3)
  })

  test('with another weight in a branch that is not taken cannot be told apart', async () => {
    const choosing = (weight: number): Model => {
      const graph = new GraphBuilder()
      graph.input('x', 'float32', ['batch', 12])
      const branchTimes = (factor: number, name: string) =>
        branch((inner) =>
          inner.node(
            'Mul',
            ['x', inner.constant(float32([], [factor]), name)],
            {},
            { outputs: [`${name}.y`] },
          ),
        )
      graph.nodeOutputs(
        'If',
        [gate(graph, 50)],
        {
          then_branch: { type: 'graph', value: branchTimes(weight, 'then') },
          else_branch: { type: 'graph', value: branchTimes(3, 'else') },
        },
        { name: 'choice', outputs: ['y'] },
      )
      graph.output('y', 'float32', undefined)
      return graph.model()
    }
    expect(await compare(choosing(2), choosing(2))).toMatchObject({ equal: true })
    expect(await compare(choosing(2), choosing(5))).toMatchObject({
      equal: null,
      notExercised: ['choice'],
    })
  })
})

describe('a recurrent layer that hardly hears its input', () => {
  /** frames → conv → LSTM whose gates stay nearly shut → output. */
  function listener(): Model {
    const graph = new GraphBuilder()
    graph.input('sound', 'float32', [1, 8, 20])
    const conv = graph.node(
      'Conv',
      ['sound', graph.initializer('c.w', normal('c', 0.2, 12, 8, 3))],
      { pads: [1, 1] },
      { name: 'conv' },
    )
    const frames = graph.node('Transpose', [graph.node('Relu', [conv])], { perm: [2, 0, 1] })
    const [states] = graph.nodeOutputs(
      'LSTM',
      [
        frames,
        graph.initializer('l.w', normal('l.w', 1e-4, 1, 64, 12)),
        graph.initializer('l.r', normal('l.r', 1e-4, 1, 64, 16)),
        graph.initializer('l.b', float32([1, 128], new Float32Array(128).fill(-9))),
      ],
      { hidden_size: 16 },
      { name: 'lstm' },
    )
    graph.node('Sigmoid', [states!], {}, { outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    return graph.model()
  }

  test('is not called equal behind a fresh layer, and is behind one that is the identity', async () => {
    const model = listener()
    const fresh = applyPlan(model, planDeepen(model, ['conv'], { init: 'random-init' }))
    expect((await compare(model, fresh)).equal).not.toBe(true)
    const deeper = applyPlan(model, planDeepen(model, ['conv']))
    expect(await compare(model, deeper)).toMatchObject({ equal: true })
  })
})

describe('residual blocks that start at zero', () => {
  test('are equal, and may be widened', async () => {
    const model = hidden((_, z) => z)
    const deeper = applyPlan(model, planDeepen(model, ['fc1'], { block: 'residual' }))
    expect(await compare(model, deeper)).toMatchObject({ equal: true })
    const inner = deeper.graph.nodes.find(({ name }) => name.startsWith('fc1-deeper'))!.name
    const wider = applyPlan(deeper, planWiden(deeper, { [inner]: 15 }))
    expect(await compare(deeper, wider)).toMatchObject({ equal: true })
  })
})

describe('normalizations that are written out', () => {
  /** x → in, then blocks of h + down(relu(up((h − mean) / √(variance + ε)))), then out; 16 units in the stream. */
  function stream(blocks: number): Model {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['batch', 12])
    const dense = product(graph)
    const axes = graph.initializer('axes', int64([-1]))
    const mean = (from: string) => graph.node('ReduceMean', [from, axes])
    let h = dense('in', 'x', 12, 16)
    for (let i = 0; i < blocks; i++) {
      const offset = graph.node('Sub', [h, mean(h)])
      const variance = mean(graph.node('Mul', [offset, offset]))
      const deviation = graph.node('Sqrt', [graph.node('Add', [variance, number(graph, 1e-5)])])
      const up = dense(`up${i}`, graph.node('Div', [offset, deviation]), 16, 10)
      h = graph.node('Add', [h, dense(`down${i}`, graph.node('Relu', [up]), 10, 16)])
    }
    graph.node('Identity', [dense('out', h, 16, 4)], {}, { outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    return graph.model()
  }

  test('are compared with the means that their variances are of', async () => {
    /** How often models run until a wider stream is known to be the same. */
    const runs = async (blocks: number) => {
      const model = stream(blocks)
      // New units that are no whole copies leave the mean as it is, and change how many squares there are.
      const wider = applyPlan(model, planWiden(model, { in: 24 }))
      let count = 0
      const runtime = watchedRuntime(() => count++)
      expect(await compare(model, wider, { runtime })).toMatchObject({ equal: true })
      return count
    }
    const [one, four, eight] = [await runs(1), await runs(4), await runs(8)]
    // A trial runs the second model three times more for a block. There are two: with random means, and with those of the values.
    expect(four - one).toBeLessThanOrEqual(2 * 3 * 3)
    // Eight blocks are two parts: the second one runs for three samples, as it is, and for each value that it takes, too.
    expect(eight - one).toBeLessThanOrEqual(2 * (3 * 7 + 8))
  })

  test('hide no mistake', async () => {
    const model = stream(3)
    const wider = applyPlan(model, planWiden(model, { in: 24 }))
    for (const name of ['up1.w', 'down2.w', 'out.w'])
      expect((await compare(model, corrupted(wider, name))).equal, name).toBe(false)
  })
})

describe('what is multiplied by nearly nothing', () => {
  /** x → in → in + scale · up(relu(down(in))) → out, with 16 units in the stream. */
  function scaledBranch(scale: number): Model {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['batch', 12])
    const dense = product(graph)
    const stream = dense('in', 'x', 12, 16)
    const branch = dense('up', graph.node('Relu', [dense('down', stream, 16, 10)]), 10, 16)
    const scales = graph.initializer('scale', normal('scale', scale, 16))
    const sum = graph.node('Add', [stream, graph.node('Mul', [branch, scales])])
    graph.node('Identity', [dense('out', sum, 16, 4)], {}, { outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    return graph.model()
  }
  const mistaken = (model: Model, name: string): Model => {
    const initializers = new Map(model.graph.initializers)
    const tensor = materialize(initializers.get(name)!.tensor)
    const other = float32(tensor.dims, toNumbers(tensor))
    other.data[0]! += 0.5
    initializers.set(name, { tensor: other })
    return { ...model, graph: { ...model.graph, initializers } }
  }

  /** x → in → in + o(softmax(q · k) · v) of the normalized in → out, as transformers begin: attention hardly differs from a mean. */
  function attentive(size: number): Model {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['batch', 6, 12])
    const dense = product(graph)
    const stream = dense('in', 'x', 12, 16)
    const one = graph.initializer('one', float32([16], new Float32Array(16).fill(1)))
    const normed = graph.node('LayerNormalization', [stream, one], { axis: -1 }, { name: 'norm' })
    const heads = graph.constant(int64([0, 6, 2, 8]))
    const [q, k, v] = ['q', 'k', 'v'].map((name) =>
      graph.node('Reshape', [dense(name, normed, 16, 16, size), heads]),
    )
    const places = { perm: [0, 2, 1, 3] }
    const scores = graph.node('MatMul', [
      graph.node('Transpose', [q!], places),
      graph.node('Transpose', [k!], { perm: [0, 2, 3, 1] }),
    ])
    const mixed = graph.node('MatMul', [
      graph.node('Softmax', [scores], { axis: -1 }),
      graph.node('Transpose', [v!], places),
    ])
    const joined = graph.node('Transpose', [mixed], places)
    const flat = graph.node('Reshape', [joined, graph.constant(int64([0, 6, 16]))])
    const sum = graph.node('Add', [stream, dense('o', flat, 16, 16, size)])
    graph.node('Identity', [dense('out', sum, 16, 4)], {}, { outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    return graph.model()
  }

  test('counts where scores of attention hardly differ', async () => {
    const model = attentive(0.004)
    const wider = applyPlan(model, planWiden(model, { in: 32, q: 24 }))
    expect(await compare(model, wider)).toMatchObject({ equal: true })
    for (const name of ['q.w', 'k.w', 'o.w'])
      expect((await compare(model, mistaken(wider, name))).equal, name).not.toBe(true)
  })

  test.each([1e-6, 1e-9, 1e-4])('counts where all of it is multiplied: %s', async (scale) => {
    const model = scaledBranch(scale)
    const wider = applyPlan(model, planWiden(model, { in: 21 }))
    expect(await compare(model, wider)).toMatchObject({ equal: true })
    expect((await compare(model, mistaken(wider, 'up.w'))).equal).not.toBe(true)
    expect((await compare(model, mistaken(wider, 'scale'))).equal).not.toBe(true)
  })

  test('may be part of another weight in one of the models', async () => {
    const model = scaledBranch(1e-6)
    const initializers = new Map(model.graph.initializers)
    const up = toNumbers(materialize(initializers.get('up.w')!.tensor))
    const scales = toNumbers(materialize(initializers.get('scale')!.tensor))
    const folded = up.map((value, i) => value * scales[i % 16]!)
    initializers.set('up.w', { tensor: float32([10, 16], folded) })
    initializers.set('scale', { tensor: float32([16], new Array<number>(16).fill(1)) })
    const report = await compare(model, { ...model, graph: { ...model.graph, initializers } })
    expect(report.equal).not.toBe(false)
  })

  // Weights of more than 4 MiB have segments of their own, between which values are zero.
  test('counts where it is zero, and large weights read it or are added to it', async () => {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['batch', 12])
    const weight = (name: string, factor: number, ...dims: number[]) =>
      graph.initializer(name, normal(name, factor, ...dims))
    const h = graph.node('MatMul', ['x', weight('zero', 0, 12, 1050)], {}, { name: 'start' })
    const large = graph.node(
      'MatMul',
      [h, weight('large', 0.03, 1050, 1000)],
      {},
      { name: 'dense' },
    )
    const sum = graph.node('Add', [
      large,
      graph.node('MatMul', ['x', weight('beside', 0.3, 12, 1000)], {}, { name: 'beside' }),
    ])
    graph.node('MatMul', [sum, weight('out', 0.03, 1000, 4)], {}, { name: 'out', outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    const model = graph.model()
    const wider = applyPlan(model, planWiden(model, { start: 1060 }))
    expect(await compare(model, wider)).toMatchObject({ equal: true })
    expect(await compare(model, lora(model, ['dense'], { rank: 2 }))).toMatchObject({ equal: true })
  })

  test('shows nothing of what stands behind a gate that stays shut', async () => {
    const graph = new GraphBuilder()
    graph.input('x', 'float32', ['batch', 12])
    const weight = (name: string, factor: number, ...dims: number[]) =>
      graph.initializer(name, normal(name, factor, ...dims))
    const shut = graph.initializer('shut', float32([1050], new Array<number>(1050).fill(-1e30)))
    const start = [weight('first', 0.3, 12, 1050), shut]
    const gate = graph.node('Relu', [graph.node('Gemm', ['x', ...start], {}, { name: 'start' })])
    const large = weight('large', 0.03, 1050, 1000)
    const dense = graph.node('MatMul', [gate, large], {}, { name: 'dense' })
    const added = graph.node('Add', [dense, weight('added', 0.3, 1000)])
    graph.node('MatMul', [added, weight('out', 0.03, 1000, 4)], {}, { outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    const model = graph.model()
    const wider = applyPlan(model, planWiden(model, { start: 1060 }))
    for (const other of [wider, mistaken(wider, 'large')])
      expect(await compare(model, other)).toMatchObject({
        equal: null,
        notExercised: ['start', 'dense'],
      })
  })
})

describe('a table of ids', () => {
  /** ids → embedding → dense; one number of a row is off. */
  const embedding = (row?: number): Model => {
    const table = normal('table', 1, 3000, 6)
    if (row !== undefined) table.data[row * 6 + 2]! += 1
    const graph = new GraphBuilder()
    graph.input('ids', 'int64', ['batch', 'length'])
    const words = graph.node(
      'Gather',
      [graph.initializer('table', table), 'ids'],
      {},
      { name: 'words' },
    )
    const weight = graph.initializer('w', normal('w', 1, 6, 4))
    graph.node('MatMul', [words, weight], {}, { name: 'head', outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    return graph.model()
  }
  const model = embedding()
  const grown = applyPlan(model, planWiden(model, { words: 11 }))

  test('may grow', async () => {
    expect(await compare(model, grown)).toMatchObject({ equal: true })
  })

  test.each([20, 1500, 2999])('has no mistake in row %s, asked for or not', async (row) => {
    expect((await compare(model, embedding(row))).equal).not.toBe(true)
    const initializers = new Map(grown.graph.initializers)
    const table = materialize(initializers.get('table')!.tensor)
    table.data[row * 11 + 9] = Number(table.data[row * 11 + 9]) + 0.5
    initializers.set('table', { tensor: table })
    const mistaken = { ...grown, graph: { ...grown.graph, initializers } }
    expect((await compare(model, mistaken)).equal).not.toBe(true)
  })

  /** A table and a product of low rank beside it, or their sum; one number of the sum is off. */
  const lowRank = (rows: number, { isMerged = false, mistake = -1 } = {}): Model => {
    const [table, left, right] = [
      normal('t', 1, rows, 6),
      normal('l', 1, rows, 2),
      normal('r', 1, 2, 6),
    ]
    const graph = new GraphBuilder()
    graph.input('ids', 'int64', ['batch', 'length'])
    graph.input('x', 'float32', ['batch', 'length', 6])
    const of = (name: string, tensor: Tensor) =>
      graph.node('Gather', [graph.initializer(name, tensor), 'ids'])
    if (isMerged) {
      const sum = Array.from(table.data, (value, i) => {
        const [row, column] = [Math.floor(i / 6), i % 6]
        const product = [0, 1].reduce(
          (to, k) => to + Number(left.data[row * 2 + k]) * Number(right.data[k * 6 + column]),
          0,
        )
        return Number(value) + product + (row === mistake && column === 4 ? 0.1 : 0)
      })
      graph.node(
        'Gather',
        [graph.initializer('t', float32([rows, 6], sum)), 'ids'],
        {},
        { name: 'words', outputs: ['h'] },
      )
    } else {
      const product = graph.node('MatMul', [of('l', left), graph.initializer('r', right)])
      graph.node('Add', [of('t', table), product], {}, { outputs: ['h'] })
    }
    graph.node('Mul', ['h', 'x'], {}, { outputs: ['y'] })
    graph.output('y', 'float32', undefined)
    return graph.model()
  }

  test('may hold a product of low rank that stood beside it, in every row', async () => {
    const [adapted, merged] = [lowRank(700), lowRank(700, { isMerged: true })]
    expect(await compare(adapted, merged)).toMatchObject({ equal: true })
    for (const mistake of [0, 350, 699]) {
      const other = lowRank(700, { isMerged: true, mistake })
      expect((await compare(adapted, other)).equal).not.toBe(true)
    }
  })
})
