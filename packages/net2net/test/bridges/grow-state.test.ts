/** State dicts in files of PyTorch, in memory: sharded, shared by layers, and read again. */
import { describe, expect, test } from 'vitest'
import { growStateIn, mustHoldState } from '../../src/bridges/grow-state.ts'
import { readSafetensors, safetensorsParts } from '../../src/bridges/safetensors.ts'
import { applyPlan, planWiden } from '../../src/growth/index.ts'
import { dense, relu, sequential } from '../../src/layers/index.ts'
import { memorySource } from '../../src/tensor/bytes.ts'
import { materialize } from '../../src/tensor/tensor.ts'
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
