import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { toFloat16 } from '../tensor/half.ts'
import { float32, Tensor } from '../tensor/tensor.ts'
import { datasetOfArrays } from './arrays.ts'
import { parseCsv } from './csv.ts'
import { ArrayDataset } from './dataset.ts'
import * as anything from './load-data.node.ts'
import { encodeNpz } from './npy.ts'
import type { SampleSet } from './samples.ts'

/** Data that are small are in memory. */
async function loadData(...args: Parameters<typeof anything.loadData>) {
  const { train, test } = await anything.loadData(...args)
  return { train: inMemory(train), ...(test ? { test: inMemory(test) } : {}) }
}

function inMemory(samples: SampleSet): ArrayDataset {
  if (samples instanceof ArrayDataset) return samples
  throw new Error('These data are not in memory.')
}

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
  test.each([
    ['a,b\n1,2\n,3\n', /column a: line 3 has no value there/],
    ['a,b,kind\n1,2,x\n\n3,4,\n', /column kind: line 4 has no value there/],
    ['1,2,0\n3,4,NaN\n', /column 3: line 2 has no value there but "NaN"/],
    ['1,2,0.5\n3,4,n/a\n', /column 3: line 2 has no value there but "n\/a"/],
    ['1,2,0\n3,4,1\n5,6\n', /not a table: line 3 has 2 fields, but line 1 has 3 fields/],
    ['a,b,c\n1,2\n', /not a table: line 2 has 2 fields, but line 1 has 3 fields/],
    [
      'a,b,c\n1,2,2\n1,oops,2\n',
      /column b: "oops" in line 3 is not a number, and features must be/,
    ],
    ['1,2,0\n"3\n",x,1\n', /column 2: "x" in line 3 is not a number/],
    ['a;b;c\n1,5;2,5;0\n', /column a: "1,5" in line 2 is not a number/],
    ['a,b,c\n1,"2,0\n', /not a table: Quote Not Closed/],
    ['a,b,c\n', /no samples/],
  ])('names line and column of %j', (text, message) => {
    expect(() => parseCsv(text)).toThrow(
      expect.objectContaining({ kind: 'input', message: expect.stringMatching(message) }),
    )
  })
  test('a value that is none is named, with its line', () => {
    expect(() => parseCsv('1,2\n3,x\n', { targetKind: 'value' })).toThrow(
      /column 2: "x" in line 2 is not a number, and values must be/,
    )
  })
  test('a first column of text is a target, not a header', () => {
    const data = parseCsv('cat,1,2\ndog,3,4\n', { target: 0 })
    expect([data.length, data.classes]).toEqual([2, ['cat', 'dog']])
  })
  test.each([
    ['1.0,0.0,2.0,11.0,10.0', [1, 0, 2, 11, 10], undefined],
    ['3,1,1e1,02', [3, 1, 10, 2], undefined],
    ['-1,1,-10,2', [1, 2, 0, 3], ['-10', '-1', '1', '2']],
    ['0.5,10.5,2.5', [0, 2, 1], ['0.5', '2.5', '10.5']],
    ['b,B,a,10,9', [4, 2, 3, 0, 1], ['10', '9', 'B', 'a', 'b']],
    ['EU,NA,AS', [1, 2, 0], ['AS', 'EU', 'NA']],
  ])('the labels %s are classes in the order of their values', (labels, indices, classes) => {
    const text = labels.split(',').map((label) => `0,${label}`)
    const data = parseCsv(text.join('\n'), { targetKind: 'class' })
    expect([...data.target.data].map(Number)).toEqual(indices)
    expect(data.classes).toEqual(classes)
  })
  test('follows the numbering of a model, and refuses a class that it does not know', () => {
    const classes = ['ant', 'bee', 'cat']
    const data = parseCsv('1,cat\n2,ant\n', { classes })
    expect([[...data.target.data], data.classes]).toEqual([[2, 0], classes])
    expect(() => parseCsv('1,cat\n2,dog\n', { classes })).toThrow(
      /column 2: "dog" in line 2 is none of the classes ant, bee, cat/,
    )
    // Numbers are indices, unless they are what the classes are called.
    expect([...parseCsv('1,2\n2,0\n', { classes }).target.data]).toEqual([2, 0])
    const numbered = parseCsv('1,7.0\n2,5\n', { classes: ['5', '7'], targetKind: 'class' })
    expect([...numbered.target.data]).toEqual([1, 0])
  })
  test('reads the same numbers whatever separates and quotes them', () => {
    const cell = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }).map(Math.fround),
      fc.integer({ min: -1000, max: 1000 }),
    )
    const table = fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 6 }))
      .chain(([columns, rows]) =>
        fc.record({
          features: fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), {
            minLength: rows,
            maxLength: rows,
          }),
          labels: fc.array(fc.constantFrom('a,b', 'c;d', 'say "hi"', 'tab\there', 'e'), {
            minLength: rows,
            maxLength: rows,
          }),
          delimiter: fc.constantFrom(',', ';', '\t'),
          end: fc.constantFrom('\n', '\r\n'),
          quoted: fc.boolean(),
          header: fc.boolean(),
        }),
      )
    fc.assert(
      fc.property(table, ({ features, labels, delimiter, end, quoted, header }) => {
        const line = (cells: readonly string[]) => cells.join(delimiter)
        const number = (value: number) => (quoted ? `"${value}"` : `${value}`)
        const lines = features.map((row, i) =>
          line([...row.map(number), `"${labels[i]!.replaceAll('"', '""')}"`]),
        )
        if (header) lines.unshift(line([...features[0]!.map((_, i) => `x${i}`), 'label']))
        const data = parseCsv(`\ufeff${lines.join(end)}${end}`)
        expect([...data.inputs.input!.data]).toEqual(
          features
            .flat()
            .map(Number)
            .map((v) => v + 0),
        )
        const classes = [...new Set(labels)].sort()
        expect(data.classes).toEqual(classes)
        expect([...data.target.data].map((at) => classes[Number(at)])).toEqual(labels)
      }),
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
  test('half precision is read as the numbers that it stands for', () => {
    const half = (...values: number[]) =>
      new Tensor('float16', [values.length], Uint16Array.from(values, toFloat16))
    const { train } = datasetOfArrays(
      new Map<string, Tensor>([
        ['x', half(0.5, -2)],
        ['y', half(1, 3)],
      ]),
    )
    const [batch] = [...train.batches(2)]
    expect([...batch!.inputs.x!.data, ...batch!.target.data]).toEqual([0.5, -2, 1, 3])
  })
  test('labels beyond int32 are refused, not wrapped', () => {
    for (const label of [2 ** 32, 2 ** 31, -(2 ** 31) - 1, 2 ** 40 + 3]) {
      const { train } = datasetOfArrays(
        new Map<string, Tensor>([
          ['x', float32([2], [1, 2])],
          ['y', labels(0, label)],
        ]),
      )
      expect(() => [...train.batches(2)]).toThrow(`target holds ${label}, which is not a whole`)
    }
    const text = parseCsv('1,0\n2,4294967297\n')
    expect(() => [...text.batches(2)]).toThrow(/target holds 4294967297/)
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
    [new Map([['x', [1, 2]]]) as never, /The array x must be a Tensor/],
    [
      new Map<string, Tensor>([
        ['x', float32([0, 3], [])],
        ['y', labels()],
      ]),
      /the array x of shape \[0,3\] holds no samples/,
    ],
  ])('refuses what is no data set', (arrays, message) => {
    expect(() => datasetOfArrays(arrays)).toThrow(message)
  })
})

describe('loadData', () => {
  test('reads tables, archives and pictures', async () => {
    const at = folder()
    writeFileSync(join(at, 'a.csv'), '1,2,0\n3,4,1\n')
    expect((await loadData(join(at, 'a.csv'))).train.length).toBe(2)
    writeFileSync(join(at, 'a.TSV.gz'), gzipSync('1\t2\t0\n3\t4\t1\n'))
    expect((await loadData(join(at, 'a.TSV.gz'))).train.inputs.input!.dims).toEqual([2])
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

  describe('pictures', () => {
    async function picture(...path: string[]) {
      const file = join(...path)
      mkdirSync(dirname(file), { recursive: true })
      const create = { width: 3, height: 2, channels: 3, background: '#f00' } as const
      await sharp({ create }).png().toFile(file)
    }
    const dims = [3, 2, 2] as const
    const labelsOf = ({
      target,
    }: {
      readonly target: { readonly data: ArrayLike<number | bigint> }
    }) => Array.from(target.data, Number)

    test('train and test share one numbering, whatever classes test has', async () => {
      const at = folder()
      for (const path of ['train/ant', 'train/bee', 'train/cat', 'test/cat', 'test/bee'])
        await picture(at, path, '1.png')
      const { train, test: held } = await loadData(at, { dims })
      expect([train.classes, labelsOf(train)]).toEqual([
        ['ant', 'bee', 'cat'],
        [0, 1, 2],
      ])
      expect([held!.classes, labelsOf(held!)]).toEqual([
        ['ant', 'bee', 'cat'],
        [1, 2],
      ])
      await picture(at, 'test/dog/1.png')
      await expect(loadData(at, { dims })).rejects.toThrow(
        /test\/dog is none of the classes ant, bee, cat/,
      )
    })

    test('what is empty or hidden is no class, and links are followed', async () => {
      const at = folder()
      await picture(at, 'b/1.png')
      await picture(at, '.hidden/1.png')
      writeFileSync(join(at, 'b', '._1.png'), 'not a picture')
      writeFileSync(join(at, 'b', 'notes.txt'), 'not a picture')
      mkdirSync(join(at, 'a'))
      mkdirSync(join(at, 'c'))
      writeFileSync(join(at, 'c', 'notes.txt'), 'no picture')
      symlinkSync(join(at, 'b'), join(at, 'd'))
      const { train } = await loadData(at, { dims })
      expect([train.classes, labelsOf(train)]).toEqual([
        ['b', 'd'],
        [0, 1],
      ])
      symlinkSync(join(at, 'gone.png'), join(at, 'b', '2.png'))
      await expect(loadData(at, { dims })).rejects.toThrow(/b\/2\.png is a link to what does not/)
    })

    test('pictures of every kind have the channels that are asked for; a broken one is named', async () => {
      const at = folder()
      const raw = { width: 2, height: 2 } as const
      const sources = {
        'grey.png': sharp(Buffer.alloc(4, 9), { raw: { ...raw, channels: 1 } }).toColourspace(
          'b-w',
        ),
        'alpha.png': sharp(Buffer.alloc(16, 9), { raw: { ...raw, channels: 4 } }),
        'deep.png': sharp(Buffer.alloc(12, 9), { raw: { ...raw, channels: 3 } }).toColourspace(
          'rgb16',
        ),
        'cmyk.jpg': sharp(Buffer.alloc(12, 9), { raw: { ...raw, channels: 3 } }).toColourspace(
          'cmyk',
        ),
      }
      mkdirSync(join(at, 'all'))
      for (const [name, source] of Object.entries(sources))
        await source.toFile(join(at, 'all', name))
      for (const channels of [1, 3] as const)
        expect((await loadData(at, { dims: [channels, 2, 2] })).train.length).toBe(4)
      writeFileSync(join(at, 'all', 'empty.png'), '')
      await expect(loadData(at, { dims })).rejects.toThrow(/all\/empty\.png cannot be read as/)
    })
  })

  test('a folder in the form of MNIST has no class names of its own', async () => {
    const at = folder()
    const header = (rank: number, ...sizes: number[]) => {
      const bytes = Buffer.alloc(4 + 4 * rank)
      bytes.set([0, 0, 8, rank])
      sizes.forEach((size, i) => void bytes.writeUInt32BE(size, 4 + 4 * i))
      return bytes
    }
    for (const part of ['train', 't10k']) {
      writeFileSync(
        join(at, `${part}-images-idx3-ubyte`),
        Buffer.concat([header(3, 2, 1, 1), Buffer.from([1, 2])]),
      )
      writeFileSync(
        join(at, `${part}-labels-idx1-ubyte`),
        Buffer.concat([header(1, 2), Buffer.from([30, 46])]),
      )
    }
    const { train } = await loadData(at)
    expect([train.classes, [...train.target.data]]).toEqual([undefined, [30, 46]])
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
