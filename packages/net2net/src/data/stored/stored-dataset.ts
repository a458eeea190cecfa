/** Samples that are read when they are asked for: larger than memory, if need be. */
import { usageError } from '../../errors.ts'
import type { Preparation } from '../../model/preparation.ts'
import { allocate, elementCount, Tensor, type TypedArray } from '../../tensor/tensor.ts'
import {
  type Batch,
  type Column,
  type ColumnShape,
  fillRows,
  type Normalization,
} from '../dataset.ts'
import type { ByteInputs, SampleSet } from '../samples.ts'
import type { Elements } from './elements.ts'

/** One array over all samples, of which each is a range of elements. Ranges may overlap. */
export interface StoredColumn extends ColumnShape {
  readonly elements: Elements
  /** Where the first sample begins, in elements. Default 0. */
  readonly offset?: number
  /** Elements from the beginning of a sample to that of the next. Default: those of a sample. */
  readonly stride?: number
  /** As of a `Column`. */
  readonly divisor?: number
  readonly normalization?: Normalization
}

export interface AboutStored {
  readonly classes?: readonly string[] | undefined
  readonly preparation?: Preparation | undefined
  readonly weights?: StoredColumn | undefined
  /** Neighbouring samples belong together, as parts of one text do: a part is split off at the end. */
  readonly isSequence?: boolean
}

/** Targets of at most so many bytes are kept in memory, so that all of them can be checked and counted. */
const mostTargetBytes = 2 ** 26

/** In batches, samples that lie one behind the other are read at once. */
export class StoredDataset implements SampleSet {
  readonly length: number
  readonly inputs: Readonly<Record<string, StoredColumn>>
  readonly target: StoredColumn & { readonly data?: TypedArray }
  readonly classes?: readonly string[]
  readonly preparation?: Preparation
  readonly weights?: StoredColumn
  readonly isSequence: boolean

  constructor(
    inputs: Readonly<Record<string, StoredColumn>>,
    target: StoredColumn,
    length: number,
    about: AboutStored = {},
  ) {
    const { classes, preparation, weights, isSequence = false } = about
    this.inputs = inputs
    this.length = length
    const { data } = target.elements
    this.target = data ? { ...target, data } : loaded(target, length)
    if (classes) this.classes = classes
    if (preparation) this.preparation = preparation
    if (weights) this.weights = weights
    this.isSequence = isSequence
  }

  /** How many samples before one share elements with it. */
  get overlap(): number {
    const columns = Object.values(this.inputs)
    const shared = columns.map((one) => Math.ceil(elementCount(one.dims) / strideOf(one)) - 1)
    return Math.max(0, ...shared)
  }

  get bytes(): ByteInputs | undefined {
    const divisors = new Map<string, number>()
    const normalizations = new Map<string, Normalization>()
    const inputs = Object.entries(this.inputs).map(([name, column]) => {
      const { elements, dims, offset, stride, dtype, divisor, normalization } = column
      if (elements.dtype !== 'uint8' || dtype !== 'float32') return [name, column] as const
      divisors.set(name, divisor ?? 1)
      if (normalization) normalizations.set(name, normalization)
      const place = { ...(offset ? { offset } : {}), ...(stride ? { stride } : {}) }
      return [name, { dtype: 'uint8', dims, elements, ...place }] as const
    })
    if (divisors.size === 0) return undefined
    const { target, length, weights } = this
    const samples = new StoredDataset(Object.fromEntries(inputs), target, length, { weights })
    return { samples, divisors, normalizations }
  }

  *batches(size: number, order?: ArrayLike<number>): Generator<Batch> {
    if (!(Number.isInteger(size) && size >= 1))
      throw usageError(`The size of a batch must be a whole number from 1 on, not ${size}.`)
    const count = order?.length ?? this.length
    for (let start = 0; start < count; start += size) {
      const rows = Array.from({ length: Math.min(size, count - start) }, (_, i) =>
        order ? order[start + i]! : start + i,
      )
      const inputs = Object.entries(this.inputs).map(
        ([name, column]) => [name, read(column, rows, `input ${name}`)] as const,
      )
      yield {
        inputs: Object.fromEntries(inputs),
        target: read(this.target, rows, 'target'),
        ...(this.weights ? { weights: read(this.weights, rows, 'weights') } : {}),
      }
    }
  }
}

const strideOf = ({ stride, dims }: StoredColumn) => stride ?? elementCount(dims)

/** A target in memory, where it is small. */
function loaded(target: StoredColumn, length: number): StoredDataset['target'] {
  const { elements, offset = 0, dims } = target
  const row = elementCount(dims)
  if (strideOf(target) !== row) return target
  const bytes = length * row * elements.read(0, Math.min(1, elements.length)).BYTES_PER_ELEMENT
  if (bytes > mostTargetBytes) return target
  const data = elements.read(offset, length * row)
  return { ...target, data }
}

function read(column: StoredColumn & { data?: TypedArray }, rows: readonly number[], name: string) {
  const { elements, dims, dtype, offset = 0 } = column
  const row = elementCount(dims)
  const stride = strideOf(column)
  const data = emptyLike(elements.read(0, 0), rows.length * row)
  for (let i = 0; i < rows.length; ) {
    // What lies in one piece is read in one.
    let run = 1
    while (stride === row && rows[i + run] === rows[i]! + run) run++
    ;(data as Float32Array).set(
      elements.read(offset + rows[i]! * stride, run * row) as Float32Array,
      i * row,
    )
    i += run
  }
  const tensor = new Tensor(dtype, [rows.length, ...dims], allocate(dtype, data.length))
  const { divisor, normalization } = column
  const held: Column = {
    dtype,
    dims,
    data,
    ...(divisor === undefined ? {} : { divisor }),
    ...(normalization ? { normalization } : {}),
  }
  fillRows(held, tensor, undefined, 0, name)
  return tensor
}

function emptyLike(like: TypedArray, length: number): TypedArray {
  const type = like.constructor as new (length: number) => TypedArray
  return new type(length)
}
