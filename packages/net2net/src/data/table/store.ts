/** The arrays that the lines of a table become. */
import { usageError } from '../../errors.ts'
import { allocate, elementCount } from '../../tensor/tensor.ts'
import { ArrayDataset, type Column } from '../dataset.ts'
import type { Numbers, RowEncoder, TargetEncoder } from './encoders.ts'
import type { TableEncoders } from './plan.ts'
import type { TableRow } from './rows.ts'

/** Collects samples, in arrays of the size that the first pass found. */
export class TableStore {
  readonly #encoders: TableEncoders
  readonly #inputs: ReadonlyMap<string, Filling>
  readonly #target: Filling
  readonly #weights: Filling | undefined
  #kept = 0

  constructor(encoders: TableEncoders, rows: number) {
    const { inputs, target, weights } = encoders
    this.#encoders = encoders
    this.#inputs = new Map([...inputs].map(([name, one]) => [name, new Filling(one, rows)]))
    this.#target = new Filling(target, rows)
    this.#weights = weights && new Filling(weights, rows)
  }

  add(row: TableRow): void {
    if (this.#encoders.leavesOut(row)) return
    for (const filling of this.#inputs.values()) filling.put(row, this.#kept)
    this.#target.put(row, this.#kept)
    this.#weights?.put(row, this.#kept)
    this.#kept++
  }

  dataset(): ArrayDataset {
    if (this.#kept === 0) throw usageError('Every sample lacks a value: none is left.')
    const { classes }: TargetEncoder = this.#encoders.target
    const { columns, preparation } = this.#encoders
    const inputs = [...this.#inputs].map(([name, filling]) => [name, filling.column(this.#kept)])
    return new ArrayDataset(Object.fromEntries(inputs), this.#target.column(this.#kept), classes, {
      columns,
      preparation,
      weights: this.#weights?.column(this.#kept),
    })
  }
}

class Filling {
  readonly #encoder: RowEncoder
  readonly #row: number
  readonly #data: Numbers

  constructor(encoder: RowEncoder, rows: number) {
    this.#encoder = encoder
    this.#row = elementCount(encoder.dims)
    this.#data = allocate(encoder.storage, rows * this.#row)
  }

  put(row: TableRow, sample: number): void {
    this.#encoder.encode(row, this.#data, sample * this.#row)
  }

  column(samples: number): Column {
    const { dtype, dims } = this.#encoder
    return { dtype, dims, data: this.#data.subarray(0, samples * this.#row) }
  }
}
