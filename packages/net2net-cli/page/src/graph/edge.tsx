import type { Side } from '../engine/diff.ts'
import type { DrawnEdge } from '../engine/drawing.ts'

interface EdgeProps {
  readonly edge: DrawnEdge
  readonly side: Side
  readonly labels: boolean
}

export function EdgeLine({ edge, side, labels }: EdgeProps) {
  const shape = edge[side]
  const changed =
    edge.inBefore && edge.inAfter && edge.before !== undefined && edge.before !== edge.after
  const fresh = edge.inBefore !== edge.inAfter
  const points = pairs(edge.points)
  const [x, y] = middle(points)
  return (
    <g class={`edge ${changed ? 'grown' : fresh ? `fresh-${side}` : ''}`}>
      <path d={curve(points)} />
      <Head points={points} />
      {labels && shape !== undefined ? (
        <text x={x + 7} y={y + 3.5}>
          {shape}
        </text>
      ) : null}
    </g>
  )
}

type Points = readonly (readonly [number, number])[]
const pairs = (flat: DrawnEdge['points']): Points =>
  Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, flat[2 * i + 1]!])

function Head({ points }: { points: Points }) {
  const [x, y] = points.at(-1)!
  return <path class="head" d={`M${x - 3.5} ${y - 7}L${x} ${y}L${x + 3.5} ${y - 7}z`} />
}

/** A smooth line through the layout's points. */
function curve(points: Points): string {
  const [first, ...rest] = points
  let d = `M${first![0]} ${first![1]}`
  if (rest.length === 1) return `${d}L${rest[0]![0]} ${rest[0]![1]}`
  for (let i = 0; i < rest.length - 1; i++) {
    const [x, y] = rest[i]!
    const [nx, ny] = rest[i + 1]!
    const end = i === rest.length - 2 ? [nx, ny] : [(x + nx) / 2, (y + ny) / 2]
    d += `Q${x} ${y} ${end[0]} ${end[1]}`
  }
  return d
}

function middle(points: Points): readonly [number, number] {
  const i = Math.floor((points.length - 1) / 2)
  const a = points[i]!
  const b = points[Math.min(i + 1, points.length - 1)]!
  return points.length % 2 === 1 ? a : [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]
}
