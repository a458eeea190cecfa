import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { float32, Tensor } from '../tensor/tensor.ts'
import { datasetOfArrays } from './arrays.ts'
import { parseCsv } from './csv.ts'
import { loadData } from './load-data.node.ts'
import { encodeNpz } from './npy.ts'

const folder = () => mkdtempSync(join(tmpdir(), 'data-'))
const labels = (...values: number[]) =>
  new Tensor('int64', [values.length], BigInt64Array.from(values, BigInt))

describe('CSV', () => {
  test('takes the last column as the target; integers are classes', () => {
    const data = parseCsv('a,b,label\n1,2.5,0\n-3,4e2,1\n')
    expect([...data.inputs.input!.data]).toEqual([1, 2.5, -3, 400])
    expect(data.target).toMatchObject({ dtype: 'int32', dims: [] })
    expect([...data.target.data]).toEqual([0, 1])
  })
  test('takes a named column; text is classes in alphabetical order', () => {
    const data = parseCsv('kind,"x, y",z\nred,1,2\nblue,3,4\nred,5,6', { target: 'kind' })
    expect(data.classes).toEqual(['blue', 'red'])
    expect([...data.target.data]).toEqual([1, 0, 1])
    expect([...data.inputs.input!.data]).toEqual([1, 2, 3, 4, 5, 6])
  })
  test('takes the header of a table whose other columns are called by numbers', () => {
    const data = parseCsv('0,1,label\n5,6,1\n7,8,0\n', { target: 'label' })
    expect([...data.target.data]).toEqual([1, 0])
    expect(data.length).toBe(2)
  })
  test('takes a first line like the others as a sample', () => {
    expect(parseCsv('5,6,cat\n7,8,dog\n').length).toBe(2)
    expect(parseCsv('5,6,cat\n').length).toBe(1)
  })
  test('takes fractions, or whatever is asked to be one, as a value', () => {
    expect(parseCsv('1,0.5\n2,1').target).toMatchObject({ dtype: 'float32', dims: [1] })
    expect(parseCsv('1,0\n2,1', { targetKind: 'value' }).target.dtype).toBe('float32')
  })
  test.each([
    ['1,2\nx,4\n', /"x" in line 2 is not a number/],
    ['a,b\n\n1,2\n\nx,4\n', /"x" in line 5 is not a number/],
    ['1,2\n3\n', /not a table/],
    ['', /no samples/],
  ])('refuses %j', (text, message) => {
    expect(() => parseCsv(text)).toThrow(
      expect.objectContaining({ kind: 'input', message: expect.stringMatching(message) }),
    )
  })
  test('refuses a target that is not there', () => {
    expect(() => parseCsv('a,b\n1,2\n', { target: 'c' })).toThrow(/no column c; it has a, b/)
  })
})

describe('arrays', () => {
  test('by the names of Keras', () => {
    const x = new Tensor('uint8', [2, 3], Uint8Array.from([0, 51, 255, 1, 2, 3]))
    const { train, test: held } = datasetOfArrays(
      new Map<string, Tensor>([
        ['x_train', x],
        ['y_train', labels(3, 4)],
        ['x_test', x],
        ['y_test', labels(5, 6)],
      ]),
    )
    const [batch] = [...train.batches(2)]
    expect(batch!.inputs.x!.data[1]).toBe(Math.fround(0.2))
    expect(batch!.target).toEqual(new Tensor('int32', [2], Int32Array.from([3, 4])))
    expect([...held!.target.data].map(Number)).toEqual([5, 6])
  })
  test('several inputs, and values as targets', () => {
    const { train } = datasetOfArrays(
      new Map<string, Tensor>([
        ['left', float32([2, 1], [1, 2])],
        ['right', float32([2], [3, 4])],
        ['target', float32([2], [5, 6])],
      ]),
    )
    expect(Object.keys(train.inputs)).toEqual(['left', 'right'])
    expect(train.target).toMatchObject({ dtype: 'float32', dims: [1] })
  })
  test.each([
    [new Map([['x', float32([1], [1]) as Tensor]]), /needs inputs and a target.*it has x/],
    [
      new Map<string, Tensor>([
        ['x', float32([1], [1])],
        ['y', labels(1, 2)],
      ]),
      /x and y have 1 and 2 samples/,
    ],
    [new Map<string, Tensor>(), /no arrays/],
  ])('refuses what is no data set', (arrays, message) => {
    expect(() => datasetOfArrays(arrays)).toThrow(message)
  })
})

describe('loadData', () => {
  test('reads tables, archives and pictures', async () => {
    const at = folder()
    writeFileSync(join(at, 'a.csv'), '1,2,0\n3,4,1\n')
    expect((await loadData(join(at, 'a.csv'))).train.length).toBe(2)
    const arrays = new Map<string, Tensor>([
      ['x', float32([2, 1], [1, 2])],
      ['y', labels(0, 1)],
    ])
    writeFileSync(join(at, 'a.npz'), encodeNpz(arrays))
    expect((await loadData(join(at, 'a.npz'))).train.length).toBe(2)

    const pictures = join(at, 'pictures')
    for (const [name, colour] of [
      ['red', { r: 255, g: 0, b: 0 }],
      ['blue', { r: 0, g: 0, b: 255 }],
    ] as const) {
      mkdirSync(join(pictures, name), { recursive: true })
      await sharp({ create: { width: 8, height: 6, channels: 3, background: colour } })
        .png()
        .toFile(join(pictures, name, '1.png'))
    }
    const { train } = await loadData(pictures, { dims: [3, 2, 4] })
    expect(train.classes).toEqual(['blue', 'red'])
    const [batch] = [...train.batches(2)]
    expect(batch!.inputs.input!.dims).toEqual([2, 3, 2, 4])
    const plane = (value: number) => Array.from({ length: 8 }, () => value)
    expect([...batch!.inputs.input!.data]).toEqual(
      [0, 0, 1, 1, 0, 0].flatMap((value) => plane(value)),
    )
    const grey = await loadData(pictures, { dims: [1, 2, 4] })
    expect(grey.train.inputs.input!.data).toHaveLength(16)
    await expect(loadData(pictures)).rejects.toThrow(/input is not an image/)
    writeFileSync(join(pictures, 'red', '2.png'), 'not a picture')
    await expect(loadData(pictures, { dims: [3, 2, 4] })).rejects.toThrow(
      /2\.png cannot be read as a picture/,
    )
  })

  test.each([
    ['/nowhere/x.csv', /does not exist/],
    ['package.json', /no known kind/],
  ])('refuses %s', async (spec, message) => {
    await expect(loadData(spec)).rejects.toThrow(
      expect.objectContaining({ kind: 'input', message: expect.stringMatching(message) }),
    )
  })
})
