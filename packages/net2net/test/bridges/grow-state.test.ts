/** State dicts in files of PyTorch, in memory: sharded, shared by layers, and read again. */
import { describe, expect, test } from 'vitest'
import { growStateIn, mustHoldState, unboundParameters } from '../../src/bridges/grow-state.ts'
import { readSafetensors, safetensorsParts } from '../../src/bridges/safetensors.ts'
import { readTorchFile, stateDictOf } from '../../src/bridges/torch-file.ts'
import { applyPlan, planWiden } from '../../src/growth/index.ts'
import { dense, relu, sequential } from '../../src/layers/index.ts'
import { GraphBuilder, modelOf } from '../../src/model/builder.ts'
import type { Model } from '../../src/model/model.ts'
import { memorySource } from '../../src/tensor/bytes.ts'
import { randomStream } from '../../src/tensor/random.ts'
import { float32, type LazyTensor, materialize, toNumbers } from '../../src/tensor/tensor.ts'
import { joined, torchBytes } from '../../testing/framework-files.ts'

const model = sequential(
  [dense(6, { name: 'a' }), relu({ name: 'r' }), dense(5, { name: 'b' }), dense(3, { name: 'c' })],
  { input: [4], seed: 2 },
)
const entries = new Map(
  [...model.graph.initializers].map(([name, { tensor }]) => [name, tensor] as const),
)
const plan = planWiden(model, { a: 9 }, { seed: 1 })
const grown = applyPlan(model, plan)

const negated = (tensor: LazyTensor): LazyTensor =>
  float32(
    tensor.dims,
    toNumbers(tensor).map((value) => -value - 1),
  )

/** The files that a growth of these gives, as bytes. */
function grow(files: Readonly<Record<string, Uint8Array>>, weights: string) {
  const open = (file: string) => memorySource(files[file]!)
  const contents = growStateIn(open, model, [plan], 'out/wider', { weights })
  const written = new Map(
    [...contents].map(([file, content]) => [
      file,
      typeof content === 'string'
        ? new TextEncoder().encode(content)
        : content instanceof Uint8Array
          ? content
          : joined(content),
    ]),
  )
  const check = () =>
    mustHoldState((file) => memorySource(written.get(file)!), grown, 'out/wider', { weights })
  return { written, check }
}

describe('a state dict', () => {
  const whole = () => ({ 'in/net.safetensors': joined(safetensorsParts(entries)) })

  test('that is written is read again, and must hold the grown model', () => {
    const { written, check } = grow(whole(), 'in/net.safetensors')
    expect([...written.keys()]).toEqual(['out/wider.safetensors'])
    check()
    const bytes = written.get('out/wider.safetensors')!
    bytes[bytes.length - 40]! ^= 0x20
    expect(check).toThrow(/did not grow as .* of the model did/)
    written.set('out/wider.safetensors', bytes.subarray(0, bytes.length - 4))
    expect(check).toThrow(/out\/wider\.safetensors is not a safetensors file/)
  })

  test.each([
    [
      'with other names',
      (name: string, tensor: LazyTensor) => [`other.${name}`, negated(tensor)] as const,
      /net\.safetensors is of another network than the model: it holds none of its weights, such as "a\.weight" \[6,4\]/,
    ],
    [
      'with other shapes',
      (name: string, tensor: LazyTensor) =>
        [name, name === 'b.weight' ? float32([2, 6], new Float32Array(12)) : tensor] as const,
      /"b\.weight" is \[2,6\] in net\.safetensors and \[5,6\] in the model: they are of different networks/,
    ],
    [
      'after other training',
      (name: string, tensor: LazyTensor) => [name, negated(tensor)] as const,
      /"a\.weight" of net\.safetensors and of the model differ in their numbers/,
    ],
  ])('of another network, %s, is refused whatever grows', (_, other, message) => {
    const state = new Map([...entries].map(([name, tensor]) => other(name, tensor)))
    const open = () => memorySource(joined(safetensorsParts(state)))
    for (const plans of [[], [plan]])
      expect(() => growStateIn(open, model, plans, 'out', { weights: 'net.safetensors' })).toThrow(
        message,
      )
  })

  test('of the network belongs to it where an entry is missing that does not grow', () => {
    const state = new Map([...entries].filter(([name]) => name !== 'c.weight'))
    const open = () => memorySource(joined(safetensorsParts(state)))
    const options = { weights: 'net.safetensors' }
    for (const plans of [[], [plan]])
      expect(growStateIn(open, model, plans, 'out', options).size).toBe(1)
    expect(() => growStateIn(open, model, [planWiden(model, { b: 9 })], 'out', options)).toThrow(
      /The plan changes "c\.weight", and no entry of net\.safetensors holds its numbers/,
    )
    // The biases are zeros, which an exporter may have made.
    expect(unboundParameters(open, model, options)).toEqual(['c.weight'])
    const all = () => memorySource(joined(safetensorsParts(entries)))
    expect(unboundParameters(all, model, options)).toEqual([])
  })

  test('does not hold the ε of a norm, which another width than a multiple changes', () => {
    const b = new GraphBuilder()
    const random = randomStream(1, 'norm')
    const normals = (...dims: readonly number[]) => {
      const count = dims.reduce((a, b) => a * b, 1)
      return float32(
        dims,
        Float32Array.from({ length: count }, () => random.normal()),
      )
    }
    const weights = (...dims: readonly number[]) => b.constant(normals(...dims), 'w')
    const x = b.input('x', 'float32', [2, 4])
    const stem = b.node('MatMul', [x, weights(4, 6)], {}, { name: 'stem' })
    const norm = b.node('LayerNormalization', [stem, weights(6), weights(6)], {}, { name: 'norm' })
    b.output(b.node('MatMul', [norm, weights(6, 3)], {}, { name: 'head' }), 'float32')
    const network = modelOf(b.graph())
    const state = new Map(
      [...network.graph.initializers].map(([name, { tensor }]) => [name, tensor] as const),
    )
    const open = () => memorySource(joined(safetensorsParts(state)))
    const growTo = (stem: number) =>
      growStateIn(open, network, [planWiden(network, { stem })], 'out', {
        weights: 'a.safetensors',
      })
    expect(growTo(12).size).toBe(1)
    expect(() => growTo(8)).toThrow(
      /norm would need the epsilon .* instead of .*, which a\.safetensors does not hold/,
    )
  })

  test('of PyTorch keeps its format', () => {
    const { written, check } = grow({ 'net.bin': torchBytes(entries) }, 'net.bin')
    expect([...written.keys()]).toEqual(['out/wider.bin'])
    check()
  })

  test('in several files stays in as many, each entry where it was', () => {
    const keys = [...entries.keys()]
    const shards = [keys.filter((_, i) => i % 2 === 0), keys.filter((_, i) => i % 2 > 0)]
    const files: Record<string, Uint8Array> = {}
    const weightMap: Record<string, string> = {}
    for (const [i, own] of shards.entries()) {
      const name = `model-0000${i + 1}-of-00002.safetensors`
      files[`in/${name}`] = joined(
        safetensorsParts(new Map(own.map((key) => [key, entries.get(key)!])), { format: 'pt' }),
      )
      for (const key of own) weightMap[key] = name
    }
    const index = 'in/model.safetensors.index.json'
    files[index] = new TextEncoder().encode(
      JSON.stringify({ metadata: { total_size: 1, more: 'kept' }, weight_map: weightMap }),
    )
    const { written, check } = grow(files, index)
    expect([...written.keys()]).toEqual([
      'out/wider-00001-of-00002.safetensors',
      'out/wider-00002-of-00002.safetensors',
      'out/wider.safetensors.index.json',
    ])
    check()
    const read = (name: string) => readSafetensors(memorySource(written.get(name)!), name)
    for (const [i, own] of shards.entries()) {
      const { tensors, metadata } = read(`out/wider-0000${i + 1}-of-00002.safetensors`)
      expect([...tensors.keys()]).toEqual(own)
      expect(metadata).toEqual({ format: 'pt' })
      for (const key of own)
        expect(materialize(tensors.get(key)!)).toEqual(
          materialize(grown.graph.initializers.get(key)!.tensor),
        )
    }
    const said = JSON.parse(
      new TextDecoder().decode(written.get('out/wider.safetensors.index.json')),
    )
    const bytes = [...grown.graph.initializers.values()].map(({ tensor }) => tensor.byteLength)
    expect(said.metadata).toEqual({ total_size: bytes.reduce((a, b) => a + b), more: 'kept' })
    expect(said.weight_map['a.weight']).toMatch(/^wider-0000/)
  })
})

describe('a tensor that two layers share', () => {
  const table = float32(
    [7, 4],
    Array.from({ length: 28 }, (_, i) => Math.sin(i + 1)),
  )
  /** An embedding, a layer between, and a head that reads the table of the embedding, or a transposed copy of it. */
  function network(isCopied: boolean, hasLayer: boolean, isNoted = true): Model {
    const b = new GraphBuilder()
    b.input('ids', 'int64', ['n', 3])
    const shared = b.initializer('embed.weight', table)
    const embedded = b.node('Gather', [shared, 'ids'], {}, { name: 'embed' })
    const square = float32(
      [4, 4],
      Array.from({ length: 16 }, (_, i) => Math.cos(3 * i)),
    )
    const hidden = hasLayer
      ? b.node('MatMul', [embedded, b.initializer('mid.weight', square)], {}, { name: 'mid' })
      : embedded
    const flipped = float32(
      [4, 7],
      Array.from({ length: 28 }, (_, i) => Number(table.data[(i % 7) * 4 + Math.floor(i / 7)])),
    )
    const head = isCopied
      ? b.initializer('val_1', flipped)
      : b.node('Transpose', [shared], { perm: [1, 0] })
    const output = b.node('MatMul', [hidden, head], {}, { name: 'head' })
    b.output(output, 'float32')
    // PyTorch's exporter notes of which module a node is.
    const notes = new Map([
      [embedded, "['', 'embed', 'embedding']"],
      [isCopied ? output : head, "['', 'head', 'linear']"],
    ])
    const { graph, ...model } = modelOf(b.graph(), 18)
    const nodes = graph.nodes.map((node) => {
      const note = notes.get(node.outputs[0]!)
      return note === undefined || !isNoted
        ? node
        : { ...node, metadata: new Map([['pkg.torch.onnx.name_scopes', note]]) }
    })
    return { ...model, graph: { ...graph, nodes } }
  }

  test.each([
    ['reads it in both places', false, false],
    ['has a transposed copy of it', true, false],
    ['keeps it in one place', false, true],
  ])(
    'grows in two ways only where it may become two, in a model that %s',
    (_, isCopied, hasLayer) => {
      const tied = network(isCopied, hasLayer)
      const wide = planWiden(tied, { embed: 9 }, { seed: 1 })
      const state = new Map<string, LazyTensor>([
        ['embed.weight', table],
        ['head.weight', table],
        ...(hasLayer
          ? [['mid.weight', tied.graph.initializers.get('mid.weight')!.tensor] as const]
          : []),
      ])
      const bytes = torchBytes(state)
      const grow = (untie: boolean) =>
        growStateIn(() => memorySource(bytes), tied, [wide], 'w', { weights: 'net.pt', untie })
      expect(() => grow(false)).toThrow(
        /"embed\.weight" and "head\.weight" .*net\.pt.* in different ways/,
      )
      const files = new Map(
        [...grow(true)].map(([file, content]) => [
          file,
          joined(content as Parameters<typeof joined>[0]),
        ]),
      )
      mustHoldState((file) => memorySource(files.get(file)!), applyPlan(tied, wide), 'w', {
        weights: 'net.pt',
      })
      const written = readTorchFile(memorySource(files.get('w.pt')!), 'w.pt')
      const grown = stateDictOf(written, 'w.pt')
      expect(grown.get('embed.weight')!.dims).toEqual([7, 9])
      expect(grown.get('head.weight')!.dims).toEqual([7, hasLayer ? 4 : 9])
      expect(materialize(grown.get('embed.weight')!)).not.toEqual(
        materialize(grown.get('head.weight')!),
      )
    },
  )

  test('of which one name stays is refused where the model does not say which', () => {
    const tied = network(false, true, false)
    const wide = planWiden(tied, { embed: 9 }, { seed: 1 })
    const bytes = torchBytes(
      new Map([
        ['embed.weight', table],
        ['head.weight', table],
      ]),
    )
    const options = { weights: 'net.pt', untie: true, weightsDiffer: true }
    expect(() => growStateIn(() => memorySource(bytes), tied, [wide], 'w', options)).toThrow(
      /Which of "embed\.weight" and "head\.weight" of net\.pt grows cannot be told/,
    )
  })
})
