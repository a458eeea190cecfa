/** A drawing on a canvas: boxes and lines without text, for where there are more than can be read. */
import type { Diff, Side, Status } from '../engine/diff.ts'
import type { Layout } from '../engine/layout.ts'
import { colour } from '../ui/theme.tsx'

/** Where a point of the drawing lies on the canvas. */
export interface Mapping {
  readonly kx: number
  readonly ky: number
  readonly tx: number
  readonly ty: number
}

export function drawSmall(
  canvas: HTMLCanvasElement,
  size: { readonly width: number; readonly height: number },
  content: { readonly diff: Diff; readonly layout: Layout; readonly side: Side },
  { kx, ky, tx, ty }: Mapping,
  { edges }: { readonly edges: boolean },
): void {
  const ratio = devicePixelRatio
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)]
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width
    canvas.height = height
  }
  const pen = canvas.getContext('2d')!
  pen.setTransform(1, 0, 0, 1, 0, 0)
  pen.clearRect(0, 0, width, height)
  pen.setTransform(ratio, 0, 0, ratio, 0, 0)
  const { diff, layout, side } = content
  if (edges) {
    pen.strokeStyle = colour('line-strong')
    pen.lineWidth = 1
    pen.beginPath()
    for (const { edge, points } of layout.paths) {
      const { inBefore, inAfter } = diff.edges[edge]!
      if (!(side === 'before' ? inBefore : inAfter)) continue
      const [first, last] = [points[0]!, points.at(-1)!]
      const [y0, y1] = [first[1] * ky + ty, last[1] * ky + ty]
      if (Math.max(y0, y1) < 0 || Math.min(y0, y1) > size.height) continue
      pen.moveTo(first[0] * kx + tx, y0)
      pen.lineTo(last[0] * kx + tx, y1)
    }
    pen.stroke()
  }
  const missing: Status = side === 'before' ? 'inserted' : 'removed'
  const groups = new Map<Status, Path2D>()
  layout.boxes.forEach((box, i) => {
    const { status } = diff.nodes[i]!
    const y = box.y * ky + ty
    const tall = Math.max(1, box.height * ky)
    if (status === missing || y > size.height || y + tall < 0) return
    const path = groups.get(status) ?? new Path2D()
    groups.set(status, path)
    path.rect(box.x * kx + tx, y, Math.max(1.5, box.width * kx), tall)
  })
  for (const [status, path] of groups) {
    pen.fillStyle = colour(status === 'same' ? 'muted' : status)
    pen.globalAlpha = status === 'same' ? 0.45 : 1
    pen.fill(path)
  }
  pen.globalAlpha = 1
}
