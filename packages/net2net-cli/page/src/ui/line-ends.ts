/** Short names behind the last points of lines. */
import type uPlot from 'uplot'
import type { Line } from './line.ts'
import { apart } from './places.ts'
import { colour } from './theme.tsx'

/** Room for the names right of the drawing, and the height of one, in points. */
export const endRoom = 22
const endHeight = 12
/** From the middle of a point to its name. */
const distance = 8

/** Each line's name behind its last point; where names would overlap, they stand apart. */
export function drawEnds(plot: uPlot, lines: readonly Line[]): void {
  const { ctx, bbox } = plot
  const ratio = devicePixelRatio
  const columns = new Map<number, { end: string; name: string; y: number }[]>()
  for (const { end, points, colour: name } of lines) {
    const last = points.at(-1)
    if (end === undefined || last === undefined) continue
    const [x, y] = [plot.valToPos(last[0], 'x', true), plot.valToPos(last[1], 'y', true)]
    columns.set(x, [...(columns.get(x) ?? []), { end, name, y }])
  }
  ctx.save()
  ctx.font = `600 ${(endHeight - 1) * ratio}px "Inter Variable", system-ui, sans-serif`
  ctx.textBaseline = 'middle'
  ctx.textAlign = 'left'
  for (const [x, column] of columns) {
    column.sort((a, b) => a.y - b.y)
    const places = apart(
      column.map(({ y }) => y),
      endHeight * ratio,
      [bbox.top, bbox.top + bbox.height],
    )
    column.forEach(({ end, name }, i) => {
      ctx.fillStyle = colour(name)
      ctx.fillText(end, x + distance * ratio, places[i]!)
    })
  }
  ctx.restore()
}
