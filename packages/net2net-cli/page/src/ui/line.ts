/** A line of a chart. */
export interface Line {
  readonly label: string
  /** Name of a colour variable. */
  readonly colour: string
  readonly dash: readonly number[]
  readonly points: readonly Point[]
  /** Single values behind the line. */
  readonly raw?: readonly Point[]
  readonly marks?: boolean
  /** A short name at the end of the line. */
  readonly end?: string
  /** Marks are rings instead of discs. */
  readonly hollow?: boolean
}
export type Point = readonly [x: number, y: number]

/** What each line says at x, or at the point of it that is nearest, if that is not far: in order of their values. */
export function valuesAt(
  lines: readonly Line[],
  x: number,
  far: number,
): readonly { readonly line: Line; readonly point: Point }[] {
  const found = lines.flatMap((line) => {
    const point = nearest(line.points, x)
    return point && Math.abs(point[0] - x) <= far ? [{ line, point }] : []
  })
  return found.sort((a, b) => b.point[1] - a.point[1])
}

/** Points are in order of x. */
function nearest(points: readonly Point[], x: number): Point | undefined {
  let [low, high] = [0, points.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[middle]![0] < x) low = middle + 1
    else high = middle
  }
  const [before, after] = [points[low - 1], points[low]]
  if (!before || !after) return after ?? before
  return x - before[0] <= after[0] - x ? before : after
}
