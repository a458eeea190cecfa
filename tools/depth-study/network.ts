/** The network of the study: a transformer over characters in the shape of GPT-2, with pre-norm blocks. */
import type { Model } from 'net2net'
import { GraphBuilder } from 'net2net/model'
import { fillTensor, float32, int64 } from 'net2net/tensor'

export interface Shape {
  readonly vocabulary: number
  /** Characters of a sequence. */
  readonly length: number
  readonly width: number
  readonly heads: number
  readonly depth: number
}

/** ids [batch, length], int64 → scores of the next character [batch, length, vocabulary]. */
export function transformer(shape: Shape, seed: number): Model {
  const { vocabulary, length, width, heads, depth } = shape
  const builder = new GraphBuilder()
  const ids = builder.input('ids', 'int64', ['batch', length])
  const normal = (name: string, dims: readonly number[], deviation: number) =>
    builder.initializer(
      name,
      fillTensor({ kind: 'normal', mean: 0, deviation }, 'float32', dims, seed, 'weights', name),
    )
  const constant = (name: string, dims: readonly number[], value: number) =>
    builder.initializer(name, fillTensor({ kind: 'constant', value }, 'float32', dims, seed, name))
  const ints = (...values: readonly number[]) => builder.constant(int64(values))
  const scalar = (value: number) => builder.constant(float32([], [value]))
  const norm = (x: string, name: string) => {
    const parameters = [
      constant(`${name}.weight`, [width], 1),
      constant(`${name}.bias`, [width], 0),
    ]
    return builder.node('LayerNormalization', [x, ...parameters], { axis: -1 }, { name })
  }
  const linear = (x: string, from: number, to: number, name: string, deviation: number) => {
    const weight = normal(`${name}.weight`, [from, to], deviation)
    const product = builder.node('MatMul', [x, weight], {}, { name })
    return builder.node('Add', [product, constant(`${name}.bias`, [to], 0)])
  }

  const size = width / heads
  const apart = ints(0, length, heads, size)
  const together = ints(0, length, width)
  const scale = scalar(1 / Math.sqrt(size))
  const mask = builder.constant(
    float32(
      [length, length],
      Array.from({ length: length * length }, (_, i) =>
        i % length > Math.floor(i / length) ? -1e9 : 0,
      ),
    ),
    'mask',
  )
  // Each block adds to the stream twice: GPT-2 begins with that much smaller additions.
  const inner = 1 / Math.sqrt(width)
  const outer = inner / Math.sqrt(2 * depth)

  const attention = (x: string, name: string) => {
    const all = linear(x, width, 3 * width, `${name}.qkv`, inner)
    const widths = ints(width, width, width)
    const parts = builder.nodeOutputs('Split', [all, widths], { axis: 2 }, { outputs: 3 })
    const [q, k, v] = parts.map((part, i) => {
      const perm = i === 1 ? [0, 2, 3, 1] : [0, 2, 1, 3]
      return builder.node('Transpose', [builder.node('Reshape', [part, apart])], { perm })
    }) as [string, string, string]
    const scores = builder.node('Mul', [builder.node('MatMul', [q, k]), scale])
    const masked = builder.node('Add', [scores, mask])
    const mixed = builder.node('MatMul', [builder.node('Softmax', [masked], { axis: -1 }), v])
    const turned = builder.node('Transpose', [mixed], { perm: [0, 2, 1, 3] })
    const joined = builder.node('Reshape', [turned, together])
    return linear(joined, width, width, `${name}.project`, outer)
  }
  const feedForward = (x: string, name: string) => {
    const hidden = linear(x, width, 4 * width, `${name}.up`, inner)
    const active = builder.node('Gelu', [hidden], { approximate: 'tanh' })
    return linear(active, 4 * width, width, `${name}.down`, outer / 2)
  }

  const token = normal('token.weight', [vocabulary, width], 0.02)
  const position = normal('position.weight', [length, width], 0.02)
  let x = builder.node('Add', [
    builder.node('Gather', [token, ids], {}, { name: 'token' }),
    position,
  ])
  for (let i = 0; i < depth; i++) {
    x = builder.node('Add', [x, attention(norm(x, `h.${i}.norm1`), `h.${i}.attention`)])
    x = builder.node('Add', [x, feedForward(norm(x, `h.${i}.norm2`), `h.${i}.mlp`)])
  }
  const scores = builder.node(
    'Add',
    [
      builder.node(
        'MatMul',
        [norm(x, 'norm'), normal('head.weight', [width, vocabulary], inner)],
        {},
        { name: 'head' },
      ),
      constant('head.bias', [vocabulary], 0),
    ],
    {},
    { outputs: ['scores'] },
  )
  builder.output(scores, 'float32', ['batch', length, vocabulary])
  return builder.model('transformer', 20)
}
