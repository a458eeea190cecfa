/** Test cases of attention as ONNX Runtime's optimizers write it. */
import { BATCH, type Bench, deepens, grows, refuses } from '../../../testing/bench.ts'
import type { Draw, NodeCase, OperatorCases } from '../../../testing/cases.ts'
import { between } from '../../../testing/draws.ts'
import { normalTensor, uniformTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import type { RandomStream } from '../../tensor/random.ts'
import { int64, Tensor } from '../../tensor/tensor.ts'

const domain = 'com.microsoft'

/** A layer of this name over the columns of the image: [BATCH, 4, channels]. */
const sequence = (b: Bench, name: string, channels: number): string =>
  b.op('Transpose', [b.op('ReduceMean', [b.conv(name, channels), b.ints(2)], { keepdims: 0 })], {
    perm: [0, 2, 1],
  })

const read = (b: Bench, y: string, channels: number) => b.op('MatMul', [y, b.weight(channels, 3)])

const lengths = (b: Bench) => [
  b.constant(
    new Tensor(
      'int32',
      [BATCH],
      Int32Array.from({ length: BATCH }, () => 3),
    ),
  ),
  b.constant(new Tensor('int32', [], Int32Array.of(4))),
]

const multiHead = (bias: boolean, scaled: boolean) => (b: Bench) => {
  const inputs = [sequence(b, 'grown', 8), sequence(b, 'k', 8), sequence(b, 'v', 12)]
  const attributes = { num_heads: 2, ...(scaled && { scale: float(0.4) }) }
  const all = bias ? [...inputs, b.weight(28)] : inputs
  return read(b, b.op('MultiHeadAttention', all, attributes, { domain }), 12)
}

/** Four heads of this size, of which two each share keys and values. */
const groupQuery =
  (size: number, attributes: Readonly<Record<string, number>> = {}) =>
  (b: Bench) => {
    const [queries, keys] = [4 * size, 2 * size]
    const inputs = [sequence(b, 'grown', queries), sequence(b, 'k', keys), sequence(b, 'v', keys)]
    const tables = attributes.do_rotary ? [b.weight(6, size / 2), b.weight(6, size / 2)] : []
    const all = [...inputs, '', '', ...lengths(b), ...tables]
    const [y] = b.outputs(
      'GroupQueryAttention',
      all,
      { num_heads: 4, kv_num_heads: 2, ...attributes },
      3,
      domain,
    )
    return read(b, y!, queries)
  }

const own =
  (attributes: Readonly<Record<string, number | readonly number[]>>, values: number) =>
  (b: Bench) => {
    const x = sequence(b, 'stem', 6)
    const width = 16 + values
    const inputs = [x, b.weight(6, width), b.weight(width)]
    const y = b.op('Attention', inputs, { num_heads: 2, ...attributes }, { domain, name: 'grown' })
    return read(b, y, values)
  }

/** Masks, biases and scales, each present or not. */
function drawnAttention(random: RandomStream) {
  const is = () => random.below(2) === 0
  const [batch, length, keys, heads, size] = [2, 3, 3, 2, 2].map((most) =>
    between(random, 1, most),
  ) as [number, number, number, number, number]
  const mask = (count: number) =>
    new Tensor(
      'int32',
      [batch, count],
      Int32Array.from({ length: batch * count }, (_, i) => (i % count === 0 ? 1 : random.below(2))),
    )
  return {
    is,
    batch,
    length,
    keys,
    heads,
    size,
    mask,
    attributes: {
      num_heads: heads,
      ...(is() && { scale: float(0.6) }),
      mask_filter_value: float(-3),
    },
  }
}

const multiHeadDraw: Draw = (random) => {
  const { is, batch, length, keys, heads, size, mask, attributes } = drawnAttention(random)
  const normal = (...dims: readonly number[]) => normalTensor(random, dims)
  const width = heads * size
  const values = heads * between(random, 1, 3)
  return {
    attributes: { ...attributes, unidirectional: length === keys ? random.below(2) : 0 },
    inputs: [
      normal(batch, length, width),
      normal(batch, keys, width),
      normal(batch, keys, values),
      is() ? normal(2 * width + values) : undefined,
      is() ? mask(keys) : undefined,
      is() ? normal(random.below(2) === 0 ? 1 : batch, heads, length, keys) : undefined,
    ],
  }
}

const ownDraw: Draw = (random) => {
  const { is, batch, length, heads, size, mask, attributes } = drawnAttention(random)
  const normal = (...dims: readonly number[]) => normalTensor(random, dims)
  const features = between(random, 1, 3)
  const width = heads * size
  const values = is() ? undefined : heads * between(random, 1, 3)
  const all = 2 * width + (values ?? width)
  return {
    attributes: {
      ...attributes,
      unidirectional: random.below(2),
      qkv_hidden_sizes: values === undefined ? undefined : [width, width, values],
    },
    inputs: [
      normal(batch, length, features),
      normal(features, all),
      normal(all),
      is() ? mask(length) : undefined,
      undefined,
      is() ? normal(1, heads, length, length) : undefined,
    ],
  }
}

const rotaryDraw: NodeCase = {
  linear: true,
  draw(random) {
    const [batch, length, heads, pairs] = [2, 3, 2, 2].map((most) => between(random, 1, most)) as [
      number,
      number,
      number,
      number,
    ]
    const table = () => uniformTensor(random, [5, pairs], -1, 1)
    return {
      attributes: { interleaved: random.below(2) },
      inputs: [
        normalTensor(random, [batch, length, heads * 2 * pairs]),
        random.below(2) === 0
          ? int64([random.below(2)])
          : int64(
              Array.from({ length: batch * length }, () => random.below(5)),
              [batch, length],
            ),
        table(),
        table(),
      ],
      constants: [1, 2, 3],
    }
  },
}

export const cases: OperatorCases = {
  'com.microsoft.MultiHeadAttention': {
    gradient: multiHeadDraw,
    growth: [
      grows('of heads and of their size', multiHead(false, false), { widths: [12, 14] }),
      grows('whose scale is written', multiHead(false, true), { widths: [10, 20] }),
      grows('of heads, with a bias', multiHead(true, false), {
        widths: [12, 20],
        others: /choose a multiple of 4/,
      }),
      refuses(
        'of one input with queries, keys and values',
        /in a form that is not followed/,
        (b) => {
          const packed = b.op('Reshape', [sequence(b, 'grown', 24), b.ints(BATCH, 4, 2, 3, 4)])
          return read(b, b.op('MultiHeadAttention', [packed], { num_heads: 2 }, { domain }), 8)
        },
      ),
    ],
  },
  'com.microsoft.GroupQueryAttention': {
    growth: [
      grows('of groups and of heads in them', groupQuery(8), { widths: [48, 64] }),
      grows('that turns pairs of channels', groupQuery(16, { do_rotary: 1 }), {
        widths: [96, 128],
      }),
    ],
  },
  'com.microsoft.Attention': {
    gradient: ownDraw,
    growth: [
      grows('of heads', own({}, 8), { widths: [12, 20], others: /choose a multiple of 4/ }),
      grows('of heads and the size of their values', own({ qkv_hidden_sizes: [8, 8, 6] }, 6), {
        widths: [8, 9],
      }),
      deepens('by a dense layer behind it', own({}, 8)),
    ],
  },
  'com.microsoft.RotaryEmbedding': {
    gradient: [rotaryDraw],
    growth: [
      grows(
        'of heads and pairs',
        (b) => {
          const inputs = [sequence(b, 'grown', 8), b.ints(0), b.weight(6, 2), b.weight(6, 2)]
          return read(b, b.op('RotaryEmbedding', inputs, {}, { domain }), 8)
        },
        { widths: [12, 20] },
      ),
    ],
  },
}
