/** Which rows of a long list are in the document, as numbers alone. */

export interface ShownRow {
  readonly index: number
  /** The height of the rows before it that are left out. */
  readonly gap: number
}

/** So many rows on either side of the one that has the focus are kept. */
export const near = 3

/**
 * Rows that lie, at least in part, between `top` and `bottom` of the list, and those that are kept wherever they lie: the one that has the
 * focus, and those next to it, where the focus goes next.
 *
 * @param heights of all rows, in their order
 * @returns the rows, in order, and the height of those left out behind the last: gaps, rows and rest are as high as all rows
 */
export function rowsInView(
  heights: readonly number[],
  { top, bottom }: { readonly top: number; readonly bottom: number },
  focused?: number,
): { readonly rows: readonly ShownRow[]; readonly rest: number } {
  const rows: ShownRow[] = []
  const isNear = (index: number) => focused !== undefined && Math.abs(index - focused) <= near
  let [y, gap] = [0, 0]
  heights.forEach((height, index) => {
    if ((y < bottom && y + height > top) || isNear(index)) {
      rows.push({ index, gap })
      gap = 0
    } else gap += height
    y += height
  })
  return { rows, rest: gap }
}
