import { attributes, float, floatAttribute, intAttribute } from '../../src/model/attributes.ts'
import type { Node } from '../../src/model/model.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import {
  broadcastDims,
  elements64,
  indices,
  type Kernel,
  stridesOf,
  tensor64,
  zeros64,
} from './kernel.ts'

/** The number at [n, h, i, j] of a tensor [N, H, I, J], or of [N, I, H · J] with so many heads. */
function reader(data: Float64Array, dims: readonly number[], heads: number) {
  if (dims.length === 4) {
    const strides = stridesOf(dims)
    return (n: number, h: number, i: number, j: number) =>
      data[n * strides[0]! + h * strides[1]! + i * strides[2]! + j]!
  }
  const [, length = 0, hidden = 0] = dims
  const size = hidden / heads
  return (n: number, h: number, i: number, j: number) =>
    data[(n * length + i) * hidden + h * size + j]!
}

/**
 * y[n, h, i] = Σ_j p[n, h, i, j]·v[n, g(h), j], with p the softmax over j of
 * cap·tanh(s·Σ_c q[n, h, i, c]·k[n, g(h), j, c] / cap) + mask[n, h, i, j], without keys that a false
 * condition or the causal order excludes. Heads of one group are neighbours: g(h) = ⌊h·groups / heads⌋.
 */
const attention: Kernel = (node, inputs) => {
  const [Q, K, V, M] = inputs
  const rank = Q!.dims.length
  const heads = intAttribute(node, 'q_num_heads', Q!.dims[1]!)
  const groups = intAttribute(node, 'kv_num_heads', K!.dims[1]!)
  const [batch = 0] = Q!.dims
  const [queries, keys] = [Q!.dims.at(-2)!, K!.dims.at(-2)!]
  const [d, dv] = [Q, V].map((x, i) =>
    rank === 4 ? x!.dims[3]! : x!.dims[2]! / (i === 0 ? heads : groups),
  ) as [number, number]
  const [q, k, v] = [heads, groups, groups].map((count, i) =>
    reader(elements64(inputs, i), inputs[i]!.dims, count),
  ) as [ReturnType<typeof reader>, ReturnType<typeof reader>, ReturnType<typeof reader>]
  const scale = Math.fround(floatAttribute(node, 'scale', 1 / Math.sqrt(d)))
  const cap = Math.fround(floatAttribute(node, 'softcap', 0))
  const isCausal = intAttribute(node, 'is_causal', 0) === 1
  const maskDims = M ? broadcastDims(M.dims, [1, 1, 1, 1]) : []
  const maskStrides = stridesOf(maskDims).map((stride, axis) => (maskDims[axis] === 1 ? 0 : stride))
  const bias = (...at: readonly number[]) => {
    if (isCausal && at[3]! > at[2]!) return Number.NEGATIVE_INFINITY
    if (!M) return 0
    const value = Number(M.data[at.reduce((sum, i, axis) => sum + i * maskStrides[axis]!, 0)])
    if (M.dtype !== 'bool') return value
    return value === 0 ? Number.NEGATIVE_INFINITY : 0
  }
  const y = zeros64(rank === 4 ? [batch, heads, queries, dv] : [batch, queries, heads * dv])
  for (let n = 0; n < batch; n++)
    for (let h = 0; h < heads; h++) {
      const g = Math.floor((h * groups) / heads)
      for (let i = 0; i < queries; i++) {
        const scores = Array.from({ length: keys }, (_, j) => {
          let product = 0
          for (let c = 0; c < d; c++) product += q(n, h, i, c) * k(n, g, j, c)
          const score = scale * product
          return (cap === 0 ? score : cap * Math.tanh(score / cap)) + bias(n, h, i, j)
        })
        const largest = Math.max(...scores)
        const weights = scores.map((score) => Math.exp(score - largest))
        const total = weights.reduce((a, b) => a + b, 0)
        for (let c = 0; c < dv; c++) {
          let value = 0
          for (const [j, weight] of weights.entries()) value += (weight / total) * v(n, g, j, c)
          const at =
            rank === 4
              ? ((n * heads + h) * queries + i) * dv + c
              : (n * queries + i) * heads * dv + h * dv + c
          y.data[at] = value
        }
      }
    }
  return [y]
}

/** Pairs of channels, turned by the angle of their position: the definition, channel by channel. */
const rotaryEmbedding: Kernel = (node, inputs) => {
  const [X, COS, , IDS] = inputs
  const [x, cos, sin] = [0, 1, 2].map((i) => elements64(inputs, i)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const { dims } = X!
  const heads = dims.length === 4 ? dims[1]! : intAttribute(node, 'num_heads', 1)
  const length = dims.at(-2)!
  const size = dims.length === 4 ? dims[3]! : dims[2]! / heads
  const pairs = COS!.dims.at(-1)!
  const isInterleaved = intAttribute(node, 'interleaved', 0) === 1
  const y = zeros64(dims)
  y.data.set(x)
  for (let n = 0; n < dims[0]!; n++)
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < length; i++) {
        const at =
          dims.length === 4
            ? ((n * heads + h) * length + i) * size
            : ((n * length + i) * heads + h) * size
        const row = IDS ? Number(IDS.data[n * length + i]) : n * length + i
        for (let c = 0; c < pairs; c++) {
          const [first, second] = isInterleaved ? [2 * c, 2 * c + 1] : [c, c + pairs]
          const [a, b] = [x[at + first]!, x[at + second]!]
          const [co, si] = [cos[row * pairs + c]!, sin[row * pairs + c]!]
          y.data[at + first] = co * a - si * b
          y.data[at + second] = si * a + co * b
        }
      }
  return [y]
}

/** The standard's Attention of ONNX Runtime's: with a bias of its own, and masks of keys as numbers that are added. */
function asStandard(
  node: Node,
  parts: readonly (readonly [Tensor, Float64Array | undefined])[],
  mask: Tensor | undefined,
  bias: Tensor | undefined,
): readonly Tensor[] {
  const heads = intAttribute(node, 'num_heads', 1)
  const given = parts.map(([{ dims, data }, shift]) => {
    const width = dims[2]!
    return tensor64(
      dims,
      (data as Float64Array).map((value, i) => value + (shift?.[i % width] ?? 0)),
    )
  })
  const [batch = 0, queries = 0] = given[0]!.dims
  const keys = given[1]!.dims[1]!
  const filter = Math.fround(floatAttribute(node, 'mask_filter_value', -10000))
  const scores = zeros64([batch, heads, queries, keys])
  const biasDims = bias ? broadcastDims(bias.dims, [1, 1, 1, 1]) : []
  const strides = stridesOf(biasDims).map((stride, k) => (biasDims[k] === 1 ? 0 : stride))
  let i = 0
  for (const [n = 0, h = 0, q = 0, k = 0] of indices(scores.dims)) {
    const at = [n, h, q, k].reduce((sum, place, axis) => sum + place * (strides[axis] ?? 0), 0)
    const isPadding = mask !== undefined && Number(mask.data[n * keys + k]) === 0
    scores.data[i++] = (bias ? Number(bias.data[at]) : 0) + (isPadding ? filter : 0)
  }
  const scale = floatAttribute(node, 'scale', 0)
  const standard = attributes({
    q_num_heads: heads,
    kv_num_heads: heads,
    is_causal: intAttribute(node, 'unidirectional', 0),
    scale: scale === 0 ? undefined : float(scale),
  })
  return attention({ ...node, attributes: standard }, [...given, scores])
}

const multiHead: Kernel = (node, inputs) => {
  const shift = inputs[3]?.data as Float64Array | undefined
  let start = 0
  const parts = [0, 1, 2].map((i) => {
    const width = inputs[i]!.dims[2]!
    start += width
    return [inputs[i]!, shift?.subarray(start - width, start)] as const
  })
  return asStandard(node, parts, inputs[4], inputs[5])
}

const ownAttention: Kernel = (node, inputs) => {
  const [X, W] = inputs
  const [x, w] = [elements64(inputs, 0), elements64(inputs, 1)]
  const [batch = 0, length = 0, features = 0] = X!.dims
  const all = W!.dims[1]!
  const given = node.attributes.get('qkv_hidden_sizes')
  const widths = given?.type === 'ints' ? given.value.map(Number) : [all / 3, all / 3, all / 3]
  const shift = inputs[2]?.data as Float64Array | undefined
  let start = 0
  const parts = widths.map((width) => {
    const part = zeros64([batch, length, width])
    for (let row = 0; row < batch * length; row++)
      for (let j = 0; j < width; j++)
        for (let i = 0; i < features; i++)
          part.data[row * width + j]! += x[row * features + i]! * w[i * all + start + j]!
    start += width
    return [part, shift?.subarray(start - width, start)] as const
  })
  return asStandard(node, parts, inputs[3], inputs[5])
}

export const attentions = {
  'com.microsoft.MultiHeadAttention': multiHead,
  'com.microsoft.Attention': ownAttention,
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding,
} satisfies Record<string, Kernel>
