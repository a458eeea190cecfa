/** Folders that are not what they say, and the small parts that the bridge to transformers is made of. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { Net2NetError } from '../../errors.ts'
import { planWiden } from '../../growth/index.ts'
import { dense, sequential } from '../../layers/index.ts'
import { constantsOf } from '../../operators/constants-of.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { readSafetensors, safetensorsParts } from '../safetensors.ts'
import { architectureOf, parseMappings } from './architecture.ts'
import { architectures } from './architectures.ts'
import { withValues } from './config-text.ts'
import { openHuggingFace } from './folder.node.ts'
import { evaluate, keepsLayout, parseSize } from './size-expression.ts'

const root = mkdtempSync(join(tmpdir(), 'net2net-hugging-face-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** A perceptron as a folder, with the mapping that describes it. */
const model = sequential(
  [dense(6, { activation: 'relu', name: 'up' }), dense(4, { name: 'down' })],
  { input: [5], seed: 1 },
)
const mapping = {
  perceptron: {
    ffn: ['width'],
    entries: { up: 'width, _', 'down.weight': '_, width' },
  },
}
const config = { model_type: 'perceptron', width: 6 }
let count = 0
interface Files {
  readonly config?: string
  readonly shards?: Readonly<Record<string, readonly string[]>>
  readonly index?: string
  readonly more?: Readonly<Record<string, string>>
}
function folderOf({ config: text, shards, index, more = {} }: Files = {}): string {
  const folder = join(root, `f${count++}`)
  mkdirSync(folder)
  writeFileSync(join(folder, 'config.json'), text ?? `${JSON.stringify(config, null, 2)}\n`)
  const tensors = constantsOf(model)
  const write = (file: string, names: readonly string[]) => {
    const own = new Map(names.map((name): [string, LazyTensor] => [name, tensors.get(name)!]))
    const parts = safetensorsParts(own, { format: 'pt' })
    writeFileSync(join(folder, file), Buffer.concat(parts.map((p) => p.read(0, p.byteLength))))
  }
  for (const [file, names] of Object.entries(
    shards ?? { 'model.safetensors': [...tensors.keys()] },
  ))
    write(file, names)
  if (index !== undefined) writeFileSync(join(folder, 'model.safetensors.index.json'), index)
  for (const [file, content] of Object.entries(more)) writeFileSync(join(folder, file), content)
  return folder
}
const names = [...constantsOf(model).keys()]
const open = (files: Files = {}) => openHuggingFace(folderOf(files), { mapping })
const grown = (folder: string) => {
  const source = openHuggingFace(folder, { mapping })
  return source.grow({ model, plan: source.plan(model, { ffn: 'x2' }) })
}
function failure(work: () => unknown): Net2NetError {
  try {
    work()
  } catch (error) {
    if (error instanceof Net2NetError) return error
    throw error
  }
  throw new Error('It did not fail.')
}

describe('a folder', () => {
  test('grows, and is written whole', async () => {
    const folder = folderOf({ more: { 'vocab.txt': 'a', 'rng.pth': 'x', '.hidden.json': '{}' } })
    const target = join(root, 'whole', 'within')
    expect(await grown(folder).save(target)).toEqual([
      'model.safetensors',
      'vocab.txt',
      'config.json',
    ])
    expect(readdirSync(target).sort()).toEqual(['config.json', 'model.safetensors', 'vocab.txt'])
    expect(readFileSync(join(target, 'config.json'), 'utf8')).toBe(
      `${JSON.stringify({ ...config, width: 12 }, null, 2)}\n`,
    )
    const bytes = readFileSync(join(target, 'model.safetensors'))
    const source = {
      size: bytes.length,
      read: (at: number, n: number) => bytes.subarray(at, at + n),
    }
    const { tensors, metadata } = readSafetensors(source, target)
    expect(metadata).toEqual({ format: 'pt' })
    expect([...tensors.values()].map(({ dims }) => Math.max(...dims)).sort()).toEqual([
      12, 12, 12, 4,
    ])
    // What is there is replaced only on request, and a folder never by itself.
    const again = () => grown(folder).save(target)
    await expect(again()).rejects.toMatchObject({ kind: 'usage' })
    await grown(folder).save(target, { force: true })
    await expect(grown(folder).save(folder, { force: true })).rejects.toThrow(/give another one/)
    writeFileSync(join(target, 'pytorch_model.bin'), '')
    await expect(grown(folder).save(target, { force: true })).rejects.toThrow(/other weights/)
    expect(readdirSync(target)).toHaveLength(4)
    const stopped = AbortSignal.abort()
    await expect(
      grown(folder).save(join(root, 'no', 'no'), { signal: stopped }),
    ).rejects.toMatchObject({ kind: 'interrupted' })
    expect(readdirSync(root)).not.toContain('no')
  })

  test.each<[string, Files, RegExp]>([
    ['no JSON', { config: '{' }, /config\.json is not JSON/],
    ['a list', { config: '[]' }, /is not a JSON object/],
    ['no model_type', { config: '{}' }, /names no model_type/],
    ['another size', { config: '{"model_type": "perceptron", "width": 7}' }, /gives width = 7/],
    [
      'a size that is none',
      { config: '{"model_type": "perceptron", "width": 1e99}' },
      /no usable width/,
    ],
    ['no size', { config: '{"model_type": "perceptron"}' }, /no usable width/],
    ['no weights', { shards: {} }, /has no weights/],
    ['an index of nothing', { shards: {}, index: '{}' }, /no weight_map/],
    [
      'an index that leads out',
      { shards: {}, index: '{"weight_map": {"a": "../../a.safetensors"}}' },
      /no \.safetensors file beside it/,
    ],
    [
      'an index of another format',
      { shards: {}, index: '{"weight_map": {"a": "model.onnx"}}' },
      /no \.safetensors file beside it/,
    ],
    [
      'a shard that is missing',
      { shards: {}, index: '{"weight_map": {"a": "a.safetensors"}}' },
      /a\.safetensors/,
    ],
    [
      'an entry that is elsewhere',
      {
        shards: { 'a.safetensors': names.slice(1) },
        index: JSON.stringify({ weight_map: { [names[0]!]: 'a.safetensors' } }),
      },
      /is not in "a\.safetensors"/,
    ],
    [
      'weights that are none',
      { shards: {}, more: { 'model.safetensors': 'abc' } },
      /not a safetensors/,
    ],
    [
      'a pickle that is none',
      { shards: {}, more: { 'pytorch_model.bin': 'abc' } },
      /pytorch_model\.bin/,
    ],
  ])('that has %s is refused in one sentence', (_, files, message) => {
    const error = failure(() => open(files))
    expect(error.message).toMatch(message)
    expect(error.kind).toBe('input')
  })

  test('of an unknown kind, or of quantized weights, is refused', () => {
    expect(failure(() => openHuggingFace(folderOf()))).toMatchObject({
      kind: 'refused',
      message: expect.stringMatching(/type "perceptron".*known are gpt2, llama/),
    })
    const quantized = JSON.stringify({ ...config, quantization_config: {} })
    expect(failure(() => open({ config: quantized })).message).toMatch(/quantized/)
  })

  test('in several files stays in files that are no larger', async () => {
    const index = {
      weight_map: Object.fromEntries(names.map((n, i) => [n, `m-${i % 2}.safetensors`])),
    }
    const even = names.filter((_, i) => i % 2 === 0)
    const odd = names.filter((_, i) => i % 2 === 1)
    const folder = folderOf({
      shards: { 'm-0.safetensors': even, 'm-1.safetensors': odd },
      index: JSON.stringify({ ...index, metadata: { total_size: 1, total_parameters: 2 } }),
    })
    const files = await grown(folder).save(join(root, 'shards'))
    const weights = files.filter((file) => file.endsWith('.safetensors'))
    expect(weights.length).toBeGreaterThan(2)
    expect(weights.at(-1)).toBe(`model-0000${weights.length}-of-0000${weights.length}.safetensors`)
    const written = JSON.parse(
      readFileSync(join(root, 'shards', 'model.safetensors.index.json'), 'utf8'),
    ) as { metadata: object; weight_map: object }
    expect(Object.keys(written.weight_map).sort()).toEqual([...names].sort())
    expect(written.metadata).toEqual({ total_size: 4 * (60 + 12 + 48 + 4) })
  })

  test('is not grown by a plan that adds layers, or for a width that config.json does not have', () => {
    const source = open()
    const other = planWiden(model, { up: 9 })
    expect(source.grow({ model, plan: other }).changes[0]).toMatchObject({ after: 9 })
    expect(failure(() => source.grow({ plan: other })).kind).toBe('usage')
    expect(failure(() => source.plan(model, { hidden: 'x2' })).message).toMatch(/no field for it/)
    expect(failure(() => source.plan(model, {})).kind).toBe('usage')
    expect(failure(() => source.grow({ layers: { last: 1 } })).message).toMatch(
      /where its layers are/,
    )
  })
})

describe('mappings', () => {
  test('of all known architectures are whole', () => {
    for (const name of Object.keys(architectures))
      expect(architectureOf(name, architectures, 'table')!.roles.ffn.length).toBeGreaterThan(0)
    parseMappings(architectures, 'table')
  })

  test.each<[unknown, RegExp]>([
    [[], /is not a table of architectures/],
    [{ a: 1 }, /it is not a table/],
    [{ a: { size: 1 } }, /no part "size"/],
    [{ a: { ffn: 'width' } }, /ffn must be a list of fields/],
    [{ a: { entries: { up: 1 } } }, /entries must be a table of texts/],
    [{ a: { like: 'b' } }, /like "b", which is not there/],
    [{ a: { like: 'b' }, b: { like: 'a' } }, /which is not there/],
    [{ a: { entries: { up: 'a b' } } }, /the axis "a b" of "up" is no size/],
    [{ a: { computed: { x: '1/' } } }, /computed\.x is no size/],
    [{ a: { layers: [{ count: 'n', name: 'h' }] } }, /layers must be a list of stacks/],
    [{ a: { tied: {} } }, /tied must have entries/],
  ])('%j is refused', (value, message) => {
    const error = failure(() => architectureOf('a', parseMappings(value, 'map.yaml'), 'map.yaml'))
    expect(error.message).toMatch(message)
    expect(error.kind).toBe('input')
  })
})

describe('sizes', () => {
  const sizeOf = (values: Record<string, number>) => (field: string) => values[field]
  test('are sums of products', () => {
    const size = parseSize('heads*dim + 2*kv*dim')!
    expect(evaluate(size, sizeOf({ heads: 3, dim: 4, kv: 1 }))).toBe(20)
    expect(evaluate(size, sizeOf({ heads: 3 }))).toBeUndefined()
    expect(evaluate(parseSize('a/b')!, sizeOf({ a: 7, b: 2 }))).toBeUndefined()
    for (const text of ['', 'a+', 'a b', '*', '0', '-1', 'a..b'])
      expect(parseSize(text)).toBeUndefined()
  })

  test('a gather keeps a layout only where it copies whole blocks', () => {
    const size = parseSize('2*heads*dim')!
    const before = sizeOf({ heads: 3, dim: 4 })
    const index = (map: readonly number[], dims: readonly number[]) =>
      Uint32Array.from(
        [0, 1].flatMap((part) => map.flatMap((h) => dims.map((d) => part * 12 + h * 4 + d))),
      )
    const dims = [0, 1, 2, 3]
    const heads = [0, 1, 2, 2, 0]
    const wider = sizeOf({ heads: 5, dim: 4 })
    expect(keepsLayout(size, before, wider, index(heads, dims))).toBe(true)
    const deeper = sizeOf({ heads: 3, dim: 6 })
    expect(keepsLayout(size, before, deeper, index([0, 1, 2], [...dims, 3, 3]))).toBe(true)
    // Heads of twice the depth are not twice as many heads.
    const more = sizeOf({ heads: 6, dim: 4 })
    expect(keepsLayout(size, before, more, index([0, 1, 2], [...dims, 0, 0, 0, 0]))).toBe(false)
    expect(keepsLayout(size, before, wider, index(heads, [1, 0, 2, 3]))).toBe(false)
    expect(keepsLayout(size, before, before, index([0, 1], dims))).toBe(false)
  })
})

test('values in the text of a JSON file change, and nothing else does', () => {
  const key = fc.string({ minLength: 1 }).filter((text) => !/[.]|__proto__/.test(text))
  const space = fc.constantFrom(undefined, 1, 2, '\t')
  fc.assert(
    fc.property(
      fc.dictionary(key, fc.jsonValue(), { noNullPrototype: true }),
      key,
      fc.oneof(fc.integer(), fc.boolean(), fc.array(fc.string()), fc.constant(null)),
      space,
      (value, field, next, indent) => {
        const text = JSON.stringify(value, null, indent)
        const changed = withValues(text, new Map([[field, next]]))
        expect(JSON.parse(changed)).toEqual({ ...(JSON.parse(text) as object), [field]: next })
        if (!Object.hasOwn(value, field)) return
        // What stands before and behind the value is as it was, letter by letter.
        const back = withValues(changed, new Map([[field, 0]]))
        expect(back).toBe(withValues(text, new Map([[field, 0]])))
      },
    ),
  )
  const nested = '{ "a": {"b": 10000.0, "c": 1e-05}, "a2": [] }'
  expect(withValues(nested, new Map([['a.b', 3]]))).toBe('{ "a": {"b": 3, "c": 1e-05}, "a2": [] }')
  // A name that String.replace would read as a reference.
  expect(JSON.parse(withValues('{"a": 1}', new Map([['$& ', 2]])))).toEqual({ a: 1, '$& ': 2 })
})
