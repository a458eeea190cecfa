/**
 * The axes rules, one network per case: a layer `grown`, the operator, and a reader. Either the
 * layer is widened and the function stays, or it is refused for the expected reason.
 */
import { describe, expect, it } from 'vitest'
import { expectEqualFunctions } from '../../testing/check.ts'
import { inspect, widen } from '../growth/index.ts'
import { type AttributeLike, float } from '../model/attributes.ts'
import { GraphBuilder, modelOf } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { fillTensor } from '../tensor/fill.ts'
import { int64, scalar } from '../tensor/tensor.ts'
import { inferModel } from './inference.ts'
import { activations } from './rules/activations.ts'
import { clips } from './rules/clip.ts'
import { mathematics } from './rules/math.ts'

const WIDTH = 4
const BATCH = 2

/** Builds a network around one value; every helper returns the name of a value. */
class Bench {
  readonly builder = new GraphBuilder()
  readonly opset: number
  #weights = 0

  constructor(opset: number) {
    this.opset = opset
    this.builder.input('x', 'float32', [BATCH, 6])
    this.builder.input('image', 'float32', [BATCH, 3, 5, 4])
  }

  op(type: string, inputs: readonly string[], attributes: Record<string, AttributeLike> = {}) {
    return this.builder.node(type, inputs, attributes)
  }

  outputs(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, AttributeLike>,
    n: number,
  ) {
    return this.builder.nodeOutputs(type, inputs, attributes, { outputs: n })
  }

  weight(...dims: readonly number[]): string {
    const fill = { kind: 'uniform', limit: 1 } as const
    return this.builder.constant(fillTensor(fill, 'float32', dims, 5, this.#weights++), 'weight')
  }

  ints(...values: readonly number[]): string {
    return this.builder.constant(int64(values))
  }

  index(value: number): string {
    return this.builder.constant(scalar('int64', value))
  }

  number(value: number): string {
    return this.builder.constant(scalar('float32', value))
  }

  /** A dense layer [BATCH, width]. */
  dense(name = 'grown', width = WIDTH): string {
    return this.builder.node('Gemm', ['x', this.weight(6, width), this.weight(width)], {}, { name })
  }

  /** A convolution [BATCH, width, 5, 4]. */
  conv(name = 'grown', width = WIDTH): string {
    return this.builder.node('Conv', ['image', this.weight(width, 3, 1, 1)], {}, { name })
  }

  /** Reads a value along one axis with a weight, so that this axis need not be an output. */
  read(value: string, axis: number): string {
    const shape = inferModel(this.#model()).get(value)!.shape!
    const last = shape.length - 1
    const at = axis < 0 ? axis + shape.length : axis
    const perm = shape.map((_, k) => (k === at ? last : k === last ? at : k))
    const moved = at === last ? value : this.op('Transpose', [value], { perm })
    return this.op('MatMul', [moved, this.weight(Number(shape[at]), 3)])
  }

  #model(): Model {
    return modelOf(this.builder.graph(), this.opset)
  }

  finish(outputs: readonly string[]): Model {
    const inferred = inferModel(this.#model())
    for (const name of outputs) {
      const { dtype, shape } = inferred.get(name)!
      this.builder.output(name, dtype ?? 'float32', shape)
    }
    return this.#model()
  }
}

interface Case {
  readonly what: string
  /** Builds the network and returns its outputs. */
  readonly build: (bench: Bench) => string | readonly string[]
  /** The reason why `grown` cannot be widened; absent where it can. */
  readonly refused?: RegExp
  readonly opset?: number
}

const grows = (what: string, build: Case['build'], opset?: number): Case => ({
  what,
  build,
  ...(opset ? { opset } : {}),
})
const refuses = (what: string, refused: RegExp, build: Case['build'], opset?: number): Case => ({
  what,
  build,
  refused,
  ...(opset ? { opset } : {}),
})

/** Values in (1, 2), where every function is defined, or in (0.1, 0.9). */
const safe = (b: Bench, low = 0.1) =>
  b.op('Add', [b.op('Mul', [b.op('Sigmoid', [b.dense()]), b.number(0.8)]), b.number(low)])

const unaryCases = [...activations, ...mathematics, ...clips]
  .filter((operator) => !operator.domain && !['Not', 'BitwiseNot'].includes(operator.name))
  .map(({ name }) =>
    grows(
      name,
      (b) => {
        const x =
          name === 'Not' ? b.op('IsNaN', [b.dense()]) : safe(b, name === 'Acosh' ? 1.1 : 0.1)
        const y = b.op(name, [x])
        return b.read(name.startsWith('Is') ? b.op('Cast', [y], { to: 1 }) : y, 1)
      },
      20,
    ),
  )

const binaryNames = ['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Sum', 'Mean']
const binaryCases = binaryNames.flatMap((name) => [
  grows(`${name} of a constant per unit`, (b) => b.read(b.op(name, [safe(b), b.weight(WIDTH)]), 1)),
  grows(`${name} of a constant [1, n]`, (b) =>
    b.read(b.op(name, [safe(b), b.weight(1, WIDTH)]), 1),
  ),
  grows(`${name} of a number`, (b) => b.read(b.op(name, [safe(b), b.number(1.5)]), 1)),
  grows(`${name} of a constant [1]`, (b) => b.read(b.op(name, [safe(b), b.weight(1)]), 1)),
  grows(`${name} of two layers`, (b) => {
    const other = b.op('Exp', [b.dense('other')])
    return b.read(b.op(name, [safe(b), other]), 1)
  }),
])

const comparisonCases = [
  ...['Equal', 'Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual'].map((name) =>
    grows(name, (b) =>
      b.read(b.op('Cast', [b.op(name, [b.dense(), b.weight(WIDTH)])], { to: 1 }), 1),
    ),
  ),
  ...['And', 'Or', 'Xor'].map((name) =>
    grows(name, (b) => {
      const h = b.dense()
      const both = [b.op('Greater', [h, b.number(0)]), b.op('Less', [h, b.weight(WIDTH)])]
      return b.read(b.op('Cast', [b.op('Not', [b.op(name, both)])], { to: 1 }), 1)
    }),
  ),
  grows('Mod', (b) => b.read(b.op('Mod', [b.dense(), b.weight(WIDTH)], { fmod: 1 }), 1)),
  grows('Where', (b) => {
    const h = b.dense()
    const condition = b.op('Greater', [h, b.weight(WIDTH)])
    return b.read(b.op('Where', [condition, h, b.weight(1, WIDTH)]), 1)
  }),
]

/** Shape → Gather → Unsqueeze, as PyTorch writes x.size(k). */
const size = (b: Bench, x: string, axis: number) =>
  b.op('Unsqueeze', [b.op('Gather', [b.op('Shape', [x]), b.index(axis)]), b.ints(0)])
const shapeOf = (b: Bench, ...parts: readonly string[]) => b.op('Concat', parts, { axis: 0 })

/** [3, BATCH, WIDTH]: three rows of the image, with the layer's units as features. */
const sequenceOf = (b: Bench) =>
  b.op('Transpose', [b.op('ReduceMean', [b.conv()], { axes: [2], keepdims: 0 })], {
    perm: [2, 0, 1],
  })
const recurrentCases = Object.entries({ LSTM: 4, GRU: 3, RNN: 1 }).flatMap(([name, gates]) => [
  grows(
    `the input of ${name}`,
    (b) =>
      b.op(name, [sequenceOf(b), b.weight(1, gates * 2, WIDTH), b.weight(1, gates * 2, 2)], {
        hidden_size: 2,
      }),
    13,
  ),
  grows(
    `the hidden units of ${name}, bidirectional`,
    (b) => {
      const sequence = b.op('Unsqueeze', [b.dense('first'), b.ints(0)])
      const steps = b.op('Concat', [sequence, b.op('Neg', [sequence]), sequence], { axis: 0 })
      const weights = [
        b.weight(2, gates * 3, WIDTH),
        b.weight(2, gates * 3, 3),
        b.weight(2, gates * 6),
        '',
        b.weight(2, BATCH, 3),
      ]
      const more = name === 'LSTM' ? [b.weight(2, BATCH, 3), b.weight(2, 9)] : []
      const [all, last] = b.builder.nodeOutputs(
        name,
        [steps, ...weights, ...more],
        { hidden_size: 3, direction: 'bidirectional' },
        { outputs: 2, name: 'grown' },
      )
      // [3, 2, BATCH, hidden] → [3, BATCH, 2·hidden], as exporters have it
      const joined = b.op('Reshape', [
        b.op('Transpose', [all!], { perm: [0, 2, 1, 3] }),
        b.ints(0, 0, -1),
      ])
      return [b.op('MatMul', [joined, b.weight(6, 2)]), b.read(last!, 2)]
    },
    13,
  ),
])

const shapeCases = [
  grows('Identity, Cast and CastLike', (b) => {
    const double = b.op('Cast', [b.op('Identity', [b.dense()])], { to: 11 })
    return b.read(b.op('CastLike', [double, b.number(0)]), 1)
  }),
  grows('Transpose', (b) => b.read(b.op('Transpose', [b.conv()], { perm: [0, 2, 3, 1] }), 3)),
  grows('Flatten of NCHW', (b) => b.read(b.op('Flatten', [b.conv()]), 1)),
  grows('Flatten of NHWC', (b) => {
    const last = b.op('Transpose', [b.conv()], { perm: [0, 2, 3, 1] })
    return b.read(b.op('Flatten', [last]), 1)
  }),
  grows('Reshape to [-1, n]', (b) =>
    b.read(b.op('Reshape', [b.conv(), b.ints(-1, WIDTH * 20)]), 1),
  ),
  grows('Reshape to [0, -1]', (b) => b.read(b.op('Reshape', [b.conv(), b.ints(0, -1)]), 1)),
  grows('Reshape to [batch, n]', (b) =>
    b.read(b.op('Reshape', [b.conv(), b.ints(BATCH, WIDTH * 20)]), 1),
  ),
  grows('Reshape that joins H and W', (b) =>
    b.read(b.op('Reshape', [b.conv(), b.ints(0, WIDTH, -1)]), 1),
  ),
  grows('Reshape that splits the units and joins them again', (b) => {
    const parts = b.op('Reshape', [b.dense(), b.ints(BATCH, 2, WIDTH / 2)])
    const turned = b.op('Transpose', [parts], { perm: [0, 2, 1] })
    return b.read(b.op('Reshape', [turned, b.ints(BATCH, WIDTH)]), 1)
  }),
  grows('Reshape to sizes from Shape', (b) => {
    const h = b.conv()
    const target = shapeOf(b, size(b, h, 0), size(b, h, 1), b.ints(20))
    return b.read(b.op('Reshape', [h, target]), 1)
  }),
  grows('Reshape to a product of sizes', (b) => {
    const h = b.conv()
    const [c, y, x] = [1, 2, 3].map((k) => size(b, h, k))
    const all = b.op('Mul', [b.op('Mul', [c!, y!]), x!])
    return b.read(b.op('Reshape', [h, shapeOf(b, size(b, h, 0), all)]), 1)
  }),
  grows('Reshape to a number in a Concat', (b) => {
    const h = b.conv()
    return b.read(b.op('Reshape', [h, shapeOf(b, size(b, h, 0), b.ints(WIDTH * 20))]), 1)
  }),
  grows('Reshape to a computed part of a size', (b) => {
    const h = b.dense()
    const half = b.op('Div', [size(b, h, 1), b.ints(2)])
    const parts = b.op('Reshape', [h, shapeOf(b, size(b, h, 0), b.ints(2), half)])
    return b.read(b.op('Flatten', [parts]), 1)
  }),
  grows('a channel shuffle with computed sizes', (b) => {
    const h = b.conv()
    const [n, c, y, x] = [0, 1, 2, 3].map((k) => size(b, h, k))
    const half = b.op('Floor', [b.op('Cast', [b.op('Div', [c!, b.ints(2)])], { to: 1 })])
    const inner = b.op('Cast', [half], { to: 7 })
    const parts = b.op('Reshape', [h, shapeOf(b, n!, b.ints(2), inner, y!, x!)])
    const turned = b.op('Transpose', [parts], { perm: [0, 2, 1, 3, 4] })
    return b.read(b.op('Reshape', [turned, shapeOf(b, n!, c!, y!, x!)]), 1)
  }),
  grows('two chunks as PyTorch slices them', (b) => {
    const h = b.dense()
    const half = b.op('Div', [b.op('Add', [size(b, h, 1), b.ints(1)]), b.ints(2)])
    const first = b.op('Slice', [h, b.ints(0), half, b.ints(1)])
    const end = b.op('Mul', [half, b.ints(2)])
    const second = b.op('Slice', [h, half, end, b.ints(1)])
    return b.read(b.op('Mul', [first, b.op('Sigmoid', [second])]), 1)
  }),
  grows('the rest of a half', (b) => {
    const h = b.dense()
    const half = b.op('Div', [size(b, h, 1), b.ints(2)])
    const rest = b.op('Sub', [size(b, h, 1), half])
    const sizes = shapeOf(b, half, rest)
    const [first, second] = b.outputs('Split', [h, sizes], { axis: 1 }, 2)
    return b.read(b.op('Add', [first!, b.op('Exp', [second!])]), 1)
  }),
  grows('a part of a size that does not divide', (b) => {
    const h = b.dense()
    const third = b.op('Div', [size(b, h, 1), b.ints(3)])
    return b.read(b.op('Slice', [h, b.ints(0), third, b.ints(1)]), 1)
  }),
  grows('readers whose weights are slices of one', (b) => {
    const [h, weights] = [b.dense(), b.weight(6, WIDTH)]
    const parts = [b.ints(0), b.ints(2), b.ints(6)]
    return [0, 1].map((k) => {
      const part = b.op('Slice', [weights, parts[k]!, parts[k + 1]!, b.ints(0)])
      return b.op('MatMul', [h, b.op('Transpose', [part])])
    })
  }),
  grows('readers whose weights are split from one', (b) => {
    const [h, weights] = [b.dense(), b.weight(WIDTH, 6)]
    const parts = b.outputs('Split', [weights, b.ints(2, 4)], { axis: 1 }, 2)
    return parts.map((part) => b.op('MatMul', [h, part]))
  }),
  grows('a reader whose weight is a part of a constant', (b) => {
    const [h, weights] = [b.dense(), b.weight(WIDTH + 3, 3)]
    const part = b.op('Slice', [weights, b.ints(0), b.ints(WIDTH), b.ints(0)])
    return b.op('MatMul', [h, part])
  }),
  grows('Pad as PyTorch computes it', (b) => {
    const given = b.op(
      'Concat',
      [b.ints(2, 3), b.op('ConstantOfShape', [b.ints(2)], { value: int64([0]) })],
      { axis: 0 },
    )
    const pairs = b.op('Reshape', [given, b.ints(-1, 2)])
    const turned = b.op('Slice', [pairs, b.ints(-1), b.ints(-(2 ** 31)), b.ints(0), b.ints(-1)])
    const flat = b.op('Reshape', [b.op('Transpose', [turned], { perm: [1, 0] }), b.ints(-1)])
    return b.read(b.op('Pad', [b.dense(), flat]), 1)
  }),
  grows('a size as a number', (b) => {
    const h = b.dense()
    const n = b.op('Cast', [b.op('Gather', [b.op('Shape', [h]), b.index(1)])], { to: 1 })
    return b.read(b.op('Div', [h, b.op('Sqrt', [n])]), 1)
  }),
  grows('Size as a number', (b) => {
    const h = b.dense()
    return b.read(b.op('Div', [h, b.op('Cast', [b.op('Size', [h])], { to: 1 })]), 1)
  }),
  grows('Unsqueeze and Squeeze', (b) => {
    const more = b.op('Unsqueeze', [b.dense(), b.ints(1, -1)])
    return b.read(b.op('Squeeze', [more, b.ints(1, 3)]), 1)
  }),
  grows('Concat of two layers and one twice', (b) => {
    const [h, other] = [b.dense(), b.dense('other', 3)]
    return b.read(b.op('Concat', [h, other, h], { axis: 1 }), 1)
  }),
  grows('Concat on another axis', (b) => {
    const h = b.dense()
    return b.read(b.op('Concat', [h, b.dense('other')], { axis: 0 }), 1)
  }),
  grows('Split into written sizes', (b) => {
    const both = b.op('Concat', [b.dense(), b.dense('other', 3)], { axis: 1 })
    const [first, second] = b.outputs('Split', [both, b.ints(WIDTH, 3)], { axis: 1 }, 2)
    return [b.read(first!, 1), b.read(second!, 1)]
  }),
  grows(
    'Split into sizes in an attribute',
    (b) => {
      const both = b.op('Concat', [b.dense(), b.dense('other', 3)], { axis: 1 })
      const [first, second] = b.outputs('Split', [both], { axis: 1, split: [WIDTH, 3] }, 2)
      return [b.read(first!, 1), b.read(second!, 1)]
    },
    11,
  ),
  grows('Pad by amounts that were split and joined', (b) => {
    const [channels, rows, columns] = b.outputs(
      'Split',
      [b.ints(0, 0, 1, 2, 3, 1), b.ints(2, 2, 2)],
      { axis: 0 },
      3,
    )
    const [[n, c], [top, bottom], [left, right]] = [channels, rows, columns].map((pair) =>
      b.outputs('Split', [pair!, b.ints(1, 1)], { axis: 0 }, 2),
    ) as [string[], string[], string[]]
    const pads = b.op('Concat', [n!, c!, top!, left!, n!, c!, bottom!, right!], { axis: 0 })
    return b.read(b.op('Pad', [b.conv(), pads]), 1)
  }),
  grows('Split of the sizes for a Reshape', (b) => {
    const x = b.conv()
    const shape = b.op('Shape', [x])
    const [n, c, h, w] = b.outputs('Split', [shape, b.ints(1, 1, 1, 1)], { axis: 0 }, 4)
    const flat = b.op('Reshape', [x, shapeOf(b, n!, c!, b.op('Mul', [h!, w!]))])
    return b.read(flat, 1)
  }),
  grows('Split into halves', (b) => {
    const [first, second] = b.outputs('Split', [b.dense()], { axis: 1, num_outputs: 2 }, 2)
    return b.read(b.op('Mul', [first!, b.op('Sigmoid', [second!])]), 1)
  }),
  grows('Slice of the first units', (b) => {
    const h = b.dense()
    const part = b.op('Slice', [h, b.ints(0), b.ints(3), b.ints(1)])
    return [b.read(part, 1), b.read(h, 1)]
  }),
  grows('Slice of the last units', (b) => {
    const h = b.dense()
    const part = b.op('Slice', [h, b.ints(1), b.ints(2 ** 31), b.ints(1)])
    return [b.read(part, 1), b.read(h, 1)]
  }),
  grows('Slice of the units at the end', (b) => {
    const h = b.dense()
    const part = b.op('Slice', [h, b.ints(-3), b.ints(-1), b.ints(1)])
    return [b.read(part, 1), b.read(h, 1)]
  }),
  grows(
    'Slice with attributes',
    (b) => {
      const h = b.dense()
      const part = b.op('Slice', [h], { axes: [1], starts: [1], ends: [3] })
      return [b.read(part, 1), b.read(h, 1)]
    },
    9,
  ),
  grows('Slice of another axis', (b) =>
    b.read(b.op('Slice', [b.conv(), b.ints(1), b.ints(4), b.ints(2), b.ints(2)]), 1),
  ),
  refuses('Slice with a step', /does not follow/, (b) =>
    b.read(b.op('Slice', [b.dense(), b.ints(0), b.ints(4), b.ints(1), b.ints(2)]), 1),
  ),
  grows('Gather on another axis', (b) =>
    b.read(b.op('Gather', [b.conv(), b.ints(2, 0)], { axis: 2 }), 1),
  ),
  grows('Gather of some units, beside a reader of all', (b) => {
    const h = b.dense()
    return [b.read(b.op('Gather', [h, b.ints(3, 1, 3)], { axis: 1 }), 1), b.read(h, 1)]
  }),
  grows('Gather of the last unit, and Slice of the others', (b) => {
    const h = b.dense()
    const last = b.op('Gather', [h, b.index(-1)], { axis: 1 })
    return [last, b.read(b.op('Slice', [h, b.ints(0), b.ints(-1), b.ints(1)]), 1)]
  }),
  refuses('Gather of the first unit, counted from the end', /from the end/, (b) => {
    const h = b.dense()
    return [b.op('Gather', [h, b.index(-WIDTH)], { axis: 1 }), b.read(h, 1)]
  }),
  refuses('Slice of the first units, counted from the end', /from the end/, (b) => {
    const h = b.dense()
    const part = b.op('Slice', [h, b.ints(-WIDTH), b.ints(2), b.ints(1)])
    return [b.read(part, 1), b.read(h, 1)]
  }),
  grows('Slice of the first units, from before them', (b) => {
    const h = b.dense()
    const part = b.op('Slice', [h, b.ints(-(2 ** 31)), b.ints(2), b.ints(1)])
    return [b.read(part, 1), b.read(h, 1)]
  }),
  refuses('Gather of all units', /by index/, (b) =>
    b.read(b.op('Gather', [b.dense(), b.ints(1, 2, 0, 3)], { axis: 1 }), 1),
  ),
  refuses('Gather of units that the run knows', /by index/, (b) => {
    const index = b.op('ArgMax', ['x'], { axis: 1 })
    return b.op('Gather', [b.dense(), index], { axis: 1 })
  }),
  grows('Gather as an embedding', (b) => {
    const ids = b.op('Cast', [b.op('Greater', ['x', b.number(0)])], { to: 7 })
    const rows = b.builder.node('Gather', [b.weight(5, WIDTH), ids], {}, { name: 'grown' })
    return b.read(rows, 2)
  }),
  grows('GatherElements on another axis', (b) =>
    b.read(
      b.op('GatherElements', [b.dense(), b.builder.constant(int64([1, 0, 0, 1], [1, 4]))], {
        axis: 0,
      }),
      1,
    ),
  ),
  refuses('GatherElements of units', /by index/, (b) =>
    b.read(
      b.op('GatherElements', [b.dense(), b.builder.constant(int64([1, 0, 0, 1], [2, 2]))], {
        axis: 1,
      }),
      1,
    ),
  ),
  grows('GatherND of rows', (b) =>
    b.read(b.op('GatherND', [b.dense(), b.builder.constant(int64([1, 0, 1], [3, 1]))]), 1),
  ),
  grows('ScatterND of rows', (b) => {
    const [h, other] = [b.dense(), b.dense('other')]
    return b.read(b.op('ScatterND', [h, b.builder.constant(int64([1, 0], [2, 1])), other]), 1)
  }),
  refuses('ScatterElements', /by index/, (b) =>
    b.read(
      b.op(
        'ScatterElements',
        [b.dense(), b.builder.constant(int64([1, 2], [2, 1])), b.weight(2, 1)],
        { axis: 1 },
      ),
      1,
    ),
  ),
  grows('Pad of the units with a constant', (b) =>
    b.read(b.op('Pad', [b.dense(), b.ints(0, 2, 0, 3), b.number(0.5)]), 1),
  ),
  grows('Pad of the units in a shortcut', (b) => {
    const padded = b.op('Pad', [b.dense(), b.ints(0, 1, 0, 2)])
    return b.read(b.op('Add', [padded, b.dense('wide', WIDTH + 3)]), 1)
  }),
  grows(
    'Pad of the image with attributes',
    (b) => b.read(b.op('Pad', [b.conv()], { pads: [0, 0, 1, 0, 0, 0, 0, 2], value: float(1) }), 1),
    10,
  ),
  grows('Pad of the image by reflection', (b) =>
    b.read(b.op('Pad', [b.conv(), b.ints(0, 0, 1, 1, 0, 0, 2, 2)], { mode: 'reflect' }), 1),
  ),
  refuses('Pad of the units by reflection', /reflect/, (b) =>
    b.read(b.op('Pad', [b.dense(), b.ints(0, 1, 0, 1)], { mode: 'reflect' }), 1),
  ),
  grows('Tile of the units', (b) => b.read(b.op('Tile', [b.dense(), b.ints(1, 3)]), 1)),
  grows('Tile of another axis', (b) => b.read(b.op('Tile', [b.dense(), b.ints(2, 1)]), 1)),
  grows('Expand of another axis', (b) => {
    const column = b.op('Unsqueeze', [b.dense(), b.ints(2)])
    return b.read(b.op('Expand', [column, b.ints(BATCH, WIDTH, 5)]), 1)
  }),
  grows('Expand to sizes from Shape', (b) => {
    const h = b.conv()
    const pooled = b.op('GlobalAveragePool', [h])
    return b.read(b.op('Mul', [b.op('Expand', [pooled, b.op('Shape', [h])]), h]), 1)
  }),
  grows('Expand as PyTorch writes -1', (b) => {
    const column = b.op('Unsqueeze', [b.dense(), b.ints(2)])
    const wanted = shapeOf(b, size(b, column, 0), b.ints(-1), b.ints(5))
    const ones = b.op('ConstantOfShape', [b.ints(3)], { value: int64([1]) })
    const minus = b.op('Mul', [ones, b.ints(-1)])
    const target = b.op('Where', [b.op('Equal', [wanted, minus]), ones, wanted])
    return b.read(b.op('Expand', [column, target]), 1)
  }),
  grows('ConstantOfShape of a Shape', (b) => {
    const h = b.dense()
    return b.read(b.op('Add', [h, b.op('ConstantOfShape', [b.op('Shape', [h])])]), 1)
  }),
  refuses('Range over the units', /numbers that are computed from sizes/, (b) => {
    const h = b.dense()
    const n = b.op('Gather', [b.op('Shape', [h]), b.index(1)])
    const steps = b.op('Range', [b.index(0), n, b.index(1)])
    return b.read(b.op('Mul', [h, b.op('Cast', [steps], { to: 1 })]), 1)
  }),
  refuses('EyeLike', /diagonal/, (b) => {
    const h = b.dense()
    return b.read(b.op('Add', [h, b.op('EyeLike', [h])]), 1)
  }),
  refuses('NonZero', /positions/, (b) => {
    const h = b.dense()
    return [b.read(h, 1), b.op('Shape', [b.op('NonZero', [h])])]
  }),
  grows('OneHot of an ArgMax over another axis', (b) => {
    const best = b.op('ArgMax', [b.conv()], { axis: 2, keepdims: 0 })
    const values = b.builder.constant(fillTensor({ kind: 'uniform', limit: 1 }, 'float32', [2], 3))
    return b.read(b.op('OneHot', [best, b.index(5), values], { axis: -1 }), 1)
  }),
  refuses('ArgMin', /position/, (b) => b.op('ArgMin', [b.dense()], { axis: 1 })),
  refuses('TopK', /largest/, (b) => {
    const [values] = b.outputs('TopK', [b.dense(), b.ints(2)], { axis: 1 }, 2)
    return b.read(values!, 1)
  }),
  refuses('CumSum', /sums along/, (b) => b.read(b.op('CumSum', [b.dense(), b.index(1)]), 1)),
  grows('CumSum of another axis', (b) => b.read(b.op('CumSum', [b.dense(), b.index(0)]), 1)),
  refuses('Trilu', /triangle/, (b) => b.read(b.op('Trilu', [b.dense()]), 1)),
  grows('Trilu of the image', (b) => b.read(b.op('Trilu', [b.conv()]), 1)),
  ...recurrentCases,
  refuses('a recurrent layer whose weights are computed', /Softmax .*normalizes over it/, (b) => {
    const sequence = b.op('Unsqueeze', [b.dense(), b.ints(0)])
    const weight = b.op('Unsqueeze', [b.op('Softmax', [b.weight(8, WIDTH)]), b.ints(0)])
    return b.op('LSTM', [sequence, weight, b.weight(1, 8, 2)], { hidden_size: 2 })
  }),
  refuses('DynamicQuantizeLinear', /quantized/, (b) => {
    const [values] = b.outputs('DynamicQuantizeLinear', [b.dense()], {}, 3)
    return b.read(b.op('Cast', [values!], { to: 1 }), 1)
  }),
]

const reduceCases = [
  ...['ReduceSum', 'ReduceL1', 'ReduceL2', 'ReduceLogSumExp', 'ReduceSumSquare'].flatMap((name) => [
    name === 'ReduceSum'
      ? grows(`${name} over the units`, (b) => b.op(name, [b.dense(), b.ints(1)]))
      : refuses(`${name} over the units`, /sums over/, (b) => b.op(name, [b.dense(), b.ints(1)])),
    grows(`${name} over the image`, (b) => b.read(b.op(name, [b.conv(), b.ints(2, 3)]), 1)),
  ]),
  refuses('ReduceProd over the units', /multiplies/, (b) => b.op('ReduceProd', [b.dense()])),
  ...['ReduceMax', 'ReduceMin'].flatMap((name) => [
    grows(`${name} over the units`, (b) => {
      const h = b.dense()
      return b.read(b.op('Sub', [h, b.op(name, [h, b.ints(1)])]), 1)
    }),
    grows(`${name} over the image`, (b) =>
      b.read(b.op(name, [b.conv(), b.ints(2, 3)], { keepdims: 0 }), 1),
    ),
  ]),
  grows(
    'ReduceMean over the image, axes in an attribute',
    (b) => b.read(b.op('ReduceMean', [b.conv()], { axes: [2, 3], keepdims: 0 }), 1),
    13,
  ),
]

async function check({ build, refused, opset = 18 }: Case, width: number) {
  const bench = new Bench(opset)
  const outputs = build(bench)
  const model = bench.finish(typeof outputs === 'string' ? [outputs] : outputs)
  const layer = inspect(model).layers.find(({ name }) => name === 'grown')!
  if (refused) {
    expect(layer.widen).toMatch(refused)
    return
  }
  expect(layer.widen).toBe(true)
  const wider = widen(model, { grown: width }, { seed: width })
  expect(inspect(wider).layers.find(({ name }) => name === 'grown')!.width).toBe(width)
  await expectEqualFunctions(model, wider)
}

describe.each([
  { family: 'unary operators', cases: unaryCases },
  { family: 'broadcasting operators', cases: binaryCases },
  { family: 'comparisons and choices', cases: comparisonCases },
  { family: 'shape operators', cases: shapeCases },
  { family: 'reductions', cases: reduceCases },
])('growth through $family', ({ cases }) => {
  it.each(cases)('$what', async (each) => {
    await check(each, 6)
    if (!each.refused) await check(each, 10)
  })
})

describe('growth through a mean', () => {
  const build = (b: Bench) => {
    const h = b.dense()
    return b.read(b.op('Sub', [h, b.op('ReduceMean', [h, b.ints(1)])]), 1)
  }

  it('is exact where every unit has equally many copies', () => check(grows('', build), 3 * WIDTH))

  it('is refused otherwise', () => {
    const bench = new Bench(18)
    const model = bench.finish([build(bench)])
    expect(() => widen(model, { grown: WIDTH + 1 })).toThrow(/mean/)
  })
})
