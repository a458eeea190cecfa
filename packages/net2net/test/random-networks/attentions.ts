/** Random networks around one attention, in the forms in which exporters write it. */
import { float } from '../../src/model/attributes.ts'
import { GraphBuilder, modelOf } from '../../src/model/builder.ts'
import type { Model } from '../../src/model/model.ts'
import { type RandomStream, randomStream } from '../../src/tensor/random.ts'
import { float32, int64 } from '../../src/tensor/tensor.ts'

const BATCH = 2
const LENGTH = 5
const WIDTH = 6

/** What was drawn. */
export interface DrawnAttention {
  readonly heads: number
  readonly groups: number
  readonly size: number
  readonly valueSize: number
  readonly projections: 'separate' | 'split' | 'sliced' | 'selected'
  readonly positions: 'none' | 'halves' | 'neighbours' | 'operator' | 'partial operator'
  readonly bias: 'none' | 'distances' | 'table' | 'causal'
  readonly repeats: 'expanded' | 'grouped'
  readonly whole: 'no' | 'of 4 axes' | 'of 3 axes'
  readonly isScaled: boolean
  readonly hasBias: boolean
  readonly isInterleaved: boolean
}

export function drawAttention(seed: number): DrawnAttention {
  const random = randomStream(seed, 'attention')
  const any = <T>(choices: readonly T[]): T => choices[random.below(choices.length)]!
  const groups = 1 + random.below(3)
  const heads = groups * any([1, 1, 2, 3])
  const positions = any([
    'none',
    'none',
    'halves',
    'neighbours',
    'operator',
    'partial operator',
  ] as const)
  const pairs = 2 + random.below(2)
  const size =
    positions === 'none'
      ? 2 + random.below(4)
      : 2 * pairs + (positions === 'partial operator' ? 2 : 0)
  const projections = any(['separate', 'separate', 'split', 'sliced', 'selected'] as const)
  const isAlike = projections === 'selected' || random.uniform() < 0.5
  const whole = any(['no', 'no', 'of 4 axes', 'of 3 axes'] as const)
  return {
    groups: projections === 'selected' ? heads : groups,
    heads,
    size,
    valueSize: isAlike ? size : 2 + random.below(4),
    projections,
    positions,
    bias: any(['none', 'distances', 'table', 'causal']),
    repeats: any(['expanded', 'grouped']),
    whole: positions !== 'none' && whole === 'of 3 axes' ? 'of 4 axes' : whole,
    isScaled: random.uniform() < 0.7,
    hasBias: random.uniform() < 0.5,
    isInterleaved: random.uniform() < 0.5,
  }
}

export function attentionNetwork(drawn: DrawnAttention, seed: number): Model {
  const b = new Builder(randomStream(seed, 'weights'))
  const { heads, groups, size, valueSize } = drawn
  const x = b.input('x', 'float32', [BATCH, LENGTH, WIDTH])
  const [q, k, v] = b.projections(x, drawn)
  const y =
    drawn.whole === 'of 3 axes'
      ? b.whole([q, k, v], drawn)
      : b.joined(
          b.attention(
            [q, k, v].map((each, i) => {
              const count = i === 0 ? heads : groups
              const apart = b.apart(each, count, i === 2 ? valueSize : size)
              return i === 2 ? apart : b.turned(apart, count, drawn)
            }) as [string, string, string],
            drawn,
          ),
          heads * valueSize,
        )
  const sum = b.node('Add', [x, b.dense(y, heads * valueSize, WIDTH, 'out', drawn.hasBias)])
  b.output(b.dense(b.node('Tanh', [sum]), WIDTH, 3, 'head', true))
  return modelOf(b.graph(), 23)
}

class Builder extends GraphBuilder {
  readonly #random: RandomStream

  constructor(random: RandomStream) {
    super()
    this.#random = random
  }

  floats(dims: readonly number[], make: (i: number) => number): string {
    const count = dims.reduce((a, b) => a * b, 1)
    return this.constant(
      float32(
        dims,
        Array.from({ length: count }, (_, i) => make(i)),
      ),
      'w',
    )
  }

  normals(dims: readonly number[], scale = 1): string {
    return this.floats(dims, () => scale * this.#random.normal())
  }

  ints(...values: readonly number[]): string {
    return this.constant(int64(values))
  }

  dense(x: string, from: number, to: number, name: string, hasBias: boolean): string {
    const product = this.node('MatMul', [x, this.normals([from, to], 0.7)], {}, { name })
    return hasBias ? this.node('Add', [product, this.normals([to])]) : product
  }

  /** Queries, keys and values, [BATCH, LENGTH, heads · size] each, from three layers or from one. */
  projections(x: string, { projections, heads, groups, size, valueSize, hasBias }: DrawnAttention) {
    const widths = [heads * size, groups * size, groups * valueSize]
    if (projections === 'separate')
      return ['q', 'k', 'v'].map((name, i) => this.dense(x, WIDTH, widths[i]!, name, hasBias)) as [
        string,
        string,
        string,
      ]
    const all = this.dense(
      x,
      WIDTH,
      widths.reduce((a, b) => a + b),
      'qkv',
      hasBias,
    )
    if (projections === 'split')
      return this.nodeOutputs(
        'Split',
        [all, this.ints(...widths)],
        { axis: 2 },
        { outputs: 3 },
      ) as [string, string, string]
    if (projections === 'sliced') {
      let start = 0
      return widths.map((width) => {
        const bounds = [this.ints(start), this.ints(start + width)]
        start += width
        return this.node('Slice', [all, ...bounds, this.ints(2)])
      }) as [string, string, string]
    }
    const apart = this.node('Reshape', [all, this.ints(BATCH, LENGTH, 3, heads * size)])
    return [0, 1, 2].map((i) =>
      this.node('Gather', [apart, this.constant(int64([i], []))], { axis: 2 }),
    ) as [string, string, string]
  }

  /** [BATCH, heads, LENGTH, size]. */
  apart(x: string, heads: number, size: number): string {
    const apart = this.node('Reshape', [x, this.ints(BATCH, LENGTH, heads, size)])
    return this.node('Transpose', [apart], { perm: [0, 2, 1, 3] })
  }

  joined(x: string, width: number): string {
    const turned = this.node('Transpose', [x], { perm: [0, 2, 1, 3] })
    return this.node('Reshape', [turned, this.ints(BATCH, LENGTH, width)])
  }

  turned(x: string, heads: number, { positions, size, isInterleaved }: DrawnAttention): string {
    if (positions === 'none') return x
    const pairs = positions === 'partial operator' ? (size - 2) / 2 : size / 2
    const angle = (i: number) => Math.floor(i / pairs) / 7 ** ((i % pairs) / pairs)
    const [cos, sin] = [Math.cos, Math.sin].map((f) =>
      this.floats([LENGTH, pairs], (i) => f(angle(i))),
    )
    if (positions.endsWith('operator')) {
      const ids = this.constant(
        int64(
          Array.from({ length: BATCH * LENGTH }, (_, i) => i % LENGTH),
          [BATCH, LENGTH],
        ),
      )
      const isPartial = positions === 'partial operator'
      return this.node('RotaryEmbedding', [x, cos!, sin!, ids], {
        interleaved: isInterleaved ? 1 : 0,
        ...(isPartial && { rotary_embedding_dim: 2 * pairs, num_heads: heads }),
      })
    }
    if (positions === 'halves') {
      const [first, second] = this.nodeOutputs(
        'Split',
        [x],
        { axis: 3, num_outputs: 2 },
        { outputs: 2 },
      )
      const half = this.node('Concat', [this.node('Neg', [second!]), first!], { axis: 3 })
      const both = (table: string) => this.node('Concat', [table, table], { axis: 1 })
      return this.node('Add', [
        this.node('Mul', [x, both(cos!)]),
        this.node('Mul', [half, both(sin!)]),
      ])
    }
    const shape = this.node('Shape', [x])
    const apart = this.node('Reshape', [x, this.ints(BATCH, -1, LENGTH, pairs, 2)])
    const [first, second] = [0, 1].map((i) =>
      this.node('Gather', [apart, this.constant(int64([i], []))], { axis: 4 }),
    )
    const times = (a: string, c: string) => this.node('Mul', [a, c])
    const results = [
      this.node('Sub', [times(first!, cos!), times(second!, sin!)]),
      this.node('Add', [times(first!, sin!), times(second!, cos!)]),
    ].map((each) => this.node('Unsqueeze', [each, this.ints(4)]))
    return this.node('Reshape', [this.node('Concat', results, { axis: 4 }), shape])
  }

  /** What is added to scores: [heads, LENGTH, LENGTH] or [LENGTH, LENGTH]. */
  bias({ bias, heads }: DrawnAttention): string | undefined {
    const distance = (i: number) => Math.floor(i / LENGTH) - (i % LENGTH)
    if (bias === 'none') return undefined
    if (bias === 'causal') return this.floats([LENGTH, LENGTH], (i) => (distance(i) < 0 ? -1e9 : 0))
    if (bias === 'distances') {
      const slopes = this.floats([heads, 1, 1], (i) => 2 ** -(i + 1))
      return this.node('Mul', [
        slopes,
        this.floats([LENGTH, LENGTH], (i) => -Math.abs(distance(i))),
      ])
    }
    const table = this.normals([2 * LENGTH - 1, heads])
    const places = int64(
      Array.from({ length: LENGTH * LENGTH }, (_, i) => distance(i) + LENGTH - 1),
      [LENGTH, LENGTH],
    )
    const looked = this.node('Gather', [table, this.constant(places)])
    return this.node('Transpose', [looked], { perm: [2, 0, 1] })
  }

  whole(inputs: readonly string[], drawn: DrawnAttention): string {
    const { heads, groups, isScaled, whole } = drawn
    const bias = this.bias(drawn)
    return this.node('Attention', bias ? [...inputs, bias] : inputs, {
      ...(isScaled && { scale: float(0.4) }),
      ...(whole === 'of 3 axes' && { q_num_heads: heads, kv_num_heads: groups }),
    })
  }

  /** Of queries, keys and values with an axis of heads: the same of the result. */
  attention(inputs: readonly [string, string, string], drawn: DrawnAttention): string {
    if (drawn.whole !== 'no') return this.whole(inputs, drawn)
    const { heads, groups, size, valueSize, isScaled, repeats } = drawn
    const [q, k, v] = inputs
    const scale = this.floats([], () => 1 / Math.sqrt(size))
    const scaled = isScaled ? this.node('Mul', [q, scale]) : q
    const bias = this.bias(drawn)
    if (
      repeats === 'grouped' &&
      groups < heads &&
      (bias === undefined || drawn.bias === 'causal')
    ) {
      const rows = this.node('Reshape', [
        scaled,
        this.ints(BATCH, groups, heads / groups, LENGTH, size),
      ])
      const [keys, values] = [k, v].map((each) => this.node('Unsqueeze', [each, this.ints(2)]))
      const turned = this.node('Transpose', [keys!], { perm: [0, 1, 2, 4, 3] })
      const product = this.node('MatMul', [rows, turned])
      const scores = bias ? this.node('Add', [product, bias]) : product
      const y = this.node('MatMul', [this.node('Softmax', [scores], { axis: -1 }), values!])
      return this.node('Reshape', [y, this.ints(BATCH, heads, LENGTH, valueSize)])
    }
    const repeated = (x: string, width: number) => {
      if (groups === heads) return x
      const apart = this.node('Unsqueeze', [x, this.ints(2)])
      const shape = [BATCH, groups, heads / groups, LENGTH, width]
      return this.node('Reshape', [
        this.node('Expand', [apart, this.ints(...shape)]),
        this.ints(BATCH, heads, LENGTH, width),
      ])
    }
    const turned = this.node('Transpose', [repeated(k, size)], { perm: [0, 1, 3, 2] })
    const product = this.node('MatMul', [scaled, turned])
    const scores = bias ? this.node('Add', [product, bias]) : product
    return this.node('MatMul', [
      this.node('Softmax', [scores], { axis: -1 }),
      repeated(v, valueSize),
    ])
  }
}
