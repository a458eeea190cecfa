/** Labelled samples in memory, and their batches. */
import { anything, mustFit, object, optional, recordOf, texts } from '../arguments.ts'
import { inputError, usageError } from '../errors.ts'
import type { Preparation } from '../model/preparation.ts'
import {
  allocate,
  elementCount,
  isNumeric,
  type NumericDType,
  Tensor,
  type TypedArray,
} from '../tensor/tensor.ts'
import { lookUp, quotientsBy } from './byte-quotients.ts'

/** Tensors of one batch; their first axis is the batch. */
export interface Batch {
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly target: Tensor
  /** How much each sample, or each of its predictions, counts. Default: all the same. */
  readonly weights?: Tensor
}

export interface ColumnShape {
  /** Type of the batches' tensors. */
  readonly dtype: NumericDType
  /** Shape of one sample. */
  readonly dims: readonly number[]
}

/** What a trainer needs of its data. */
export interface Dataset {
  /** Number of samples. */
  readonly length: number
  readonly inputs: Readonly<Record<string, ColumnShape>>
  readonly target: ColumnShape
  /** Names of the classes, where the target is a class index. */
  readonly classes?: readonly string[]
  /**
   * The samples `order` (default: all, as they lie) in batches of `size`; the last one may be
   * smaller. The tensors are buffers that the next batch overwrites.
   */
  batches(size: number, order?: ArrayLike<number>): Iterable<Batch>
}

/** One array over all samples. */
export interface Column extends ColumnShape {
  /** Row-major, one row of `dims` per sample. May be of a smaller type than the batches'. */
  readonly data: TypedArray
  /** For bytes that become floats: what they are divided by (255 for images). */
  readonly divisor?: number
  /** What becomes of each channel then, the first axis of a sample. */
  readonly normalization?: Normalization
}

/** For each channel: what is subtracted, and what is divided by then. */
export interface Normalization {
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

/** What else is known of samples. */
export interface AboutSamples {
  /** Names of the features, of a table that has them. */
  readonly columns?: readonly string[] | undefined
  /** How the samples were made of what was read: a trained model keeps it. */
  readonly preparation?: Preparation | undefined
  /** How much each sample, or each of its predictions, counts. Default: all the same. */
  readonly weights?: Column | undefined
}

const parameters = {
  inputs: recordOf('an object of columns by input', anything),
  target: object('a column of numbers', 'data', 'object'),
  classes: optional(texts),
  about: optional(anything),
}

/** Samples whose bytes are left as bytes, and what becomes of these by input. */
export interface ByteSamples {
  readonly samples: ArrayDataset
  readonly divisors: ReadonlyMap<string, number>
  readonly normalizations: ReadonlyMap<string, Normalization>
}

/** A data set of arrays in memory; bytes stay bytes until a batch is made of them. */
export class ArrayDataset implements Dataset {
  readonly length: number
  readonly inputs: Readonly<Record<string, Column>>
  readonly target: Column
  readonly classes?: readonly string[]
  readonly columns?: readonly string[]
  readonly preparation?: Preparation
  readonly weights?: Column

  /** @throws usage where a column is none, or the columns differ in length */
  constructor(
    inputs: Readonly<Record<string, Column>>,
    target: Column,
    classes?: readonly string[],
    about: AboutSamples = {},
  ) {
    mustFit('ArrayDataset', parameters, [inputs, target, classes, about])
    const { columns, preparation, weights } = about
    const all = { ...inputs, target, ...(weights ? { weights } : {}) }
    for (const [name, column] of Object.entries(all)) mustBeColumn(name, column)
    this.inputs = inputs
    this.target = target
    if (classes) this.classes = classes
    if (columns) this.columns = columns
    if (preparation) this.preparation = preparation
    if (weights) this.weights = weights
    this.length = rowsOf(target)
    for (const [name, column] of Object.entries(inputs))
      if (rowsOf(column) !== this.length)
        throw usageError(
          `The data's input ${name} has ${rowsOf(column)} samples, but its target has ${this.length}.`,
        )
    if (weights && rowsOf(weights) !== this.length)
      throw usageError(
        `The data have weights for ${rowsOf(weights)} samples, but there are ${this.length}.`,
      )
  }

  /**
   * The same samples, with the inputs that are bytes left as bytes, and what these are to be divided
   * by; undefined where there are none. Whoever runs them through a graph lets the graph convert them.
   */
  get bytes(): ByteSamples | undefined {
    const divisors = new Map<string, number>()
    const normalizations = new Map<string, Normalization>()
    const inputs = Object.entries(this.inputs).map(([name, column]): [string, Column] => {
      if (!(column.data instanceof Uint8Array) || column.dtype !== 'float32') return [name, column]
      divisors.set(name, column.divisor ?? 1)
      if (column.normalization) normalizations.set(name, column.normalization)
      return [name, { dtype: 'uint8', dims: column.dims, data: column.data }]
    })
    if (divisors.size === 0) return undefined
    const { weights } = this
    const samples = new ArrayDataset(Object.fromEntries(inputs), this.target, undefined, {
      weights,
    })
    return { samples, divisors, normalizations }
  }

  *batches(size: number, order?: ArrayLike<number>): Generator<Batch> {
    if (!(Number.isInteger(size) && size >= 1))
      throw usageError(`The size of a batch must be a whole number from 1 on, not ${size}.`)
    const count = order?.length ?? this.length
    const buffers = new Map<number, Batch>()
    for (let start = 0; start < count; start += size) {
      const rows = Math.min(size, count - start)
      let batch = buffers.get(rows)
      if (!batch) {
        batch = this.#buffer(rows)
        buffers.set(rows, batch)
      }
      for (const [name, column] of Object.entries(this.inputs))
        fillRows(column, batch.inputs[name]!, order, start, `input ${name}`)
      fillRows(this.target, batch.target, order, start, 'target')
      if (this.weights) fillRows(this.weights, batch.weights!, order, start, 'weights')
      yield batch
    }
  }

  /** The samples [start, end), sharing memory with this data set. */
  slice(start: number, end: number): ArrayDataset {
    return this.#map((column) => {
      const row = elementCount(column.dims)
      return column.data.subarray(start * row, end * row)
    })
  }

  /** A copy of the samples `order`. @throws usage for a sample that there is not */
  pick(order: ArrayLike<number>): ArrayDataset {
    for (let i = 0; i < order.length; i++) mustBeSample(order[i]!, this.length)
    return this.#map((column) => {
      const row = elementCount(column.dims)
      const data = column.data.slice(0, 0).constructor as new (length: number) => TypedArray
      const picked = new data(order.length * row)
      for (let i = 0; i < order.length; i++)
        setRow(picked, column.data.subarray(order[i]! * row, (order[i]! + 1) * row), i * row)
      return picked
    })
  }

  #map(data: (column: Column) => TypedArray): ArrayDataset {
    const map = (column: Column): Column => ({ ...column, data: data(column) })
    const inputs = Object.entries(this.inputs).map(([name, column]) => [name, map(column)] as const)
    const { classes, columns, preparation, weights } = this
    return new ArrayDataset(Object.fromEntries(inputs), map(this.target), classes, {
      columns,
      preparation,
      weights: weights && map(weights),
    })
  }

  #buffer(rows: number): Batch {
    const tensor = ({ dtype, dims }: Column) =>
      new Tensor(dtype, [rows, ...dims], allocate(dtype, rows * elementCount(dims)))
    return {
      inputs: Object.fromEntries(
        Object.entries(this.inputs).map(([name, column]) => [name, tensor(column)]),
      ),
      target: tensor(this.target),
      ...(this.weights ? { weights: tensor(this.weights) } : {}),
    }
  }
}

const rowsOf = ({ data, dims }: Column): number => data.length / elementCount(dims)

/** What the compiler holds callers in TypeScript to, and that the elements make whole samples. */
function mustBeColumn(name: string, column: Column): void {
  const { dtype, dims, data } = Object(column) as Partial<Column>
  const isList = Array.isArray(dims) && dims.every((dim) => Number.isInteger(dim) && dim >= 1)
  if (dtype === undefined || !isNumeric(dtype) || !isList || !ArrayBuffer.isView(data))
    throw usageError(
      `The data's column ${name} must have a dtype, dims (the sizes of one sample, each from 1 on) and data (a typed array).`,
      { where: name },
    )
  const row = elementCount(dims as readonly number[])
  if ((data as TypedArray).length % row !== 0)
    throw usageError(
      `The data's column ${name} has ${(data as TypedArray).length} elements, which are no whole samples of ${row}.`,
      { where: name },
    )
}

function mustBeSample(index: number, length: number): void {
  if (Number.isInteger(index) && index >= 0 && index < length) return
  throw usageError(`There is no sample ${index}: the data have the samples 0 to ${length - 1}.`)
}

/** Copies rows into a batch's tensor, converting them if the types differ. */
export function fillRows(
  column: Column,
  target: Tensor,
  order: ArrayLike<number> | undefined,
  start: number,
  name: string,
): void {
  const { data, divisor = 1, normalization } = column
  const row = elementCount(column.dims)
  const rows = target.dims[0]!
  const same = data.constructor === target.data.constructor && !normalization
  const convert = same ? undefined : converter(data, target.data, divisor, name)
  if (same && !order) {
    setRow(target.data, data.subarray(start * row, (start + rows) * row), 0)
    return
  }
  const length = rowsOf(column)
  for (let i = 0; i < rows; i++) {
    const sample = order ? order[start + i]! : start + i
    mustBeSample(sample, length)
    const from = sample * row
    if (convert) convert(from, row, i * row)
    else setRow(target.data, data.subarray(from, from + row), i * row)
  }
  if (normalization) normalize(target, normalization)
}

/** Subtracts and divides along the first axis of each sample, as float32 arithmetic does it. */
export function normalize(
  { data, dims: [samples = 0, channels = 1] }: Tensor,
  { mean, deviation }: Normalization,
): void {
  const area = data.length / (samples * channels || 1)
  for (let at = 0, plane = 0; at < data.length; at += area, plane++) {
    const c = plane % channels
    const [minus, by] = [Math.fround(mean[c] ?? 0), Math.fround(deviation[c] ?? 1)]
    for (let i = at; i < at + area; i++)
      data[i] = Math.fround(Math.fround(Number(data[i]) - minus) / by)
  }
}

/** Both arrays are of one type; the compiler cannot see that. */
const setRow = (target: TypedArray, row: TypedArray, offset: number): void =>
  (target as Float32Array).set(row as Float32Array, offset)

/** Converts elements of one type to another. Integers arrive as they are, or are refused. */
function converter(from: TypedArray, to: TypedArray, divisor: number, name: string) {
  if (to instanceof Float32Array || to instanceof Float64Array) {
    if (from instanceof Uint8Array && to instanceof Float32Array) {
      const quotients = quotientsBy(divisor)
      const words = new Uint32Array(from.buffer, 0, Math.floor(from.buffer.byteLength / 4))
      const bits = new Uint32Array(to.buffer, to.byteOffset, to.length)
      return (start: number, count: number, at: number) =>
        lookUp(quotients, from, words, start, count, bits, at)
    }
    return (start: number, count: number, at: number) => {
      for (let i = 0; i < count; i++) {
        const value = Number(from[start + i]!)
        to[at + i] = divisor === 1 ? value : value / divisor
      }
    }
  }
  const big = to instanceof BigInt64Array || to instanceof BigUint64Array
  return (start: number, count: number, at: number) => {
    for (let i = 0; i < count; i++) {
      const value = from[start + i]!
      if (typeof value !== 'bigint' && !Number.isInteger(value)) throw notExact(name, value, to)
      // What does not fit wraps around, and is seen by that.
      const wanted = big ? BigInt(value) : Number(value)
      to[at + i] = wanted
      if (to[at + i] !== wanted) throw notExact(name, value, to)
    }
  }
}

const notExact = (name: string, value: number | bigint, to: TypedArray) =>
  inputError(
    `The data's ${name} holds ${value}, which is not a whole number that ${to.constructor.name.replace('Array', '')} can hold.`,
  )
