/**
 * Tables that are looked up: what is compared shows the rows that the ids ask for, and nothing of the
 * others. But a grown table has copies of columns or their mean, and what holds for some rows must hold for all.
 */

import { isFloat } from '../tensor/dtype.ts'
import { decode } from '../tensor/lazy.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

/** Bytes of a table that are read at a time. */
const PART = 2 ** 22
/** Rows from which it is found which column is a copy of which. */
const FIRST = 64
const TOLERANCE = 1e-3
/** Of the largest number of a row, how far its mean may be rounded away. */
const ROUNDED = 1e-6

/** Is every column of `after` [rows, columns] a multiple of one column of `before`, or the mean of all of them, over all rows of that? */
export async function hasCopiedColumns(
  before: LazyTensor,
  after: LazyTensor,
  signal?: AbortSignal,
): Promise<boolean> {
  const [rows, columns] = before.dims
  const [others, grown] = after.dims
  const isTable = before.dims.length === 2 && after.dims.length === 2 && isFloat(after.dtype)
  if (!isTable || (others ?? 0) < rows! || before.dtype !== after.dtype || rows! * columns! === 0)
    return false
  const read = async (table: LazyTensor, from: number, count: number) => {
    const width = table.byteLength / table.dims[0]!
    await table.ready?.(from * width, count * width)
    return decode(table.dtype, table.read(from * width, count * width))
  }
  const first = Math.min(FIRST, rows!)
  const copies = copiesIn(
    await read(before, 0, first),
    await read(after, 0, first),
    columns!,
    grown!,
  )
  if (!copies) return false
  const step = Math.max(1, Math.floor(PART / (after.byteLength / others!)))
  for (let row = 0; row < rows!; row += step) {
    signal?.throwIfAborted()
    const count = Math.min(step, rows! - row)
    const [old, values] = [await read(before, row, count), await read(after, row, count)]
    for (let r = 0; r < count; r++)
      for (const [column, { of, factor }] of copies.entries()) {
        const y = values[r * grown! + column]!
        if (
          of === undefined
            ? !isMean(old, r, columns!, y)
            : !isNear(factor * old[r * columns! + of]!, y)
        )
          return false
      }
  }
  return true
}

const isNear = (x: number, y: number): boolean => Math.abs(x - y) <= TOLERANCE * Math.abs(x)

/** Is it the mean of a row, within what is a rounding of its numbers? */
function isMean(table: Float64Array, row: number, columns: number, value: number): boolean {
  let sum = 0
  let largest = 0
  for (let i = row * columns; i < (row + 1) * columns; i++) {
    sum += table[i]!
    largest = Math.max(largest, Math.abs(table[i]!))
  }
  const mean = sum / columns
  return Math.abs(mean - value) <= TOLERANCE * Math.abs(mean) + ROUNDED * largest
}

interface Copy {
  /** undefined: the mean of all columns. */
  readonly of: number | undefined
  readonly factor: number
}

/** For each column of `after` the column of `before` that it is a multiple of; undefined where one is none. */
function copiesIn(
  before: Float64Array,
  after: Float64Array,
  columns: number,
  grown: number,
): readonly Copy[] | undefined {
  const known = new Map<string, number[]>()
  for (let of = 0; of < columns; of++) {
    const key = directionOf(before, of, columns)
    known.set(key, [...(known.get(key) ?? []), of])
  }
  const all = Array.from({ length: columns }, (_, of) => of)
  const copies: Copy[] = []
  for (let column = 0; column < grown; column++) {
    // A number on the edge may have been rounded to the other side.
    const likely = known.get(directionOf(after, column, grown)) ?? all
    const copy = likely
      .map((of) => ({ of, factor: factorOf(before, of, columns, after, column, grown) }))
      .find(({ factor }) => factor !== undefined)
    const rows = before.length / columns
    if (copy) copies.push({ of: copy.of, factor: copy.factor! })
    else if (
      Array.from({ length: rows }, (_, row) => row).every((row) =>
        isMean(before, row, columns, after[row * grown + column]!),
      )
    )
      copies.push({ of: undefined, factor: 1 })
    else return undefined
  }
  return copies
}

/** A column's numbers as shares of its largest one, rounded. */
function directionOf(table: Float64Array, column: number, columns: number): string {
  const largest = largestOf(table, column, columns)
  let key = ''
  for (let i = column; i < table.length; i += columns)
    key += `${largest === 0 ? 0 : Math.round((64 * table[i]!) / largest)} `
  return key
}

function largestOf(table: Float64Array, column: number, columns: number): number {
  let largest = 0
  for (let i = column; i < table.length; i += columns)
    if (Math.abs(table[i]!) > Math.abs(largest)) largest = table[i]!
  return largest
}

/** What one column times gives the other; undefined where it is no multiple. */
function factorOf(
  before: Float64Array,
  of: number,
  columns: number,
  after: Float64Array,
  column: number,
  grown: number,
): number | undefined {
  const [x, y] = [largestOf(before, of, columns), largestOf(after, column, grown)]
  const factor = x === 0 ? 1 : y / x
  for (let row = 0; row * columns < before.length; row++) {
    const wanted = factor * before[row * columns + of]!
    if (Math.abs(wanted - after[row * grown + column]!) > TOLERANCE * Math.abs(wanted))
      return undefined
  }
  return factor
}
