/** A line of a chart. */
export interface Line {
  readonly label: string
  /** Name of a colour variable. */
  readonly colour: string
  readonly dash: readonly number[]
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Single values behind the line. */
  readonly raw?: readonly (readonly [x: number, y: number])[]
  readonly marks?: boolean
  /** A short name at the end of the line. */
  readonly end?: string
  /** Marks are rings instead of discs. */
  readonly hollow?: boolean
}
