/** Test cases of attention as ONNX Runtime's optimizers write it. */
import { BATCH, type Bench, deepens, grows, refuses } from '../../../testing/bench.ts'
import type { OperatorCases } from '../../../testing/cases.ts'
import { float } from '../../model/attributes.ts'
import { Tensor } from '../../tensor/tensor.ts'

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

export const cases: OperatorCases = {
  'com.microsoft.MultiHeadAttention': {
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
    growth: [
      grows('of heads', own({}, 8), { widths: [12, 20], others: /choose a multiple of 4/ }),
      grows('of heads and the size of their values', own({ qkv_hidden_sizes: [8, 8, 6] }, 6), {
        widths: [8, 9],
      }),
      deepens('by a dense layer behind it', own({}, 8)),
    ],
  },
  'com.microsoft.RotaryEmbedding': {
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
