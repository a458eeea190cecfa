/** Tables with categories and missing values: the same numbers in training and in prediction. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { describe, expect, test } from 'vitest'
import { dense, sequential } from '../../layers/index.ts'
import type { Model } from '../../model/model.ts'
import { withColumns } from '../../model/output-meaning.ts'
import { preparationOf, withPreparation } from '../../model/preparation.ts'
import { parseCsv } from '../csv.ts'
import { ArrayDataset } from '../dataset.ts'
import * as anything from '../load-data.node.ts'
import { openInputs } from '../open-inputs.node.ts'

const folder = mkdtempSync(join(tmpdir(), 'table-'))
const file = (name: string, content: string | Uint8Array) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}
/** A table, whose samples are in memory. */
async function loadData(...args: Parameters<typeof anything.loadData>) {
  const { train } = await anything.loadData(...args)
  if (train instanceof ArrayDataset) return { train }
  throw new Error('These data are not in memory.')
}
const modelOf = (features: number): Model => sequential([dense(1)], { input: [features] })

/** What a training stores in the model. */
function trainedOn(model: Model, { columns, preparation }: ArrayDataset): Model {
  const named = columns ? withColumns(model, columns) : model
  return preparation ? withPreparation(named, preparation) : named
}

async function numbersOf(spec: string, model: Model): Promise<number[]> {
  const numbers: number[] = []
  for await (const { inputs } of (await openInputs(spec, model)).batches(2))
    numbers.push(...Array.from(Object.values(inputs)[0]!.data, Number))
  return numbers
}

const cities = 'size,city,floors,price\n10,Rome,2,1.5\n20,Bonn,3,2.5\n30,Rome,4,3.5\n'

describe('categories', () => {
  test('are one number for each value, of which one is 1, in the order of the alphabet', () => {
    const data = parseCsv(cities)
    expect(data.columns).toEqual(['size', 'city', 'floors'])
    expect(data.inputs.input!.dims).toEqual([4])
    expect([...data.inputs.input!.data]).toEqual([10, 0, 1, 2, 20, 1, 0, 3, 30, 0, 1, 4])
    expect(data.preparation).toEqual({
      kind: 'table',
      encoding: 'one-hot',
      features: [
        { name: 'size' },
        { name: 'city', categories: ['Bonn', 'Rome'] },
        { name: 'floors' },
      ],
    })
  })
  test('are indices where they are asked for, or where the model has room for no more', async () => {
    const ids = [10, 1, 2, 20, 0, 3, 30, 1, 4]
    expect([...parseCsv(cities, { encoding: 'ids' }).inputs.input!.data]).toEqual(ids)
    const { train } = await loadData(file('cities.csv', cities), { model: modelOf(3) })
    expect(train.preparation).toMatchObject({ encoding: 'ids' })
    await expect(loadData(file('cities.csv', cities), { model: modelOf(5) })).rejects.toThrow(
      /cities\.csv has 4 features, but the model takes 5: size, city \(2\), floors\./,
    )
  })
  test('a column of text and numbers is refused, and so are texts that do not recur', () => {
    expect(() => parseCsv('a,y\n1,0.5\nx,0.5\n')).toThrow(/column a: "x" in line 3 is not a number/)
    const names = Array.from({ length: 30 }, (_, i) => `name ${i},0.5`).join('\n')
    expect(() => parseCsv(`who,y\n${names}`, { target: 'y' })).toThrow(
      /column who holds text of 30 different values, such as "name 0": too many for categories/,
    )
    const data = parseCsv(`who,y\n${names}`, { target: 'y', categories: ['who'] })
    expect(data.inputs.input!.dims).toEqual([30])
    expect(() => parseCsv(cities, { categories: ['price'] })).toThrow(/price is no feature/)
  })
  test('numbers are categories where somebody says so, in the order of their size', () => {
    const data = parseCsv('zip,y\n10,0.5\n9,1.5\n10,2.5\n', { categories: ['zip'] })
    expect(data.preparation).toMatchObject({ features: [{ categories: ['9', '10'] }] })
  })
  test('a line of names is seen where all columns are text', () => {
    const data = parseCsv('color,shape,kind\nred,round,apple\nred,long,pear\nblue,long,pear\n')
    expect([data.length, data.columns]).toEqual([3, ['color', 'shape']])
    expect(parseCsv('red,apple\nred,pear\nblue,pear\n').length).toBe(3)
  })
  test('several inputs are columns of their names, and one takes all others', async () => {
    const inputs = [
      { name: 'city', dtype: 'int64' as const, dims: [1] },
      { name: 'rest', dtype: 'float32' as const, dims: [2] },
    ]
    const data = parseCsv(cities, { inputs })
    expect(data.inputs.city).toMatchObject({ dtype: 'int64', dims: [1] })
    expect([...data.inputs.city!.data]).toEqual([1, 0, 1])
    expect([...data.inputs.rest!.data]).toEqual([10, 2, 20, 3, 30, 4])
    const [batch] = data.batches(3)
    expect(batch!.inputs.city!.data).toEqual(BigInt64Array.of(1n, 0n, 1n))
    const strange = [{ ...inputs[0]!, name: 'town' }, inputs[1]!]
    expect(() => parseCsv(cities, { inputs: strange })).toThrow(
      /has no column for the model's inputs "town", "rest"/,
    )
  })
})

describe('missing values', () => {
  const holes = 'size,city,y\n1,a,0.5\n,b,1.5\n3,,2.5\n5,b,3.5\n'
  test('are refused with their line and column', () => {
    expect(() => parseCsv(holes)).toThrow(/column size: line 3 has no value there/)
    expect(() => parseCsv('city,y\na,0.5\n,1.5\n', { target: 'y' })).toThrow(
      /column city: line 3 has no value there/,
    )
  })
  test('are filled with the mean, or the most frequent category', () => {
    const data = parseCsv(holes, { missing: 'fill' })
    expect([...data.inputs.input!.data]).toEqual([1, 1, 0, 3, 0, 1, 3, 0, 1, 5, 0, 1])
  })
  test('or their samples are left out, also for a missing target', () => {
    const data = parseCsv(`${holes}7,a,\n`, { missing: 'drop' })
    expect([data.length, [...data.target.data]]).toEqual([2, [0.5, 3.5]])
  })
})

test('standardized numbers have mean 0 and deviation 1', () => {
  const data = parseCsv('a,b,y\n1,7,0.5\n3,7,1.5\n', { standardize: true })
  expect([...data.inputs.input!.data]).toEqual([-1, 0, 1, 0])
})

describe('prediction', () => {
  const cell = fc.constantFrom('Rome', 'Bonn', 'São Paulo', 'a,b')
  const rows = fc.array(fc.tuple(fc.integer({ min: -99, max: 99 }), cell), {
    minLength: 3,
    maxLength: 9,
  })
  test('makes the same numbers as training, in any order of columns and any kind of file', async () => {
    await fc.assert(
      fc.asyncProperty(
        rows,
        fc.record({
          standardize: fc.boolean(),
          missing: fc.constantFrom('fill' as const, 'refuse' as const),
        }),
        async (table, options) => {
          const quoted = (text: string) => `"${text}"`
          const training = file(
            'training.csv',
            `size,city,y\n${table.map(([size, city]) => `${size},${quoted(city)},0.5`).join('\n')}`,
          )
          const { train } = await loadData(training, options)
          const model = trainedOn(modelOf(train.inputs.input!.dims[0]!), train)
          expect(preparationOf(model)).toEqual(train.preparation)
          const wanted = [...train.inputs.input!.data]
          const others = [
            file(
              'other.csv.gz',
              gzipSync(
                `x;city;size\n${table.map(([size, city]) => `1;${quoted(city)};${size}`).join('\n')}`,
              ),
            ),
            file(
              'other.jsonl',
              table.map(([size, city]) => JSON.stringify({ city, size, more: null })).join('\n'),
            ),
          ]
          for (const other of others) expect(await numbersOf(other, model)).toEqual(wanted)
          // A model that was trained goes on with what it knows.
          const again = await loadData(training, { model })
          expect(again.train.preparation).toEqual(train.preparation)
        },
      ),
      { numRuns: 25 },
    )
  })
  test('names the line of a category that the model does not know, and what a table lacks', async () => {
    const data = parseCsv(cities)
    const model = trainedOn(modelOf(4), data)
    await expect(
      numbersOf(file('a.csv', 'size,city,floors\n1,Rome,2\n1,Oslo,2\n'), model),
    ).rejects.toThrow(
      /a\.csv, column city: "Oslo" in line 3 is none of the categories Bonn, Rome\./,
    )
    await expect(numbersOf(file('b.csv', 'size,floors\n1,2\n3,4\n'), model)).rejects.toThrow(
      /has no column city, which the model was trained on/,
    )
  })
  test('reads tables without names in the order of the columns', async () => {
    const data = parseCsv('1,a,0.5\n2,b,1.5\n')
    const model = trainedOn(modelOf(3), data)
    expect(await numbersOf(file('c.csv', '3,b\n4,a\n'), model)).toEqual([3, 0, 1, 4, 1, 0])
    expect(await numbersOf(file('c.csv', '3,b,0.5\n'), model)).toEqual([3, 0, 1])
    await expect(numbersOf(file('c.csv', '3\n'), model)).rejects.toThrow(/has 1 column, but/)
  })
})

test.each([
  ['{"a":1,"c":1}\n{"a":1,"b":2}\n', /line 2 has "b", which the first line does not have/],
  ['{"a":[1],"b":2}\n', /column a: line 1 has no single value there/],
  ['{"a":1,"b":2}\n[1]\n', /line 2 is not an object/],
  ['{"a":1,"b":2}\n{"a":1\n', /line 2 is no JSON/],
  ['', /no samples/],
])('JSON lines are refused: %j', async (text, message) => {
  await expect(loadData(file('lines.jsonl', text))).rejects.toThrow(message)
})

test.each([
  '{',
  '[]',
  '{"kind":"table"}',
  '{"kind":"table","encoding":"one-hot","features":[{"categories":[1]}]}',
  '{"kind":"pictures","fit":"bend"}',
  '{"kind":"pictures","fit":"crop","mean":[0],"deviation":[0]}',
  '{"kind":"text","units":"characters"}',
])('a preparation of another form counts as none: %s', (text) => {
  const model = modelOf(1)
  expect(preparationOf({ ...model, metadata: new Map([['net2net.preparation', text]]) })).toBe(
    undefined,
  )
})

describe('Parquet', () => {
  test('columns of every kind of value are read, in row groups', async () => {
    const columns = [
      { name: 'size', data: [1.5, 2.5, 3.5], type: 'DOUBLE' as const },
      { name: 'count', data: [1n, 2n, 3n], type: 'INT64' as const },
      { name: 'city', data: ['Rome', 'Bonn', 'Rome'], type: 'STRING' as const },
      { name: 'new', data: [true, false, true], type: 'BOOLEAN' as const },
      { name: 'price', data: [0.5, 1.5, 2.5], type: 'DOUBLE' as const },
    ]
    const bytes = new Uint8Array(parquetWriteBuffer({ columnData: columns, rowGroupSize: 2 }))
    const path = file('houses.parquet', bytes)
    const { train } = await loadData(path)
    const rows = [1.5, 1, 0, 1, 0, 1, 2.5, 2, 1, 0, 1, 0, 3.5, 3, 0, 1, 0, 1]
    expect([...train.inputs.input!.data]).toEqual(rows)
    expect([...train.target.data]).toEqual([0.5, 1.5, 2.5])
    expect(await numbersOf(path, trainedOn(modelOf(6), train))).toEqual(rows)
  })
  test('what is no Parquet file is refused', async () => {
    const message = /x\.parquet cannot be read as a Parquet file/
    await expect(loadData(file('x.parquet', 'PAR1 and so on, but nothing else'))).rejects.toThrow(
      message,
    )
  })
})
