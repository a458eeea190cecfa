/**
 * Constants that exporters computed from one entry of a state dict, element by element: rows of a table that were looked
 * up (positions, of which the export has those of its sequence; a class token, repeated over the batch), and 1 + weight (the
 * norms of Gemma). Where units of such a constant are copied, those of the entry are.
 */
import type { LazyTensor } from '../tensor/tensor.ts'

/** Axis `axis` of an entry is axis `of` of a constant that was computed from it. */
export interface DerivedBinding {
  readonly entry: string
  readonly initializer: string
  readonly axis: number
  readonly of: number
}

interface Read {
  readonly name: string
  readonly tensor: LazyTensor
  readonly values: () => Float32Array
}

/** What of the entries that hold no initializer is in initializers that no entry holds. */
export function derivedBindings(
  entries: readonly Read[],
  initializers: readonly Read[],
): readonly DerivedBinding[] {
  return entries.flatMap((entry) =>
    initializers.flatMap((initializer) => {
      const found = derivation(entry, initializer)
      return found ? [{ entry: entry.name, initializer: initializer.name, ...found }] : []
    }),
  )
}

function derivation(entry: Read, initializer: Read): { axis: number; of: number } | undefined {
  const from = entry.tensor.dims
  const to = initializer.tensor.dims
  // The last axis is the likely one: it is that of the units.
  for (let axis = from.length - 1; axis >= 0; axis--)
    for (let of = to.length - 1; of >= 0; of--) {
      if (from[axis] !== to[of] || from[axis]! < 2) continue
      const a = vectorsAlong(entry.values(), from, axis)
      const b = vectorsAlong(initializer.values(), to, of)
      if (areRows(a, b) || (a.count === 1 && b.count === 1 && isOneMore(a, b))) return { axis, of }
    }
  return undefined
}

/** The vectors of a tensor along one axis. */
interface Vectors {
  readonly count: number
  readonly length: number
  at(vector: number, i: number): number
}

function vectorsAlong(values: Float32Array, dims: readonly number[], axis: number): Vectors {
  const length = dims[axis]!
  const stride = dims.slice(axis + 1).reduce((product, size) => product * size, 1)
  return {
    count: values.length / length,
    length,
    at: (vector, i) =>
      values[Math.floor(vector / stride) * stride * length + (vector % stride) + i * stride]!,
  }
}

/** Whether every vector of the second is one of the first, or has equal numbers only, whatever these are (what a mask hides). */
function areRows(table: Vectors, found: Vectors): boolean {
  const byFirst = new Map<number, number[]>()
  for (let row = 0; row < table.count; row++) {
    const first = table.at(row, 0)
    const rows = byFirst.get(first)
    if (rows) rows.push(row)
    else byFirst.set(first, [row])
  }
  const isRow = (vector: number, row: number) => {
    for (let i = 0; i < table.length; i++)
      if (!Object.is(found.at(vector, i), table.at(row, i))) return false
    return true
  }
  const isEven = (vector: number) => {
    for (let i = 1; i < found.length; i++)
      if (!Object.is(found.at(vector, i), found.at(vector, 0))) return false
    return true
  }
  let rows = 0
  for (let vector = 0; vector < found.count; vector++)
    if (byFirst.get(found.at(vector, 0))?.some((row) => isRow(vector, row))) rows++
    else if (!isEven(vector)) return false
  return rows > 0
}

function isOneMore(vector: Vectors, more: Vectors): boolean {
  for (let i = 0; i < vector.length; i++)
    if (more.at(0, i) !== Math.fround(vector.at(0, i) + 1)) return false
  return true
}
