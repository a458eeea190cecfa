/**
 * Tables that are looked up: what is compared shows the rows that the ids ask for, and nothing of the
 * others. But a grown table has copies of columns, and what holds for some rows must hold for all.
 */

import { isFloat } from '../tensor/dtype.ts'
import { decode } from '../tensor/lazy.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

/** Bytes of a table that are read at a time. */
const PART = 2 ** 22
/** Rows from which it is found which column is a copy of which. */
const FIRST = 64
const TOLERANCE = 1e-3

/** Is every column of `after` [rows, columns] a multiple of one column of `before`, over all rows of that? */
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
        const [x, y] = [factor * old[r * columns! + of]!, values[r * grown! + column]!]
        if (Math.abs(x - y) > TOLERANCE * Math.abs(x)) return false
      }
  }
  return true
}

interface Copy {
  readonly of: number
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
    if (!copy) return undefined
    copies.push({ of: copy.of, factor: copy.factor! })
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
