/** Test cases of Attention. */
import { BATCH, type Bench, type GrowthCase, grows, refuses } from '../../../testing/bench.ts'
import type { DrawnNode, NodeCase, OperatorCases } from '../../../testing/cases.ts'
import { anyOf, between, bool } from '../../../testing/draws.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { float } from '../../model/attributes.ts'
import type { RandomStream } from '../../tensor/random.ts'
import type { Tensor } from '../../tensor/tensor.ts'

/** No mask, one of numbers, or one of conditions that leaves no query without a key. */
function maskOf(random: RandomStream, heads: number, queries: number, keys: number) {
  const dims = anyOf(random, [
    [queries, keys],
    [2, 1, queries, keys],
    [2, heads, queries, keys],
  ])
  if (random.below(3) === 0) return undefined
  if (random.below(2) === 0) return normalTensor(random, dims)
  const mask = bool(random, dims)
  for (let i = 0; i < mask.data.length; i += keys) mask.data[i] = 1
  return mask
}

/** Any numbers of heads and groups; the channels in one axis or in two. */
function drawAttention(random: RandomStream, rank: 3 | 4): DrawnNode {
  const [groups, perGroup, d, dv] = [1, 2, 3, 4].map(() => between(random, 1, 3)) as [
    number,
    number,
    number,
    number,
  ]
  const [queries, keys] = [between(random, 1, 4), between(random, 1, 4)]
  const heads = groups * perGroup
  const dims = (count: number, length: number, size: number) =>
    rank === 4 ? [2, count, length, size] : [2, length, count * size]
  const inputs: (Tensor | undefined)[] = [
    normalTensor(random, dims(heads, queries, d)),
    normalTensor(random, dims(groups, keys, d)),
    normalTensor(random, dims(groups, keys, dv)),
  ]
  const mask = maskOf(random, heads, queries, keys)
  const isCausal = random.below(3) === 0
  return {
    opset: anyOf(random, [23, 24]),
    attributes: {
      ...(rank === 3 && { q_num_heads: heads, kv_num_heads: groups }),
      scale: random.below(2) ? float(0.3 + random.uniform()) : undefined,
      softcap: random.below(3) === 0 ? float(1 + random.uniform()) : undefined,
      is_causal: isCausal ? 1 : undefined,
    },
    inputs: mask ? [...inputs, mask] : inputs,
    shapes: random.below(2) ? { 0: rank === 4 ? ['n', heads, 's', d] : ['n', 's', heads * d] } : {},
  }
}

const ofRank = (rank: 3 | 4): NodeCase => ({
  what: `of ${rank} axes`,
  draws: 40,
  draw: (random) => drawAttention(random, rank),
})

/** A layer of this name as [BATCH, heads, 4, size]: the columns of the image are the sequence. */
function heads(b: Bench, name: string, count: number, size: number): string {
  const channels = count * size
  const rows = b.op('ReduceMean', [b.conv(name, channels), b.ints(2)], { keepdims: 0 })
  const parts = b.op('Reshape', [rows, b.ints(0, count, channels / count, 4)])
  return b.op('Transpose', [parts], { perm: [0, 1, 3, 2] })
}

/** The same as [BATCH, 4, channels]. */
const sequence = (b: Bench, name: string, channels: number): string =>
  b.op('Transpose', [b.op('ReduceMean', [b.conv(name, channels), b.ints(2)], { keepdims: 0 })], {
    perm: [0, 2, 1],
  })

/** Heads one after the other, read by a layer as a projection reads them. */
function projected(b: Bench, y: string, channels: number): string {
  const turned = b.op('Transpose', [y], { perm: [0, 2, 1, 3] })
  return b.op('MatMul', [b.op('Reshape', [turned, b.ints(BATCH, 4, -1)]), b.weight(channels, 3)])
}

const withScale = { scale: float(0.4) }

const growth: readonly GrowthCase[] = [
  grows(
    'of the values',
    (b) => {
      const inputs = [heads(b, 'q', 2, 3), heads(b, 'k', 2, 3), heads(b, 'grown', 2, 4)]
      return projected(b, b.op('Attention', inputs), 8)
    },
    { opset: 23, widths: [10, 16] },
  ),
  grows(
    'of the sizes of its heads, where the scale is written',
    (b) => {
      const inputs = [heads(b, 'grown', 2, 4), heads(b, 'k', 2, 4), heads(b, 'v', 2, 3)]
      return projected(b, b.op('Attention', inputs, withScale), 6)
    },
    { opset: 23, widths: [10, 16] },
  ),
  grows(
    'of the sizes of its heads, where the scale depends on them',
    (b) => {
      const inputs = [heads(b, 'grown', 1, 4), heads(b, 'k', 1, 4), heads(b, 'v', 1, 3)]
      return projected(b, b.op('Attention', inputs), 3)
    },
    { opset: 23, widths: [5, 9] },
  ),
  grows(
    'of the sizes of heads that are told by attributes, beside other heads of values',
    (b) => {
      const inputs = [sequence(b, 'grown', 12), sequence(b, 'k', 6), sequence(b, 'v', 8)]
      const y = b.op('Attention', inputs, { q_num_heads: 4, kv_num_heads: 2 })
      return b.op('MatMul', [y, b.weight(16, 3)])
    },
    // Heads of 4 and 5: of 20, which is 5 heads of 4 or 4 heads of 5, whole groups of heads are tried first.
    { opset: 23, widths: [16, 28] },
  ),
  refuses(
    'of the sizes of heads whose queries and keys are bent',
    /neither can be split along it/,
    (b) => {
      const bent = ['grown', 'k'].map((name) => b.op('Tanh', [heads(b, name, 1, 4)]))
      return projected(b, b.op('Attention', [...bent, heads(b, 'v', 1, 3)]), 3)
    },
    { opset: 23 },
  ),
  grows(
    'of heads that are told by attributes, with a mask per query',
    (b) => {
      const inputs = [sequence(b, 'grown', 8), sequence(b, 'k', 8), sequence(b, 'v', 8)]
      const y = b.op('Attention', [...inputs, b.weight(4, 4)], {
        q_num_heads: 2,
        kv_num_heads: 2,
      })
      return b.op('MatMul', [y, b.weight(8, 3)])
    },
    { opset: 23, widths: [12, 20] },
  ),
  grows(
    'of groups of heads, causal',
    (b) => {
      const inputs = [sequence(b, 'q', 12), sequence(b, 'grown', 6), sequence(b, 'v', 6)]
      const y = b.op('Attention', inputs, { q_num_heads: 4, kv_num_heads: 2, is_causal: 1 })
      return b.op('MatMul', [y, b.weight(12, 3)])
    },
    { opset: 23, widths: [9, 12] },
  ),
]

export const cases: OperatorCases = {
  Attention: { gradient: [ofRank(3), ofRank(4)], growth },
}
