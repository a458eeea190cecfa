/** Tables that regions look up: ids for every row, where the rows that the inputs ask for say nothing of the others. */
import type { Model, Node } from '../model/model.ts'
import { operatorOf } from '../operators/table.ts'
import type { Feeds } from '../runtime/runtime.ts'
import { elementCount, int64, Tensor } from '../tensor/tensor.ts'
import type { Cut } from './cut.ts'

/** A table with more numbers, or borders of all samples with more of them, would take too long. */
const MOST = 2 ** 24

export interface Lookups {
  /** Borders that are ids, and how many rows they look up. */
  readonly rows: ReadonlyMap<string, number>
  /** How many samples that takes. */
  readonly count: number
  /** Tables with rows that are not looked up even so. */
  readonly hidden: ReadonlySet<string>
}

/** @param borders those of a sample */
export function lookupsOf(cut: Cut, borders: Feeds): Lookups {
  const rows = new Map<string, number>()
  const hidden = new Set<string>()
  let count = 0
  const tables = cut.layers.filter(({ isTable }) => isTable)
  if (tables.length === 0) return { rows, count, hidden }
  const numbers = Object.values(borders).reduce((sum, { dims }) => sum + elementCount(dims), 0)
  const least = smallestTables([cut.a, cut.b], borders)
  for (const { node, weight } of tables) {
    const { growth, reads } = operatorOf(node)!
    const ids = node.inputs[reads!.positions!.input]!
    const table = tableOf(cut.b, node)
    const asked = borders[ids] ? elementCount(borders[ids].dims) : 0
    const samples = Math.ceil((table?.rows ?? 0) / asked)
    const isFew = Math.max(samples * numbers, table?.numbers ?? 0) <= MOST
    // An operator that is no layer reads a row here and another there.
    if (!growth?.layer || !table || table.rows !== least.get(ids) || !isFew) hidden.add(weight!)
    else {
      rows.set(ids, table.rows)
      count = Math.max(count, samples)
    }
  }
  return { rows, count, hidden }
}

/** Ids like the given ones for the next rows of a table, from the first one on and around. */
export function nextIds({ dtype, dims }: Tensor, sample: number, rows: number): Tensor {
  const count = elementCount(dims)
  const ids = Array.from({ length: count }, (_, i) => (sample * count + i) % rows)
  return dtype === 'int64' ? int64(ids, dims) : new Tensor('int32', dims, Int32Array.from(ids))
}

/** For every border whose elements are positions in tables: how many rows the smallest of them has. */
function smallestTables(models: readonly Model[], borders: Feeds): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const model of models)
    for (const node of model.graph.nodes) {
      const table = tableOf(model, node)
      const ids = node.inputs[operatorOf(node)?.reads?.positions?.input ?? -1] ?? ''
      if (table && borders[ids]) found.set(ids, Math.min(table.rows, found.get(ids) ?? table.rows))
    }
  return found
}

/** How large the table is that a node looks up, if it does. */
function tableOf({ graph }: Model, node: Node) {
  const positions = operatorOf(node)?.reads?.positions
  const dims = graph.initializers.get(node.inputs[positions?.of ?? -1] ?? '')?.tensor.dims
  if (!positions || !dims) return undefined
  return { rows: dims[positions.axis(node, dims.length)]!, numbers: elementCount(dims) }
}
