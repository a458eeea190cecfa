/** Texts as ids: windows and what comes next, texts to classify, and texts that are continued. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GraphBuilder, modelOf } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { type Preparation, withPreparation } from '../../model/preparation.ts'
import { nodeRuntime } from '../../runtime/index.ts'
import { float32, Tensor } from '../../tensor/tensor.ts'
import { generate } from '../../training/run/generate.ts'
import { loadData } from '../load-data.node.ts'
import { encodeNpy } from '../npy.ts'
import { openInputs } from '../open-inputs.node.ts'
import type { SampleSet } from '../samples.ts'
import { split } from '../split.ts'

const folder = mkdtempSync(join(tmpdir(), 'text-'))
const file = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

/** ids [batch, length] → scores: a row of the table for each id, [batch, length, classes], or the mean of them. */
function network(
  length: number | string,
  table: readonly (readonly number[])[],
  each = true,
): Model {
  const builder = new GraphBuilder()
  builder.input('ids', 'int64', ['batch', length])
  const classes = table[0]!.length
  const rows = builder.initializer('table', float32([table.length, classes], table.flat()))
  const scores = builder.node('Gather', [rows, 'ids'], {}, { name: 'embed', outputs: ['scores'] })
  if (each) builder.output(scores, 'float32', ['batch', length, classes])
  else {
    const mean = builder.node(
      'ReduceMean',
      [scores],
      { axes: [1], keepdims: 0 },
      { outputs: ['mean'] },
    )
    builder.output(mean, 'float32', ['batch', classes])
  }
  return modelOf(builder.graph('text'), 17)
}

const square = (n: number) => Array.from({ length: n }, () => Array.from({ length: n }, () => 0))

async function pairs(samples: SampleSet, order?: readonly number[]) {
  const rows: [number[], number[]][] = []
  for await (const { inputs, target } of samples.batches(1, order))
    rows.push([Array.from(Object.values(inputs)[0]!.data, Number), Array.from(target.data, Number)])
  return rows
}

describe('windows', () => {
  test('every unit but the first is the target of the one before, in any order of samples', async () => {
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', 'ü', '\n', '😀'),
      minLength: 6,
      maxLength: 60,
    })
    await fc.assert(
      fc.asyncProperty(text, fc.integer({ min: 1, max: 4 }), async (content, length) => {
        const path = file('tale.txt', content)
        const characters = [...content]
        const vocabulary = [...new Set(characters)].sort(
          (a, b) => a.codePointAt(0)! - b.codePointAt(0)!,
        )
        const { train } = await loadData(path, {
          model: network(length, square(vocabulary.length)),
          text: 'characters',
        })
        expect(train.preparation).toEqual({ kind: 'text', units: 'characters', vocabulary })
        expect(train.length).toBe(Math.floor((characters.length - 1) / length))
        const order = Array.from({ length: train.length }, (_, i) => train.length - 1 - i)
        const read = await pairs(train, order)
        for (const [i, [input, target]] of read.entries()) {
          const at = order[i]! * length
          const part = characters.slice(at, at + length + 1).map((one) => vocabulary.indexOf(one))
          expect([input, target]).toEqual([part.slice(0, -1), part.slice(1)])
        }
      }),
      { numRuns: 40 },
    )
  })
  test('a model of one prediction a sample gets what comes after the window, from every place on', async () => {
    const path = file('short.txt', 'abcd')
    const { train } = await loadData(path, { model: network(2, square(256), false), text: 'bytes' })
    expect(await pairs(train)).toEqual([
      [[97, 98], [99]],
      [[98, 99], [100]],
    ])
  })
  test('what is split off is the end, and shares no unit with the rest', async () => {
    const path = file(
      'long.txt',
      Uint8Array.from({ length: 100 }, (_, i) => i),
    )
    const { train } = await loadData(path, { model: network(5, square(256), false), text: 'bytes' })
    const parts = split(train, 0.2)
    const inputsOf = async (samples: SampleSet) =>
      (await pairs(samples)).flatMap(([input]) => input)
    const [a, b] = [await inputsOf(parts.train), await inputsOf(parts.test)]
    expect(Math.max(...a)).toBeLessThan(Math.min(...b))
    expect(parts.test.length).toBe(Math.round(0.2 * train.length))
  })
  test('token ids come from numbers of two or four bytes, and from arrays', async () => {
    const ids = [5, 300, 7, 8, 9]
    const wanted = [
      [
        [5, 300],
        [300, 7],
      ],
      [
        [7, 8],
        [8, 9],
      ],
    ]
    const model = network(2, square(400))
    const of = async (path: string, tokens?: 'uint32') =>
      pairs((await loadData(path, { model, tokens })).train)
    const [short, wide] = [Uint16Array.from(ids), Uint32Array.from(ids)]
    expect(await of(file('a.bin', new Uint8Array(short.buffer)))).toEqual(wanted)
    expect(await of(file('b.bin', new Uint8Array(wide.buffer)), 'uint32')).toEqual(wanted)
    expect(await of(file('c.npy', encodeNpy(new Tensor('uint16', [5], short))))).toEqual(wanted)
    const rows = new Tensor('int32', [2, 3], Int32Array.of(5, 300, 7, 7, 8, 9))
    expect(await of(file('d.npy', encodeNpy(rows)))).toEqual(wanted)
  })
  test('the parts of a folder have one numbering', async () => {
    const parts = join(folder, 'parts')
    mkdirSync(parts)
    writeFileSync(join(parts, 'train.txt'), 'cab')
    writeFileSync(join(parts, 'val.txt'), 'bab')
    const { train, test } = await loadData(parts, {
      model: network(2, square(3)),
      text: 'characters',
    })
    expect([await pairs(train), test && (await pairs(test))]).toEqual([
      [
        [
          [2, 0],
          [0, 1],
        ],
      ],
      [
        [
          [1, 0],
          [0, 1],
        ],
      ],
    ])
  })
  test.each([
    ['a.txt', 'ab', {}, /say whether it is read in bytes or in characters/],
    [
      'a.txt',
      'ab',
      { text: 'bytes' as const },
      /has 2 bytes, but one sample takes 2 and the one that/,
    ],
    [
      'a.txt',
      'abcdefgh',
      { text: 'characters' as const },
      /has 8 different characters, but the model tells 3 apart/,
    ],
    ['a.bin', 'abc', {}, /has 3 bytes, which are no whole numbers of uint16/],
    ['a.npy', encodeNpy(float32([2], [1, 2])), {}, /should hold token ids/],
  ])('%s is refused: %#', async (name, content, options, message) => {
    const model = network(2, square(3))
    await expect(loadData(file(name, content), { model, ...options })).rejects.toThrow(message)
  })
  test('the length is asked for where a model takes any, and only there', async () => {
    const path = file('any.txt', 'abcdef')
    const any = network('time', square(256))
    await expect(loadData(path, { model: any, text: 'bytes' })).rejects.toThrow(/fixed length/)
    const { train } = await loadData(path, { model: any, text: 'bytes', length: 2 })
    expect(train.length).toBe(2)
  })
})

describe('texts to classify', () => {
  const table = 'id,review,kind\n1,so good,yes\n2,bad,no\n3,"good, good",yes\n'
  const options = { model: network(4, square(300), false), target: 'kind', columns: ['review'] }
  test('are cut or filled up to the length of the sequences', async () => {
    const path = file('reviews.csv', table)
    const { train } = await loadData(path, { ...options, text: 'bytes' })
    expect((await pairs(train)).map(([input]) => String.fromCharCode(...input))).toEqual([
      'so g',
      'bad\0',
      'good',
    ])
    expect([train.classes, train.columns]).toEqual([['no', 'yes'], ['review']])
  })
  test('characters that a model does not know are all the same one to it', async () => {
    const path = file('reviews.csv', table)
    const { train } = await loadData(path, { ...options, text: 'characters' })
    const preparation = train.preparation!
    expect(preparation).toMatchObject({
      column: 'review',
      vocabulary: ['', '\ufffd', ' ', ',', 'a', 'b', 'd', 'g', 'o', 's'],
    })
    const model = withPreparation(options.model, preparation)
    const other = file('other.jsonl', '{"review":"go ünd so"}\n{"review":"a"}')
    const ids: number[] = []
    for await (const { inputs } of (await openInputs(other, model)).batches(5))
      ids.push(...Array.from(inputs.input!.data, Number))
    expect(ids).toEqual([7, 8, 2, 1, 4, 0, 0, 0])
  })
  test('one column of several must be named', async () => {
    const path = file('reviews.csv', table)
    const some = { model: options.model, target: 'kind', text: 'bytes' as const }
    await expect(loadData(path, some)).rejects.toThrow(
      /several columns that may be the text: id, review/,
    )
  })
})

describe('prediction', () => {
  const vocabulary = ['a', 'b', 'c']
  const preparation: Preparation = { kind: 'text', units: 'characters', vocabulary }
  // After a comes b, after b comes c, after c comes a, almost for certain.
  const cycle = [
    [0, 50, 0],
    [0, 0, 50],
    [50, 0, 0],
  ]
  const model = withPreparation(network(3, cycle), preparation)
  const textOf = async (prompt: string, units: number, of = model) => {
    let text = ''
    for await (const part of generate(of, prompt, { runtime: nodeRuntime, units })) text += part
    return text
  }

  test('a text is continued, from prompts shorter and longer than what the model takes at once', async () => {
    expect(await textOf('a', 5)).toBe('bcabc')
    expect(await textOf('abcab', 4)).toBe('cabc')
    expect(await textOf('b', 3, withPreparation(network('time', cycle), preparation))).toBe('cab')
  })
  test('what is drawn depends on the seed alone, and comes as often as it is probable', async () => {
    const even = withPreparation(network(1, [[Math.log(3), 0]].concat([[Math.log(3), 0]])), {
      ...preparation,
      vocabulary: ['x', 'y'],
    })
    const drawn = async (seed: number, temperature: number) => {
      let text = ''
      const asked = { runtime: nodeRuntime, units: 400, seed, temperature }
      for await (const part of generate(even, 'x', asked)) text += part
      return text
    }
    const [first, again, other] = [await drawn(1, 1), await drawn(1, 1), await drawn(2, 1)]
    expect(first).toBe(again)
    expect(first).not.toBe(other)
    const count = (text: string) => text.split('x').length - 1
    // Binomial, p = 3 / 4: 300 ± 5 standard deviations of 8.7.
    expect(Math.abs(count(first) - 300)).toBeLessThan(44)
    expect(await drawn(1, 0)).toBe('x'.repeat(400))
  })
  test('bytes of one character make one character', async () => {
    // [0xc3, 0xbc] is ü.
    const table = square(256)
    table[0xc3]![0xbc] = 50
    table[0xbc]![0xc3] = 50
    table[0x61]![0xc3] = 50
    const bytes = withPreparation(network(2, table), { kind: 'text', units: 'bytes' })
    expect(await textOf('a', 4, bytes)).toBe('üü')
  })
  test.each([
    ['', model, /prompt is empty/],
    ['ax', model, /prompt has the character "x", which is none of the 3/],
    ['a', network(3, cycle), /was not trained to predict how a text goes on/],
    ['a', withPreparation(network(3, cycle, false), preparation), /reads 3 characters at once/],
  ])('%j is refused', async (prompt, of, message) => {
    await expect(textOf(prompt, 2, of)).rejects.toThrow(message)
  })
  test('a text is read in pieces, of which the last one ends with it', async () => {
    const path = file('input.txt', 'abcabcab')
    const pieces: number[] = []
    const stream = await openInputs(path, model)
    expect(stream.length).toBe(3)
    for await (const { inputs } of stream.batches(2))
      pieces.push(...Array.from(inputs.input!.data, Number))
    expect(pieces).toEqual([0, 1, 2, 0, 1, 2, 2, 0, 1])
    await expect(openInputs(file('one.txt', 'a'), model)).rejects.toThrow(/reads 3 at once/)
  })
})
