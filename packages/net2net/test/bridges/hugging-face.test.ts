/** Folders of transformers, grown by plans that were made on exports of the same networks, and opened by transformers again. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CheckpointGrowth, WantedSizes } from '../../src/bridges/index.node.ts'
import { openHuggingFace } from '../../src/bridges/index.node.ts'
import { compare } from '../../src/check/compare.ts'
import { planWiden } from '../../src/growth/index.ts'
import { load } from '../../src/onnx/file.node.ts'
import { torchPython } from '../../testing/python.ts'
import { PythonProcess } from '../../testing/python-process.ts'

const script = fileURLToPath(new URL('./hugging_face_networks.py', import.meta.url))
let folder: string
const at = (name: string) => join(folder, name)
const interpreter = new PythonProcess(torchPython)
const python = (...args: string[]) => interpreter.file(script, folder, ...args)
const configOf = (name: string) =>
  JSON.parse(readFileSync(at(`${name}/config.json`), 'utf8')) as Record<string, unknown>

interface Case extends CheckpointGrowth {
  readonly name: string
  readonly sizes?: WantedSizes
  /** Fields of config.json after growth. */
  readonly config: Readonly<Record<string, unknown>>
}

const all = { hidden: 'x2', heads: 'x2', ffn: 'x2' } as const
const cases: readonly Case[] = [
  { name: 'gpt2', sizes: { ffn: 'x1.5' }, config: { n_inner: 144, n_embd: 24 } },
  {
    name: 'gpt2',
    sizes: { hidden: 'x2', heads: 'x2' },
    untie: true,
    // The feed-forward stays as it was, which config.json did not say.
    config: { n_embd: 48, n_head: 6, n_inner: 96, tie_word_embeddings: false },
  },
  { name: 'gpt2', layers: { last: 2, repeat: ['h.0'] }, config: { n_layer: 5, n_inner: null } },
  { name: 'llama', sizes: { hidden: 'x2' }, config: { hidden_size: 48, head_dim: 8 } },
  { name: 'llama', sizes: { heads: 6 }, config: { num_key_value_heads: 3 } },
  {
    name: 'llama',
    sizes: all,
    layers: { repeat: ['layers.0'] },
    config: { num_key_value_heads: 4, num_attention_heads: 8, num_hidden_layers: 3 },
  },
  { name: 'mistral', sizes: all, layers: { last: 1 }, config: { intermediate_size: 40 } },
  // head_dim was computed, and has to be said now.
  { name: 'qwen2', sizes: { hidden: 'x2' }, config: { hidden_size: 48, head_dim: 6 } },
  { name: 'qwen3', sizes: { ...all, ffn: 33 }, untie: true, config: { intermediate_size: 33 } },
  { name: 'qwen3', layers: { repeat: ['layers.1'] }, config: { num_hidden_layers: 3 } },
  // One head of keys and values serves all.
  { name: 'gemma', sizes: { heads: 'x2' }, config: { num_key_value_heads: 1 } },
  { name: 'gemma', sizes: { hidden: 'x3' }, untie: true, config: { hidden_size: 72 } },
  { name: 'gemma2', sizes: all, untie: true, config: { tie_word_embeddings: false } },
  {
    name: 'gemma2',
    layers: { repeat: ['model.layers.0'] },
    config: {
      num_hidden_layers: 3,
      layer_types: ['sliding_attention', 'sliding_attention', 'full_attention'],
    },
  },
  { name: 'gemma3', sizes: { heads: 'x2' }, layers: { last: 1 }, config: { head_dim: 8 } },
  { name: 'bert', sizes: { ffn: 50 }, config: { intermediate_size: 50 } },
  { name: 'bert', sizes: all, untie: true, config: { num_attention_heads: 6 } },
  { name: 'roberta', sizes: all, config: { hidden_size: 48 } },
  { name: 'distilbert', sizes: all, config: { dim: 48, n_heads: 6, hidden_dim: 40 } },
  { name: 'vit', sizes: all, layers: { last: 1 }, config: { num_hidden_layers: 3 } },
  { name: 't5', sizes: { ffn: 'x2', heads: 'x2' }, config: { d_ff: 40, num_heads: 6, d_kv: 8 } },
  {
    name: 't5',
    layers: { repeat: ['encoder.block.0'], last: 1 },
    config: { num_layers: 4, num_decoder_layers: 3 },
  },
  {
    name: 'whisper',
    sizes: all,
    layers: { last: 1 },
    config: { encoder_ffn_dim: 40, decoder_ffn_dim: 20, encoder_layers: 3, decoder_layers: 1 },
  },
  { name: 'fresh', sizes: all, config: { hidden_size: 48 } },
  { name: 'half', sizes: { ffn: 'x2', hidden: 'x2' }, config: { dtype: 'bfloat16' } },
]
const grownName = ({ name }: Case, i: number) => `grown-${i}-${name}`

interface Opened {
  readonly difference: number
  readonly complaints: Readonly<Record<string, string>>
  readonly parameters: number
}

async function grow({ name, sizes, layers, untie }: Case, target: string): Promise<void> {
  using opened = openHuggingFace(at(name))
  using model = await load(at(`${name}.onnx`))
  const plan = sizes && opened.plan(model, sizes, { seed: 3 })
  const grown = opened.grow({ model, plan, layers, untie })
  // What the model is after the growth is compared by its own check; here where layers were added to it.
  if (grown.hasLayers && layers) expect((await compare(model, grown.model!)).equal).not.toBe(false)
  await grown.save(at(target))
}

describe.skipIf(!torchPython)('folders of transformers', () => {
  let opened: readonly Opened[] = []
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'net2net-hugging-face-'))
    await python('make')
    for (const [i, each] of cases.entries()) await grow(each, grownName(each, i))
    const tasks = cases.map((each, i) => ({ name: each.name, folder: grownName(each, i) }))
    opened = JSON.parse(await python('open', JSON.stringify(tasks))) as readonly Opened[]
  }, 600_000)
  afterAll(() => {
    interpreter.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(cases.map((each, i) => [grownName(each, i), each, i] as const))(
    '%s opens without a word and computes the same logits',
    (target, { name, config, sizes }, i) => {
      expect(opened[i]!.complaints).toEqual({})
      // Half precision rounds the weights that are split and get noise.
      expect(opened[i]!.difference).toBeLessThan(name === 'half' ? 2e-2 : 1e-5)
      expect(configOf(target)).toMatchObject(config)
      expect(opened[i]!.parameters).toBeGreaterThan(sizes ? 1000 : 0)
    },
  )

  test('as many files as before or more, each no larger, with the tokenizer', () => {
    const sizesIn = (name: string) =>
      readdirSync(at(name))
        .filter((file) => file.endsWith('.safetensors'))
        .map((file) => readFileSync(at(`${name}/${file}`)).length)
    const grown = grownName(
      cases.find(({ name }) => name === 'mistral')!,
      cases.findIndex(({ name }) => name === 'mistral'),
    )
    expect(sizesIn(grown).length).toBeGreaterThan(sizesIn('mistral').length)
    expect(Math.max(...sizesIn(grown))).toBeLessThan(1.2 * Math.max(...sizesIn('mistral')))
    expect(readdirSync(at(grown))).toEqual(
      expect.arrayContaining(['tokenizer.json', 'generation_config.json', 'config.json']),
    )
    const index = JSON.parse(readFileSync(at(`${grown}/model.safetensors.index.json`), 'utf8'))
    expect(new Set(Object.values(index.weight_map)).size).toBe(sizesIn(grown).length)
  })

  test('config.json keeps the form of what does not change', () => {
    const lines = (name: string) => readFileSync(at(`${name}/config.json`), 'utf8').split('\n')
    const before = lines('llama')
    const changed = lines(grownName(cases[3]!, 3)).filter((line, i) => line !== before[i])
    expect(changed).toEqual(['  "hidden_size": 48,'])
    expect(before.join()).toMatch(/"rope_theta": 10000\.0/)
  })

  const refused = async (name: string, growth: Omit<Case, 'name' | 'config'>) => {
    using source = openHuggingFace(at(name))
    using model = await load(at(`${name}.onnx`))
    const { sizes, ...rest } = growth
    const plan = sizes && source.plan(model, sizes)
    return source.grow({ model, plan, ...rest })
  }

  test.each([
    ['gpt2', { sizes: { hidden: 'x2' } }, /computes head_dim as n_embd\/n_head.*same factor/],
    ['gpt2', { sizes: { hidden: 'x2', heads: 'x2' } }, /tie_word_embeddings.*different ways/],
    ['t5', { sizes: { hidden: 'x2' }, untie: true }, /ties the embeddings of every T5/],
    ['llama', { sizes: { hidden: 36 } }, /equally many copies/],
    ['llama', { sizes: { heads: 10 } }, /only where the first is a multiple of the second/],
    ['llama', { sizes: { ffn: 5 } }, /is 20; --ffn must make it larger/],
    ['llama', { sizes: { heads: 'x1.25' } }, /num_key_value_heads.*whole number/],
    ['bert', { layers: { last: 1 } }, /post-norm/],
    ['llama', { layers: { repeat: ['layers.9'] } }, /no layer "layers\.9"/],
    ['t5', { layers: { repeat: ['block.0'] } }, /encoder\.block\.0, decoder\.block\.0/],
  ] as const)('%s refuses %j', async (name, growth, message) => {
    await expect(refused(name, growth)).rejects.toThrow(message)
  })

  test('uneven plans are refused with the reason', async () => {
    using source = openHuggingFace(at('llama'))
    using model = await load(at('llama.onnx'))
    const one = planWiden(model, { 'layers.0.mlp.gate_proj': 40 })
    expect(() => source.grow({ model, plan: one })).toThrow(
      /one intermediate_size for all layers, and the plan would make it 40 for "model\.layers\.0/,
    )
    const two = planWiden(model, { 'layers.0.mlp.gate_proj': 40, 'layers.1.mlp.gate_proj': 50 })
    expect(() => source.grow({ model, plan: two })).toThrow(/one intermediate_size for all layers/)
    const even = planWiden(model, { 'layers.0.mlp.gate_proj': 40, 'layers.1.mlp.gate_proj': 40 })
    expect(source.grow({ model, plan: even }).changes).toEqual([
      { field: 'intermediate_size', before: 20, after: 40 },
    ])
  })

  test('an architecture that is not known is described by a mapping', async () => {
    using model = await load(at('qwen2.onnx'))
    const own = { qwen2: { like: 'llama', multiples: {}, ffn: ['intermediate_size'] } }
    using source = openHuggingFace(at('qwen2'), { mapping: own })
    const { changes } = source.grow({ model, plan: source.plan(model, { ffn: 'x2' }) })
    expect(changes).toEqual([{ field: 'intermediate_size', before: 20, after: 40 }])
    const lacking = {
      qwen2: { ffn: ['intermediate_size'], entries: { 'mlp.gate_proj': 'intermediate_size, _' } },
    }
    using other = openHuggingFace(at('qwen2'), { mapping: lacking })
    expect(() => other.grow({ model, plan: other.plan(model, { ffn: 'x2' }) })).toThrow(
      /does not say with which field of config\.json/,
    )
  })
})
