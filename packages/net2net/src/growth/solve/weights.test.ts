/** Layers whose weights are computed in the graph. */
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../../testing/check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64, type LazyTensor, scalar, Tensor } from '../../tensor/tensor.ts'
import { applyPlan, inspect, planWiden, widen } from '../index.ts'

const random = randomStream(3, 'weights')
const tensor = (...dims: number[]): LazyTensor =>
  float32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random.normal() / 2),
  )

/** How a weight [out, in] is computed. */
type Form = (b: GraphBuilder, out: number, inputs: number) => string

const weight = (b: GraphBuilder, ...dims: number[]) => b.constant(tensor(...dims), 'w')

/** A norm along one axis, kept at size one. */
const norm = (b: GraphBuilder, value: string, axis: number) =>
  b.node('ReduceL2', [value, b.constant(int64([axis]))], {}, { name: 'norm' })

const writtenOutNorm = (b: GraphBuilder, value: string, axis: number) => {
  const squares = b.node('Pow', [value, b.constant(scalar('float32', 2))])
  const sum = b.node('ReduceSum', [squares, b.constant(int64([axis]))], {}, { name: 'norm' })
  return b.node('Sqrt', [sum])
}

const normalized =
  (axis: number, length = norm): Form =>
  (b, out, inputs) => {
    const v = weight(b, out, inputs)
    const g = weight(b, ...(axis === 1 ? [out, 1] : [1, inputs]))
    const direction = b.node('Div', [v, length(b, v, axis)], {}, { name: 'direction' })
    return b.node('Mul', [direction, g], {}, { name: 'scaled' })
  }

const mask = (b: GraphBuilder, out: number, inputs: number) =>
  b.constant(
    new Tensor(
      'bool',
      [out, inputs],
      Uint8Array.from({ length: out * inputs }, (_, i) => (i % 3 === 0 ? 0 : 1)),
    ),
  )

/** Whole numbers, stored as bytes. */
const castBytes = (b: GraphBuilder, out: number, inputs: number) => {
  const bytes = Int8Array.from({ length: out * inputs }, (_, i) => ((i * 37) % 11) - 5)
  return b.node('Cast', [b.constant(new Tensor('int8', [out, inputs], bytes), 'bytes')], { to: 1 })
}

interface Case {
  readonly form: Form
  /** Why the units that it computes cannot grow, … */
  readonly out?: RegExp
  /** … and why those that it sums over cannot. */
  readonly in?: RegExp
}

const forms: Readonly<Record<string, Case>> = {
  'an initializer': { form: weight },
  'Transpose, Cast, Identity': {
    form: (b, out, inputs) => {
      const turned = b.node('Transpose', [weight(b, inputs, out)])
      return b.node('Identity', [b.node('Cast', [b.node('Cast', [turned], { to: 11 })], { to: 1 })])
    },
  },
  'Reshape, Unsqueeze, Squeeze': {
    form: (b, out, inputs) => {
      const shape = b.constant(int64([out, inputs]))
      const matrix = b.node('Reshape', [weight(b, 1, out, inputs, 1), shape])
      const axis = b.constant(int64([1]))
      return b.node('Squeeze', [b.node('Unsqueeze', [matrix, axis]), axis])
    },
  },
  'a vector that holds all rows': {
    form: (b, out, inputs) =>
      b.node('Reshape', [weight(b, out * inputs), b.constant(int64([out, inputs]))]),
  },
  'weight norm along the inputs': {
    form: normalized(1),
    in: /ReduceL2 norm.*sums over it/,
  },
  'weight norm along the outputs': { form: normalized(0), out: /ReduceL2 norm.* sums over it/ },
  'weight norm written out, along the inputs': {
    form: normalized(1, writtenOutNorm),
    in: /ReduceSum norm.*Pow .*does not scale/,
  },
  'weight norm written out, along the outputs': {
    form: normalized(0, writtenOutNorm),
    out: /ReduceSum norm.* sums over it/,
  },
  'a direction without a length, along the outputs': {
    form: (b, out, inputs) => {
      const v = weight(b, out, inputs)
      return b.node('Div', [v, norm(b, v, 0)], {}, { name: 'direction' })
    },
    out: /sums over it/,
    in: /ReduceL2 norm would have to be copied and split/,
  },
  'a mask': { form: (b, ...dims) => b.node('Mul', [weight(b, ...dims), weight(b, ...dims)]) },
  'a mask of booleans': {
    form: (b, ...dims) =>
      b.node('Mul', [b.node('Cast', [mask(b, ...dims)], { to: 1 }), weight(b, ...dims)]),
  },
  'a choice against zero': {
    form: (b, ...dims) =>
      b.node('Where', [mask(b, ...dims), weight(b, ...dims), b.constant(scalar('float32', 0))]),
  },
  'a choice of two': {
    form: (b, ...dims) =>
      b.node('Where', [mask(b, ...dims), weight(b, ...dims), weight(b, ...dims)]),
  },
  'a choice against a number': {
    form: (b, ...dims) =>
      b.node(
        'Where',
        [mask(b, ...dims), weight(b, ...dims), b.constant(scalar('float32', 1))],
        {},
        { name: 'choice' },
      ),
    in: /Where choice joins it/,
  },
  'a threshold on itself': {
    form: (b, ...dims) => {
      const w = weight(b, ...dims)
      const large = b.node('Greater', [b.node('Abs', [w]), b.constant(scalar('float32', 0.2))])
      return b.node('Where', [large, w, b.constant(scalar('float32', 0))], {}, { name: 'choice' })
    },
    in: /Greater .*does not scale/,
  },
  'low-rank adaptation': {
    form: (b, out, inputs) => {
      const product = b.node('MatMul', [weight(b, out, 2), weight(b, 2, inputs)])
      const update = b.node('Mul', [product, b.constant(scalar('float32', 0.5))])
      return b.node('Add', [weight(b, out, inputs), update])
    },
  },
  'a product of low rank': {
    form: (b, out, inputs) => b.node('MatMul', [weight(b, out, 2), weight(b, 2, inputs)]),
  },
  'a product of low rank by Einsum': {
    form: (b, out, inputs) =>
      b.node('Einsum', [weight(b, out, 2), weight(b, inputs, 2)], { equation: 'or,ir->oi' }),
  },
  'an equalised rate': {
    form: (b, ...dims) => b.node('Mul', [weight(b, ...dims), b.constant(scalar('float32', 0.3))]),
  },
  'a number of the size of the weight': {
    form: (b, ...dims) => {
      const w = weight(b, ...dims)
      const size = b.node('Gather', [b.node('Shape', [w]), b.constant(scalar('int64', 1))])
      return b.node('Div', [w, b.node('Sqrt', [b.node('Cast', [size], { to: 1 })])])
    },
  },
  'a scale per input': {
    form: (b, ...dims) => b.node('Mul', [weight(b, dims[1]), weight(b, ...dims)]),
  },
  'a quotient': {
    form: (b, ...dims) => b.node('Div', [weight(b, ...dims), weight(b, dims[0], 1)]),
  },
  'a quotient by the weight': {
    form: (b, ...dims) =>
      b.node(
        'Div',
        [b.constant(scalar('float32', 1)), weight(b, ...dims)],
        {},
        { name: 'inverse' },
      ),
    in: /Div inverse joins it/,
  },
  'sums and differences': {
    form: (b, ...dims) => {
      const [a, c] = [weight(b, ...dims), weight(b, ...dims)]
      return b.node('Sub', [b.node('Sum', [a, b.node('Neg', [c]), a]), weight(b, ...dims)])
    },
  },
  'a term per output': {
    form: (b, ...dims) =>
      b.node('Add', [weight(b, ...dims), weight(b, dims[0], 1)], {}, { name: 'shifted' }),
    in: /Add shifted joins it/,
  },
  'a term per input': {
    form: (b, ...dims) => b.node('Add', [weight(b, ...dims), weight(b, dims[1])]),
  },
  'a number computed from sizes as a term': {
    form: (b, ...dims) => {
      const w = weight(b, ...dims)
      const size = b.node('Cast', [b.node('Size', [w])], { to: 1 })
      return b.node('Add', [w, size], {}, { name: 'shifted' })
    },
    in: /Add shifted joins it/,
  },
  'parts for the outputs': {
    form: (b, out, inputs) =>
      b.node('Concat', [weight(b, 2, inputs), weight(b, out - 2, inputs)], { axis: 0 }),
  },
  'parts for the inputs': {
    form: (b, out, inputs) =>
      b.node('Concat', [weight(b, out, 1), weight(b, out, inputs - 1)], { axis: 1 }),
  },
  'a part of a larger weight': {
    form: (b, out, inputs) =>
      b.node('Slice', [
        weight(b, out + 2, inputs),
        ...[2, out + 2, 0].map((at) => b.constant(int64([at]))),
      ]),
  },
  'parts for the inputs, one of them taken from all': {
    form: (b, out, inputs) => {
      const part = weight(b, out, 1)
      const parts = b.node('Concat', [part, weight(b, out, inputs - 1)], { axis: 1 })
      return b.node('Sub', [parts, part], {}, { name: 'rest' })
    },
    in: /Sub rest joins it/,
  },
  'parts for the outputs, one of them taken from all': {
    form: (b, out, inputs) => {
      const part = weight(b, 1, inputs)
      return b.node('Sub', [
        b.node('Concat', [part, weight(b, out - 1, inputs)], { axis: 0 }),
        part,
      ])
    },
  },
  'a function of the weight': {
    form: (b, ...dims) => b.node('Tanh', [weight(b, ...dims)], {}, { name: 'squashed' }),
    in: /Tanh squashed does not scale/,
  },
  'a clipped weight': {
    form: (b, ...dims) =>
      b.node(
        'Clip',
        [weight(b, ...dims), b.constant(scalar('float32', -1)), b.constant(scalar('float32', 1))],
        {},
        { name: 'clipped' },
      ),
    in: /Clip clipped does not scale/,
  },
  'a gate beside the weight': {
    form: (b, ...dims) =>
      b.node('Mul', [b.node('Sigmoid', [weight(b, ...dims)]), weight(b, ...dims)]),
  },
  'the square of a weight': {
    form: (b, ...dims) => {
      const w = weight(b, ...dims)
      return b.node('Mul', [w, w], {}, { name: 'square' })
    },
    in: /Mul square would have to be copied and split/,
  },
  'a weight times a sum with it': {
    form: (b, ...dims) => {
      const [u, w] = [weight(b, ...dims), weight(b, ...dims)]
      const product = b.node('Mul', [u, w])
      return b.node('Add', [product, w], {}, { name: 'sum' })
    },
  },
  'weight standardization': {
    form: (b, ...dims) => {
      const w = weight(b, ...dims)
      const mean = b.node('ReduceMean', [w, b.constant(int64([1]))], {}, { name: 'mean' })
      return b.node('Sub', [w, mean], {}, { name: 'centred' })
    },
    in: /Sub centred joins it/,
  },
  'bytes and a scale per output': {
    form: (b, out, inputs) => {
      const floats = castBytes(b, out, inputs)
      return b.node('Mul', [floats, weight(b, out, 1)], {}, { name: 'scaled' })
    },
  },
  'bytes and a scale per input': {
    form: (b, out, inputs) => {
      const floats = castBytes(b, out, inputs)
      return b.node('Mul', [floats, weight(b, inputs)])
    },
  },
  'numbers rounded to bytes': {
    form: (b, ...dims) => {
      const bytes = b.node('Cast', [weight(b, ...dims)], { to: 3 }, { name: 'rounded' })
      return b.node('Cast', [bytes], { to: 1 })
    },
    in: /Cast rounded does not scale/,
  },
}

type Reader = (b: GraphBuilder, x: string, w: string, name: string) => string
const readers: Readonly<Record<string, { rank: 2 | 4; read: Reader }>> = {
  Gemm: { rank: 2, read: (b, x, w, name) => b.node('Gemm', [x, w], { transB: 1 }, { name }) },
  MatMul: {
    rank: 2,
    read: (b, x, w, name) => b.node('MatMul', [x, b.node('Transpose', [w])], {}, { name }),
  },
  Conv: {
    rank: 4,
    read: (b, x, w, name) =>
      b.node('Conv', [x, b.node('Unsqueeze', [w, b.constant(int64([2, 3]))])], {}, { name }),
  },
}

/** x → `before` (plain) → `middle` (computed) → `after` (plain). */
function network(form: Form, { rank, read }: { rank: 2 | 4; read: Reader }): Model {
  const b = new GraphBuilder()
  const x = b.input('x', 'float32', rank === 2 ? ['n', 2] : ['n', 2, 3, 2])
  const before = b.node('Tanh', [read(b, x, weight(b, 4, 2), 'before')])
  const middle = b.node('Relu', [read(b, before, form(b, 5, 4), 'middle')])
  b.output(read(b, middle, weight(b, 3, 5), 'after'), 'float32')
  return b.model()
}

describe.each(Object.entries(readers))('a computed weight of %s', (op, reader) => {
  it.each(Object.entries(forms))('%s', async (what, { form, out, in: summed }) => {
    const model = network(form, reader)
    const layers = inspect(model).layers
    expect(layers.map((layer) => [layer.name, layer.op, layer.width])).toEqual([
      ['before', op, 4],
      ['middle', op, 5],
      ['after', op, 3],
    ])
    for (const [i, name, reason] of [
      [0, 'before', summed],
      [1, 'middle', out],
    ] as const) {
      const { widen: answer } = layers[i]!
      if (reason) {
        expect(answer).toMatch(reason)
        expect(() => planWiden(model, { [name]: 'x2' })).toThrow(reason)
      } else {
        expect(answer, name).toBe(true)
        for (const width of [7, 12]) {
          const wider = widen(model, { [name]: width }, { seed: width })
          expect(inspect(wider).layers[i]!.width).toBe(width)
          // Small numbers are rounded to zero.
          await expectEqualFunctions(model, wider, { isBlind: /rounded/.test(what) })
        }
      }
    }
  })
})

const perceptron = (make: (b: GraphBuilder) => string): Model => {
  const b = new GraphBuilder()
  b.input('x', 'float32', ['n', 4])
  b.output(make(b), 'float32')
  return b.model()
}
const product = (b: GraphBuilder, x: string, w: string, name: string) =>
  b.node('MatMul', [x, w], {}, { name })

const namesOf = (model: Model) => inspect(model).layers.map(({ name }) => name)
const answerOf = (model: Model, layer: string) =>
  inspect(model).layers.find(({ name }) => name === layer)?.widen

describe('computed weights', () => {
  it('are named by their largest constant', () => {
    const model = perceptron((b) => {
      const v = b.initializer('direction', tensor(4, 6))
      const g = b.initializer('length', tensor(1, 6))
      const hidden = product(b, 'x', b.node('Mul', [g, v]), 'first')
      const chosen = [
        mask(b, 6, 2),
        b.initializer('base', tensor(6, 2)),
        b.constant(scalar('float32', 0)),
      ]
      return product(b, b.node('Relu', [hidden]), b.node('Where', chosen), 'second')
    })
    expect(planWiden(model, { direction: 8 })).toMatchObject({ units: [{ id: 'first', to: 8 }] })
    expect(() => planWiden(model, { length: 8 })).toThrow('There is no layer "length"')
    expect(() => planWiden(model, { base: 8 })).toThrow('MatMul second cannot be widened')
  })

  it('are split and take noise in every term of a sum, and in one factor of a product', async () => {
    const model = perceptron((b) => {
      const hidden = b.node('Relu', [product(b, 'x', weight(b, 4, 6), 'first')])
      const masked = b.node('Mul', [
        b.initializer('base', tensor(6, 2)),
        b.initializer('mask', tensor(6, 2)),
      ])
      const low = product(
        b,
        b.initializer('up', tensor(6, 2)),
        b.initializer('down', tensor(2, 2)),
        'low',
      )
      return product(b, hidden, b.node('Add', [masked, low]), 'second')
    })
    expect(namesOf(model)).toEqual(['first', 'second'])
    const plan = planWiden(model, { first: 9 }, { noiseSize: 3 })
    const changes = Object.fromEntries(
      plan.parameters.map(({ name, axes, noise }) => [name, [axes[0]!.role, noise?.kind]]),
    )
    expect(changes).toMatchObject({
      base: ['split', 'zero-sum'],
      mask: ['copied', undefined],
      up: ['split', 'zero-sum'],
    })
    await expectEqualFunctions(model, applyPlan(model, plan))
  })

  it('grow where several layers read one of them alike, and are refused otherwise', async () => {
    const shared = (turned: boolean) =>
      perceptron((b) => {
        const w = b.node('Mul', [b.initializer('base', tensor(4, 6)), weight(b, 4, 6)])
        const [u, back] = [weight(b, 6, 4), b.node('Transpose', [w])]
        const layer = (x: string, name: string) => b.node('Tanh', [product(b, x, w, name)])
        const first = product(b, layer('x', 'first'), turned ? back : u, 'middle')
        return product(b, layer(first, 'second'), weight(b, 6, 2), 'last')
      })
    const alike = shared(false)
    await expectEqualFunctions(alike, widen(alike, { first: 9 }))
    expect(answerOf(shared(true), 'first')).toMatch(/MatMul middle.*neither can be split along it/)
  })

  it('are not data that layers compute from constants', async () => {
    const model = perceptron((b) => {
      const queries = product(b, weight(b, 3, 4), weight(b, 4, 5), 'first')
      const learned = product(b, b.node('Relu', [queries]), weight(b, 5, 6), 'second')
      const scores = b.node('Gemm', [product(b, 'x', weight(b, 4, 6), 'keys'), learned], {
        transB: 1,
      })
      const read = product(b, b.node('Softmax', [scores]), learned, 'mixed')
      return product(b, read, weight(b, 6, 2), 'last')
    })
    expect(namesOf(model)).toEqual(['first', 'second', 'keys', 'last'])
    for (const layer of ['first', 'keys'])
      await expectEqualFunctions(model, widen(model, { [layer]: 8 }))
  })

  it.each([
    [
      'Add',
      (b: GraphBuilder, x: string, w: string, c: string) =>
        b.node('Add', [b.node('MatMul', [x, w]), c]),
    ],
    ['Gemm', (b: GraphBuilder, x: string, w: string, c: string) => b.node('Gemm', [x, w, c])],
  ])('of size one are repeated by %s, and do not grow', async (op, shifted) => {
    const model = perceptron((b) => {
      const shift = product(b, weight(b, 1, 3), weight(b, 3, 1), 'shift')
      const hidden = shifted(b, 'x', b.initializer('hidden', tensor(4, 5)), shift)
      return product(b, hidden, weight(b, 5, 2), 'last')
    })
    expect(answerOf(model, 'shift')).toMatch(new RegExp(`${op}.*repeats`))
    await expectEqualFunctions(model, widen(model, { hidden: 7 }))
  })

  it('of size one stay beside units of which there was one', async () => {
    const model = perceptron((b) => {
      const shift = product(b, weight(b, 1, 3), weight(b, 3, 1), 'shift')
      const hidden = product(b, 'x', weight(b, 4, 1), 'hidden')
      return product(b, b.node('Add', [hidden, shift]), weight(b, 1, 2), 'last')
    })
    expect(answerOf(model, 'shift')).toMatch(/Add.*repeats/)
    await expectEqualFunctions(model, widen(model, { hidden: 3 }))
  })

  it('of grouped and depthwise convolutions grow by groups and inside of them', async () => {
    const b = new GraphBuilder()
    b.input('x', 'float32', ['n', 2, 5, 4])
    const conv = (x: string, w: string, name: string, group = 1) =>
      b.node('Conv', [x, w], { group }, { name })
    const normed = (out: number, inputs: number, kernel: number) => {
      const v = weight(b, out, inputs, kernel, kernel)
      const length = b.node('ReduceL2', [v, b.constant(int64([1, 2, 3]))])
      return b.node('Mul', [weight(b, out, 1, 1, 1), b.node('Div', [v, length])])
    }
    const first = conv('x', normed(6, 2, 1), 'first')
    const depthwise = b.node('Relu', [conv(first, normed(6, 1, 3), 'depthwise', 6)])
    const masked = b.node('Mul', [weight(b, 4, 3, 1, 1), weight(b, 4, 3, 1, 1)])
    const grouped = conv(depthwise, masked, 'grouped', 2)
    b.output(conv(grouped, b.node('Neg', [weight(b, 3, 4, 1, 1)]), 'last'), 'float32')
    const model = b.model()
    for (const widths of [{ first: 9 }, { first: 8 }, { grouped: 6 }])
      await expectEqualFunctions(model, widen(model, widths))
  })

  it('are listed where what computes them is not followed', () => {
    const model = perceptron((b) => {
      const bytes = b.constant(new Tensor('int8', [4, 2], new Int8Array(8)), 'bytes')
      const scales = b.constant(float32([2, 2], [0.1, 0.2, 0.3, 0.4]))
      const numbers = b.node('DequantizeLinear', [bytes, scales], { axis: 0, block_size: 2 })
      const hidden = product(b, 'x', weight(b, 4, 4), 'first')
      return product(b, hidden, numbers, 'second')
    })
    expect(namesOf(model)).toEqual(['first', 'second'])
    expect(answerOf(model, 'first')).toMatch(/DequantizeLinear.*a scale for each block/)
  })
})
