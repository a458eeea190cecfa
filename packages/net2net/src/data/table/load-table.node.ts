/** Tables in files as data sets: gone through twice, first to see what the columns are. */
import type { ArrayDataset } from '../dataset.ts'
import { openTable } from './open-table.node.ts'
import { type TableOptions, TablePlan } from './plan.ts'
import type { TableRow } from './rows.ts'
import { TableStore } from './store.ts'

/** Lines after which somebody may interrupt. */
const someLines = 4096

/** @throws input, naming line and column, as `parseCsv` */
export async function loadTable(
  path: string,
  options: TableOptions & { readonly signal?: AbortSignal | undefined },
): Promise<ArrayDataset> {
  const { signal } = options
  const first = await openTable(path)
  let plan: TablePlan
  try {
    if (first.first.length === 0) for await (const _ of first.rows) break
    plan = new TablePlan(first.first, options, path, first.isNamed)
    await eachSample(first.rows, plan.hasHeader, signal, (row) => plan.scan(row))
  } finally {
    first.close()
  }
  const store = new TableStore(plan.finish(), plan.rows)
  const second = await openTable(path)
  try {
    await eachSample(second.rows, plan.hasHeader, signal, (row) => store.add(row))
  } finally {
    second.close()
  }
  return store.dataset()
}

async function eachSample(
  rows: AsyncIterable<TableRow>,
  hasHeader: boolean,
  signal: AbortSignal | undefined,
  work: (row: TableRow) => void,
): Promise<void> {
  let lines = 0
  for await (const row of rows) {
    if (lines++ % someLines === 0) signal?.throwIfAborted()
    if (lines > 1 || !hasHeader) work(row)
  }
}
