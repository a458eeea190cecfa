import { mkdirSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { float32, Tensor } from '../tensor/tensor.ts'
import { describeData, encodeNpy, encodeNpz } from './index.ts'

const at = temporaryFolder()

test('columns of numbers have their range, mean and missing cells, whatever the numbers', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(fc.integer({ min: -50, max: 50 }), { nil: undefined }), {
        minLength: 1,
        maxLength: 60,
      }),
      fc.constantFrom('', 'NA', '?'),
      async (cells, missing) => {
        const lines = cells.map((cell, i) => `${i},${cell ?? missing}`)
        writeFileSync(at('table.csv.gz'), gzipSync(`id,number\n${lines.join('\n')}\n`))
        const { kind, parts } = await describeData(at('table.csv.gz'))
        const numbers = cells.filter((cell) => cell !== undefined)
        expect([kind, parts[0]!.samples]).toEqual(['table', cells.length])
        const [id, column] = parts[0]!.columns
        expect(id).toMatchObject({
          name: 'id',
          type: 'number',
          minimum: 0,
          maximum: cells.length - 1,
          missing: 0,
        })
        expect(column!.missing).toBe(cells.length - numbers.length)
        if (numbers.length === 0) {
          expect(column).not.toHaveProperty('mean')
          return
        }
        expect(column).toMatchObject({
          type: 'number',
          minimum: Math.min(...numbers),
          maximum: Math.max(...numbers),
          mean: expect.closeTo(numbers.reduce((a, b) => a + b, 0) / numbers.length, 9),
        })
        const counts = new Map<string, number>()
        for (const number of numbers)
          counts.set(String(number), (counts.get(String(number)) ?? 0) + 1)
        expect(new Map(column!.values!.map(({ value, count }) => [value, count]))).toEqual(counts)
        expect(column!.values!.map(({ count }) => count)).toEqual(
          [...counts.values()].sort((a, b) => b - a),
        )
      },
    ),
    { numRuns: 40 },
  )
})

test('words are counted, up to a thousand of them', async () => {
  const lines = Array.from(
    { length: 1500 },
    (_, i) => `${i % 3 === 0 ? 'cat' : 'dog'},word${i},${i}`,
  )
  writeFileSync(at('words.tsv'), `kind\tword\tid\n${lines.join('\n').replaceAll(',', '\t')}\n`)
  const [kind, word] = (await describeData(at('words.tsv'))).parts[0]!.columns
  expect(kind).toEqual({
    name: 'kind',
    type: 'text',
    missing: 0,
    values: [
      { value: 'dog', count: 1000 },
      { value: 'cat', count: 500 },
    ],
  })
  expect(word).toEqual({ name: 'word', type: 'text', missing: 0 })
})

test('arrays have types and shapes, in parts where there are such', async () => {
  const bytes = new Tensor('uint8', [3, 2], Uint8Array.of(0, 255, 3, 4, 5, 6))
  const y = new Tensor('int64', [3], BigInt64Array.of(1n, 1n, 0n))
  const arrays = new Map<string, Tensor>([
    ['x_train', bytes],
    ['y_train', y],
    ['x_test', float32([2, 1], [Number.NaN, 4])],
  ])
  writeFileSync(at('arrays.npz'), encodeNpz(arrays))
  const { kind, parts } = await describeData(at('arrays.npz'))
  expect([kind, parts.map(({ name, samples }) => [name, samples])]).toEqual([
    'arrays',
    [
      ['train', 3],
      ['test', 2],
    ],
  ])
  expect(parts[0]!.columns).toMatchObject([
    { name: 'x_train', type: 'uint8', shape: [3, 2], minimum: 0, maximum: 255 },
    {
      name: 'y_train',
      type: 'int64',
      shape: [3],
      values: [
        { value: '1', count: 2 },
        { value: '0', count: 1 },
      ],
    },
  ])
  expect(parts[1]!.columns[0]).toMatchObject({ missing: 1, mean: 4, shape: [2, 1] })
  writeFileSync(at('one.npy'), encodeNpy(y))
  expect((await describeData(at('one.npy'))).parts[0]).toMatchObject({ name: 'all', samples: 3 })
})

test('pictures have classes and sizes', async () => {
  for (const [name, width, channels] of [
    ['cat/a', 4, 3],
    ['cat/b', 9, 3],
    ['dog/c', 5, 4],
  ] as const) {
    mkdirSync(at('pictures', name.slice(0, 3)), { recursive: true })
    const create = { width, height: 12 - width, channels, background: '#123456' }
    await sharp({ create })
      .png()
      .toFile(at(`pictures/${name}.png`))
  }
  expect(await describeData(at('pictures'))).toEqual({
    kind: 'pictures',
    parts: [
      {
        name: 'all',
        samples: 3,
        columns: [],
        classes: [
          { value: 'cat', count: 2 },
          { value: 'dog', count: 1 },
        ],
        sizes: {
          smallest: [4, 3],
          largest: [9, 8],
          channels: [
            { value: '3', count: 2 },
            { value: '4', count: 1 },
          ],
          pictures: 3,
        },
      },
    ],
  })
})

test('what is broken is refused', async () => {
  await expect(describeData(at('nothing'))).rejects.toThrow(/does not exist/)
  writeFileSync(at('ragged.csv'), 'a,b\n1,2\n3\n')
  await expect(describeData(at('ragged.csv'))).rejects.toThrow(
    /line 3 has 1 field, but line 1 has 2 fields/,
  )
  writeFileSync(at('empty.csv'), 'a,b\n')
  await expect(describeData(at('empty.csv'))).rejects.toThrow(/holds no samples/)
  mkdirSync(at('empty'))
  await expect(describeData(at('empty'))).rejects.toThrow(/holds no pictures/)
})

test('a text is its characters, and a file of token ids its numbers', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.array(fc.nat(60_000), { minLength: 1 }),
      async (content, ids) => {
        writeFileSync(at('text.txt'), content)
        writeFileSync(at('ids.bin'), Uint8Array.from(ids.flatMap((id) => [id & 255, id >> 8])))
        const [text, tokens] = await Promise.all([
          describeData(at('text.txt')),
          describeData(at('ids.bin'), { tokens: 'uint16' }),
        ])
        const characters = [...content]
        expect([text.kind, text.parts[0]!.samples]).toEqual(['text', characters.length])
        const [column] = text.parts[0]!.columns
        expect(column).toMatchObject({ name: 'characters', type: 'text', missing: 0 })
        expect(column!.values!.reduce((sum, { count }) => sum + count, 0)).toBe(characters.length)
        expect(new Set(column!.values!.map(({ value }) => value))).toEqual(new Set(characters))
        expect([tokens.kind, tokens.parts[0]!.samples]).toEqual(['text', ids.length])
        expect(tokens.parts[0]!.columns[0]).toMatchObject({
          name: 'tokens',
          type: 'uint16',
          minimum: Math.min(...ids),
          maximum: Math.max(...ids),
          values: expect.any(Array),
        })
      },
    ),
    { numRuns: 30 },
  )
})
