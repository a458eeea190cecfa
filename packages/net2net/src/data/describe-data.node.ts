/** A look at data before anything is done with them: what there is, of which types and ranges, and what is missing. */
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { inputError } from '../errors.ts'
import type { NumericDType, Tensor } from '../tensor/tensor.ts'
import { toNumbers } from '../tensor/tensor.ts'
import type { ArrayDataset } from './dataset.ts'
import { picturesIn } from './image-folder.node.ts'
import { mnistSource } from './known-datasets.ts'
import type { LoadOptions } from './load-data.node.ts'
import {
  type DigitsOptions,
  isDigitsFolder,
  loadDigits,
  loadFashionMnist,
  loadMnist,
} from './load-mnist.node.ts'
import { storedArrays } from './npz-stream.node.ts'
import { pictureSize } from './picture.node.ts'
import { rangedNumbers } from './stored/stored-arrays.node.ts'
import { isMissing, isNumber } from './table/cells.ts'
import { isHeader, Layout } from './table/layout.ts'
import { isTable, openTable } from './table/open-table.node.ts'
import { isText, textOf } from './text/load-text.node.ts'

/** How often a value occurs. */
export interface ValueCount {
  readonly value: string
  readonly count: number
}

/** One column of a table, or one array. */
export interface ColumnDescription {
  /** Its name; for tables without names its position, from 0. Of a text: `characters`; of token ids: `tokens`. */
  readonly name: string
  /** Of a table: whether all values that there are are numbers. Of an array: the type of its elements. */
  readonly type: NumericDType | 'number' | 'text'
  /** Of an array, samples first. */
  readonly shape?: readonly number[]
  /** Of numbers; missing where there are none. */
  readonly minimum?: number
  readonly maximum?: number
  readonly mean?: number
  /** Cells that are empty or say so (`NA`, `?` …), or elements that are NaN or infinite. */
  readonly missing: number
  /** The different values with how often they occur, the most frequent first, where there are at most 1,000. */
  readonly values?: readonly ValueCount[]
}

/** One part of the data: `train`, `test`, or all of them. */
export interface PartDescription {
  readonly name: string
  readonly samples: number
  readonly columns: readonly ColumnDescription[]
  /** Of pictures: their classes (subfolders), in the order of their numbers. */
  readonly classes?: readonly ValueCount[]
  /** Of pictures: the smallest and the largest [width, height], and how many there are of each number of channels. */
  readonly sizes?: {
    readonly smallest: readonly [number, number]
    readonly largest: readonly [number, number]
    readonly channels: readonly ValueCount[]
    /** Pictures that were looked at: all, or a thousand spread over them. */
    readonly pictures: number
  }
}

export interface DataDescription {
  readonly kind: 'table' | 'arrays' | 'pictures' | 'text'
  readonly parts: readonly PartDescription[]
}

/**
 * Looks at data: a table, an .npz or .npy file, a text (its characters are the samples), a .bin file of token ids, a folder of
 * pictures or IDX files, `mnist` or `fashion-mnist`. Tables, arrays and texts are gone through once, in memory that does
 * not depend on their length.
 *
 * @throws input where there is no such thing, or it is broken
 */
export async function describeData(
  spec: string,
  options: Pick<LoadOptions, 'cacheFolder' | 'signal' | 'onDownload' | 'tokens'> = {},
): Promise<DataDescription> {
  if (spec === 'mnist' || spec === 'fashion-mnist') {
    const { train, test } = await (spec === 'mnist' ? loadMnist : loadFashionMnist)(options)
    return { kind: 'arrays', parts: [samplesPart('train', train), samplesPart('test', test)] }
  }
  if (!existsSync(spec)) throw inputError(`${spec} does not exist.`, { where: spec })
  if (statSync(spec).isDirectory()) {
    if (!isDigitsFolder(spec)) return picturesOf(spec, options.signal)
    return { kind: 'arrays', parts: await digitsParts(spec, options) }
  }
  if (isTable(spec)) return { kind: 'table', parts: [await tablePart(spec, options.signal)] }
  if (/\.np[yz]$/i.test(spec))
    return { kind: 'arrays', parts: await arrayParts(spec, options.signal) }
  if (isText(spec)) return { kind: 'text', parts: [await textPart(spec, options)] }
  throw inputError(
    `${spec} is of no known kind: data files are .csv, .tsv, .jsonl, .parquet, .npz, .npy, .txt or .bin.`,
    { where: spec },
  )
}

/** With more different values, they are not counted. */
const mostValues = 1000

/** Values one after the other, in numbers and in words. */
class Column {
  readonly #values = new Map<string | number, number>()
  #isCounted = true
  #isNumeric = true
  #numbers = 0
  #missing = 0
  #minimum = Number.POSITIVE_INFINITY
  #maximum = Number.NEGATIVE_INFINITY
  #mean = 0

  text(field: string): void {
    if (field === '' || isMissing(field)) this.#missing++
    else if (isNumber(field)) this.number(Number(field), field)
    else {
      this.#isNumeric = false
      this.#count(field)
    }
  }

  /** A value that is nothing but text, digits and blanks included. */
  character(value: string): void {
    this.#isNumeric = false
    this.#count(value)
  }

  number(value: number, as: string | number = value): void {
    if (!Number.isFinite(value)) {
      this.#missing++
      return
    }
    this.#numbers++
    this.#minimum = Math.min(this.#minimum, value)
    this.#maximum = Math.max(this.#maximum, value)
    this.#mean += (value - this.#mean) / this.#numbers
    this.#count(as)
  }

  #count(value: string | number): void {
    if (!this.#isCounted) return
    this.#values.set(value, (this.#values.get(value) ?? 0) + 1)
    if (this.#values.size <= mostValues) return
    this.#isCounted = false
    this.#values.clear()
  }

  describe(name: string, array?: Pick<Tensor, 'dtype' | 'dims'>): ColumnDescription {
    const isNumeric = this.#isNumeric && this.#numbers > 0
    const values = [...this.#values].map(([value, count]) => ({ value: String(value), count }))
    values.sort((a, b) => b.count - a.count)
    return {
      name,
      type: array?.dtype ?? (isNumeric ? 'number' : 'text'),
      ...(array ? { shape: array.dims } : {}),
      ...(isNumeric ? { minimum: this.#minimum, maximum: this.#maximum, mean: this.#mean } : {}),
      missing: this.#missing,
      ...(this.#isCounted ? { values } : {}),
    }
  }
}

async function tablePart(file: string, signal: AbortSignal | undefined): Promise<PartDescription> {
  const { first, isNamed, rows, close } = await openTable(file)
  try {
    const hasHeader =
      isNamed ??
      isHeader(
        first.map(({ cells }) => cells),
        undefined,
      )
    const layout = new Layout(file, first[0] ?? { cells: [], line: 1 }, hasHeader)
    const names = Array.from({ length: layout.width }, (_, i) => layout.header?.[i] ?? String(i))
    const columns = names.map(() => new Column())
    let samples = hasHeader ? -1 : 0
    for await (const row of rows) {
      if (++samples === 0) continue
      if (samples % 4096 === 0) signal?.throwIfAborted()
      layout.mustFit(row)
      for (const [i, field] of row.cells.entries()) columns[i]!.text(field)
    }
    if (samples < 1) throw inputError(`${file} holds no samples.`, { where: file })
    const described = columns.map((column, i) => column.describe(names[i]!))
    return { name: 'all', samples, columns: described }
  } finally {
    close()
  }
}

/** Token ids that are looked at at a time. */
const someTokens = 2 ** 16

async function textPart(
  file: string,
  { tokens = 'uint16', signal }: Pick<LoadOptions, 'tokens' | 'signal'>,
): Promise<PartDescription> {
  const column = new Column()
  let samples = 0
  if (/\.bin$/i.test(file)) {
    const { elements, dims } = rangedNumbers(file, tokens)
    samples = elements.length
    for (let at = 0; at < samples; at += someTokens) {
      signal?.throwIfAborted()
      for (const id of elements.read(at, Math.min(someTokens, samples - at)))
        column.number(Number(id))
    }
    return { name: 'all', samples, columns: [column.describe('tokens', { dtype: tokens, dims })] }
  }
  for await (const piece of textOf(file, signal))
    for (const character of piece) {
      samples++
      column.character(character)
    }
  return { name: 'all', samples, columns: [column.describe('characters')] }
}

/** Rows that are looked at at a time. */
const someRows = 256

async function arrayParts(
  file: string,
  signal: AbortSignal | undefined,
): Promise<readonly PartDescription[]> {
  const parts = new Map<string, { samples: number; columns: ColumnDescription[] }>()
  for (const [name, array] of await storedArrays(file)) {
    const column = new Column()
    for await (const rows of array.dims.length > 0 ? array.rows(someRows) : []) {
      signal?.throwIfAborted()
      addNumbers(column, rows)
    }
    const [, suffix = ''] = /_(train|test|val)$/.exec(name) ?? []
    const part = parts.get(suffix) ?? { samples: array.dims[0] ?? 1, columns: [] }
    parts.set(suffix, part)
    part.columns.push(column.describe(name, array))
  }
  if (parts.size === 0) throw inputError(`${file} holds no arrays.`, { where: file })
  return [...parts].map(([name, part]) => ({ name: name === '' ? 'all' : name, ...part }))
}

function addNumbers(column: Column, { data, dtype, dims }: Tensor): void {
  if (dtype === 'float16' || dtype === 'bfloat16')
    for (const value of toNumbers({ data, dtype, dims } as Tensor)) column.number(value)
  else for (const value of data) column.number(Number(value))
}

/** The four files of a folder in the form of MNIST. */
async function digitsParts(folder: string, options: DigitsOptions) {
  // Other data than MNIST come in its form, too: nobody knows what their classes are called.
  const { classes: _, ...files } = mnistSource
  const { train, test } = await loadDigits(
    { ...files, title: folder },
    { ...options, folder, verify: false },
  )
  return [samplesPart('train', train), samplesPart('test', test)]
}

/** Samples in memory, as their arrays. */
function samplesPart(
  name: string,
  { length, inputs, target, classes }: ArrayDataset,
): PartDescription {
  const columns = Object.entries({ ...inputs, target }).map(([key, { data, dims }]) => {
    const column = new Column()
    for (const value of data) column.number(Number(value))
    const dtype =
      data instanceof Uint8Array ? 'uint8' : data instanceof Int32Array ? 'int32' : 'float32'
    const described = column.describe(key, { dtype, dims: [length, ...dims] })
    const named = described.values?.map(({ value, count }) => ({
      value: key === 'target' ? (classes?.[Number(value)] ?? value) : value,
      count,
    }))
    return { ...described, ...(named ? { values: named } : {}) }
  })
  return { name, samples: length, columns }
}

/** So many pictures are opened to see how large they are. */
const mostOpened = 1000

async function picturesOf(
  folder: string,
  signal: AbortSignal | undefined,
): Promise<DataDescription> {
  const entries = await readdir(folder)
  const parts = ['train', 'test', 'val', 'validation'].filter((name) => entries.includes(name))
  const found = parts.includes('train') ? parts : ['']
  const described = await Promise.all(
    found.map((name) => picturesPart(name === '' ? 'all' : name, join(folder, name), signal)),
  )
  return { kind: 'pictures', parts: described }
}

async function picturesPart(
  name: string,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<PartDescription> {
  const classes = await picturesIn(folder)
  const paths = classes.flatMap(({ paths: own }) => own)
  if (paths.length === 0)
    throw inputError(`${folder} holds no pictures: there should be one subfolder per class.`, {
      where: folder,
    })
  const every = Math.ceil(paths.length / mostOpened)
  const looked = paths.filter((_, i) => i % every === 0)
  const channels = new Map<string, number>()
  let smallest: readonly [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  let largest: readonly [number, number] = [0, 0]
  for (const path of looked) {
    signal?.throwIfAborted()
    const size = await pictureSize(path)
    smallest = [Math.min(smallest[0], size.width), Math.min(smallest[1], size.height)]
    largest = [Math.max(largest[0], size.width), Math.max(largest[1], size.height)]
    const key = String(size.channels)
    channels.set(key, (channels.get(key) ?? 0) + 1)
  }
  return {
    name,
    samples: paths.length,
    columns: [],
    classes: classes.map((one) => ({ value: one.name, count: one.paths.length })),
    sizes: {
      smallest,
      largest,
      channels: [...channels].map(([value, count]) => ({ value, count })),
      pictures: looked.length,
    },
  }
}
