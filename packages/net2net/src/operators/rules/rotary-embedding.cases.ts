/** Test cases of RotaryEmbedding. */
import { BATCH, type Bench, grows, refuses } from '../../../testing/bench.ts'
import type { Draw, OperatorCases } from '../../../testing/cases.ts'
import { anyOf, between, randomIndices } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { int64 } from '../../tensor/tensor.ts'

/** Heads in an axis of their own or not, whole or partial rotations, tables per position or looked up. */
const rotaryEmbedding: Draw = (random) => {
  const [batch, heads, length] = [1, 2, 3].map(() => between(random, 1, 3)) as [
    number,
    number,
    number,
  ]
  const pairs = between(random, 1, 3)
  const rest = random.below(2) * 2
  const size = 2 * pairs + rest
  const isLookup = random.below(2) === 0
  const rank = anyOf(random, [3, 4])
  const table = isLookup ? [5, pairs] : [batch, length, pairs]
  return {
    opset: 23,
    attributes: {
      num_heads: rank === 3 || rest > 0 ? heads : undefined,
      rotary_embedding_dim: rest > 0 ? 2 * pairs : undefined,
      interleaved: random.below(2) ? 1 : undefined,
    },
    inputs: [
      normalTensor(
        random,
        rank === 4 ? [batch, heads, length, size] : [batch, length, heads * size],
      ),
      normalTensor(random, table),
      normalTensor(random, table),
      ...(isLookup ? [randomIndices(random, [batch, length], 5, 0)] : []),
    ],
  }
}

/** Units of the layer along the columns of the image: [BATCH, 4, units]. */
const sequence = (b: Bench, channels: number): string =>
  b.op('Transpose', [b.op('ReduceMean', [b.conv('grown', channels), b.ints(2)], { keepdims: 0 })], {
    perm: [0, 2, 1],
  })

const zero = int64([0])

const positions = (b: Bench) =>
  b.op('Add', [b.op('ConstantOfShape', [b.ints(BATCH, 4)], { value: zero }), b.ints(0, 1, 2, 3)])

export const cases: OperatorCases = {
  RotaryEmbedding: {
    gradient: rotaryEmbedding,
    growth: [
      grows(
        'of heads in an axis of their own',
        (b) => {
          const heads = b.op('Reshape', [sequence(b, 8), b.ints(0, 4, 2, 4)])
          const x = b.op('Transpose', [heads], { perm: [0, 2, 1, 3] })
          const y = b.op('RotaryEmbedding', [x, b.weight(10, 2), b.weight(10, 2), positions(b)])
          const turned = b.op('Transpose', [y], { perm: [0, 2, 1, 3] })
          return b.op('MatMul', [b.op('Reshape', [turned, b.ints(0, 4, -1)]), b.weight(8, 3)])
        },
        { opset: 23, widths: [12, 20] },
      ),
      grows(
        'of heads that an attribute tells',
        (b) => {
          const tables = [b.weight(BATCH, 4, 2), b.weight(BATCH, 4, 2)]
          const y = b.op('RotaryEmbedding', [sequence(b, 8), ...tables], { num_heads: 2 })
          return b.op('MatMul', [y, b.weight(8, 3)])
        },
        { opset: 23, widths: [12, 20] },
      ),
      ...[0, 1].flatMap((interleaved) => [
        grows(
          `of the pairs of one head${interleaved ? ' of neighbours' : ''}`,
          (b) => {
            const tables = [b.weight(BATCH, 4, 2), b.weight(BATCH, 4, 2)]
            const x = b.op('Unsqueeze', [sequence(b, 4), b.ints(1)])
            return b.read(b.op('RotaryEmbedding', [x, ...tables], { interleaved }), 3)
          },
          { opset: 23, widths: [6, 10], others: /choose a multiple of 2/ },
        ),
        grows(
          `of the pairs of some of its channels${interleaved ? ' of neighbours' : ''}`,
          (b) => {
            const tables = [b.weight(BATCH, 4, 2), b.weight(BATCH, 4, 2)]
            const y = b.op('RotaryEmbedding', [sequence(b, 14), ...tables], {
              interleaved,
              num_heads: 2,
              rotary_embedding_dim: 4,
            })
            return b.op('MatMul', [y, b.weight(14, 3)])
          },
          // One pair or one other channel more in each head, or a head more.
          { opset: 23, widths: [18, 21] },
        ),
      ]),
      refuses(
        'of channels of which only one of a pair is scaled',
        /neither can be split along it/,
        (b) => {
          const tables = [b.weight(BATCH, 4, 2), b.weight(BATCH, 4, 2)]
          const x = b.op('Unsqueeze', [sequence(b, 4), b.ints(1)])
          const y = b.op('RotaryEmbedding', [x, ...tables])
          const [first, second] = b.outputs('Split', [y], { axis: 3, num_outputs: 2 }, 2)
          // The second half goes through what no factor passes.
          const bent = b.op('Tanh', [second!])
          const k = b.op('Unsqueeze', [
            b.op('Tanh', [
              b.op(
                'Transpose',
                [b.op('ReduceMean', [b.conv('k', 2), b.ints(2)], { keepdims: 0 })],
                { perm: [0, 2, 1] },
              ),
            ]),
            b.ints(1),
          ])
          const scores = b.op('MatMul', [first!, b.op('Transpose', [k], { perm: [0, 1, 3, 2] })])
          return [b.read(bent, 3), b.read(scores, 3)]
        },
        { opset: 23 },
      ),
    ],
  },
}
