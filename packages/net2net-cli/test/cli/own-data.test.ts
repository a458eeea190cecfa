/** A new user's own data, from the first look to predictions: a table with categories, pictures, texts, and a character model. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { save } from 'net2net'
import { conv2d, dense, embedding, flatten, globalAveragePool2d, sequential } from 'net2net/layers'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { net2net, temporaryFolder } from './net2net.ts'

const folder = temporaryFolder()
const at = (name: string) => join(folder, name)
const adam = ['--optimizer', 'adam', '--learning-rate', '0.02', '--batch-size', '16', '--json']

/** Runs a command that must succeed, and gives its JSON. */
async function done(...args: readonly string[]) {
  const { code, out, err } = await net2net(args)
  expect([code, code === 0 ? '' : err]).toEqual([0, ''])
  return JSON.parse(out)
}

async function refused(...args: readonly string[]): Promise<string> {
  const { code, err } = await net2net(args)
  expect(code).toBeGreaterThan(1)
  expect(err).not.toMatch(/\n {4}at /)
  return err
}

describe('a regression from a table with categories', () => {
  const cities = ['Bonn', 'Lyon', 'Rome']
  const houses = Array.from({ length: 240 }, (_, i) => {
    const size = 40 + ((i * 37) % 100)
    const city = cities[(i * 7) % 3]!
    return { size, city, price: Number((size / 100 + (city === 'Rome' ? 2 : 0) - 1).toFixed(3)) }
  })
  const rows = (part: readonly (typeof houses)[number][]) =>
    part.map(({ city, size, price }) => `${city},${size},${price}`).join('\n')

  test('from a look at the data to predictions', async () => {
    const table = at('houses.csv')
    writeFileSync(table, `city,size,price\n${rows(houses)}\n,60,1\n`)
    const look = await done('data', table, '--json')
    expect(look.parts[0].columns[0]).toMatchObject({ name: 'city', type: 'text', missing: 1 })
    await save(
      sequential([dense(16, { activation: 'relu' }), dense(1)], { input: [4] }),
      at('houses.onnx'),
    )
    const train = ['train', at('houses.onnx'), '--data', table, '--loss', 'mse', ...adam]
    // What is wrong with the data or the options is said before anything is written.
    expect(await refused(...train, '-o', at('no'))).toMatch(
      /column city: line 242 has no value there/,
    )
    const options = ['--missing', 'drop', '--standardize', '--epochs', '25']
    await save(sequential([dense(1)], { input: [2] }), at('narrow.onnx'))
    expect(
      await refused(
        'train',
        at('narrow.onnx'),
        '--data',
        table,
        '--loss',
        'mse',
        ...options,
        '--encoding',
        'one-hot',
        '-o',
        at('no'),
      ),
    ).toMatch(/has 4 features, but the model takes 2: city \(3\), size\./)
    const run = await done(...train.with(1, at('houses.onnx')), ...options, '-o', at('houses'))
    expect(run.arms[0].epochs.at(-1).valLoss).toBeLessThan(0.02)
    const model = at('houses/model.onnx')
    const measured = await done('evaluate', model, '--data', table, '--missing', 'drop', '--json')
    expect(measured.metrics.r2.value).toBeGreaterThan(0.97)
    // Other files have other columns, in another order.
    const wanted = houses.slice(0, 9)
    writeFileSync(
      at('new.jsonl'),
      wanted.map(({ size, city }) => JSON.stringify({ note: 'x', size, city })).join('\n'),
    )
    const { code, out } = await net2net(['predict', model, '--data', at('new.jsonl')])
    expect(code).toBe(0)
    const predicted = out.trim().split('\n').slice(1).map(Number)
    for (const [i, { price }] of wanted.entries())
      expect(Math.abs(predicted[i]! - price)).toBeLessThan(0.5)
    writeFileSync(at('strange.csv'), 'size,city\n50,Oslo\n60,Rome\n')
    expect(await refused('predict', model, '--data', at('strange.csv'))).toMatch(
      /strange\.csv, column city: "Oslo" in line 2 is none of the categories Bonn, Lyon, Rome\./,
    )
    expect(
      await refused(
        'train',
        model,
        '--data',
        table,
        '--loss',
        'mse',
        '--encoding',
        'ids',
        '-o',
        at('no'),
      ),
    ).toMatch(/--encoding cannot be changed/)
  }, 90_000)
})

test('pictures of three uneven classes, cut, normalized and augmented', async () => {
  const pictures = at('pictures')
  const counts = { blue: 6, green: 14, red: 40 }
  for (const [c, [name, count]] of Object.entries(counts).entries()) {
    mkdirSync(join(pictures, name), { recursive: true })
    for (let i = 0; i < count; i++) {
      const color = (k: number) => (2 - c === k ? 200 : 60) + ((i * 13 + k * 29) % 50)
      const background = { r: color(0), g: color(1), b: color(2) }
      await sharp({ create: { width: 12, height: 8, channels: 3, background } })
        .png()
        .toFile(join(pictures, name, `${i}.png`))
    }
  }
  const look = await done('data', pictures, '--json')
  expect(look.parts[0].classes).toEqual([
    { value: 'blue', count: 6 },
    { value: 'green', count: 14 },
    { value: 'red', count: 40 },
  ])
  const layers = [conv2d(8, 3, { activation: 'relu' }), globalAveragePool2d(), dense(3)]
  await save(sequential(layers, { input: [3, 8, 8] }), at('pictures.onnx'))
  const options = ['--fit', 'crop', '--normalize', 'data', '--augment', 'flip,shift=1,crop=0.8']
  const train = ['train', at('pictures.onnx'), '--data', pictures, ...adam, ...options]
  const run = await done(
    ...train,
    '--class-weights',
    'balanced',
    '--epochs',
    '12',
    '-o',
    at('colors'),
  )
  expect(run.finished).toBe(true)
  const measured = await done('evaluate', at('colors/model.onnx'), '--data', pictures, '--json')
  expect(measured.metrics.f1.value).toBeGreaterThan(0.9)
  const { out } = await net2net([
    'predict',
    at('colors/model.onnx'),
    '--data',
    join(pictures, 'green'),
  ])
  expect(out).toMatch(/^file,class,blue,green,red\n0\.png,green,/)
  expect(await refused(...train.slice(0, 4), '--augment', 'turn', '-o', at('no'))).toMatch(
    /must be of flip, shift=PIXELS and crop=SHARE/,
  )
}, 90_000)

test('texts of a table, classified', async () => {
  const [good, bad] = [
    ['good', 'great', 'fine'],
    ['bad', 'awful', 'poor'],
  ]
  const reviews = Array.from({ length: 120 }, (_, i) => {
    const words = (i % 2 === 0 ? good : bad)!
    return {
      id: i,
      review: `${words[i % 3]} ${['film', 'book', 'food'][(i >> 1) % 3]}`,
      opinion: i % 2 === 0 ? 'yes' : 'no',
    }
  })
  const file = at('reviews.jsonl')
  writeFileSync(file, reviews.map((one) => JSON.stringify(one)).join('\n'))
  const layers = [embedding(256, 8), flatten(), dense(16, { activation: 'relu' }), dense(2)]
  await save(sequential(layers, { input: [12] }), at('reviews.onnx'))
  const train = ['train', at('reviews.onnx'), '--data', file, ...adam]
  const options = [
    '--text',
    'bytes',
    '--columns',
    'review',
    '--target',
    'opinion',
    '--epochs',
    '12',
  ]
  expect(await refused(...train, '--text', 'bytes', '-o', at('no'))).toMatch(
    /several columns that may be the text: id, review/,
  )
  await done(...train, ...options, '-o', at('opinions'))
  const model = at('opinions/model.onnx')
  const measured = await done('evaluate', model, '--data', file, '--target', 'opinion', '--json')
  expect(measured.metrics.accuracy.value).toBeGreaterThan(0.95)
  writeFileSync(at('texts.csv'), 'review\ngreat food\n"awful book, really long and boring"\n')
  const { out } = await net2net(['predict', model, '--data', at('texts.csv'), '--format', 'jsonl'])
  expect(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).class),
  ).toEqual(['yes', 'no'])
}, 90_000)

test('a character model, that continues a text', async () => {
  const tale = 'the cat sat on the mat. '.repeat(40)
  writeFileSync(at('tale.txt'), tale)
  const characters = new Set(tale).size
  const layers = [
    embedding(characters, 8),
    flatten(),
    dense(32, { activation: 'tanh' }),
    dense(characters),
  ]
  await save(sequential(layers, { input: [8] }), at('tale.onnx'))
  const train = ['train', at('tale.onnx'), '--data', at('tale.txt'), ...adam]
  expect(await refused(...train, '-o', at('no'))).toMatch(/tale\.txt is text: say whether/)
  const run = await done(...train, '--text', 'characters', '--epochs', '4', '-o', at('tales'))
  expect(run.arms[0].epochs.at(-1).valAccuracy).toBeGreaterThan(0.95)
  const model = at('tales/model.onnx')
  const measured = await done(
    'evaluate',
    model,
    '--data',
    at('tale.txt'),
    '--metric',
    'perplexity',
    '--json',
  )
  expect(measured.metrics.perplexity.value).toBeLessThan(1.3)
  const args = ['predict', model, '--generate', '24', '--prompt', 'the cat ', '--temperature', '0']
  const { out } = await net2net(args)
  expect(out).toBe(`${'the cat sat on the mat. '.repeat(2).slice(0, 32)}\n`)
  expect(await done(...args, '--json')).toMatchObject({ prompt: 'the cat ' })
  expect(await refused('predict', model, '--generate', '5', '--prompt', 'THE CATS')).toMatch(
    /prompt has the character "T", which is none of the/,
  )
  writeFileSync(at('other.txt'), 'the cat sat. ')
  await done('predict', model, '--data', at('other.txt'), '-o', at('next.jsonl'), '--json')
  expect(JSON.parse(readFileSync(at('next.jsonl'), 'utf8').split('\n')[0]!).class).toBe('s')
}, 90_000)
