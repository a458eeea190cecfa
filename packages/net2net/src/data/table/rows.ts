/** The lines of a table, whatever file they come from. */

export interface TableRow {
  readonly cells: readonly string[]
  /** Where it stands in the file, from 1. */
  readonly line: number
}

/** A table that is being read. */
export interface OpenTable {
  /** Some of the first lines; none where the first line cannot be read. */
  readonly first: readonly TableRow[]
  /** Whether the first line names the columns for certain; undefined where nobody knows. */
  readonly isNamed?: true
  /** All lines, once. */
  readonly rows: AsyncIterable<TableRow>
  close(): void
}
