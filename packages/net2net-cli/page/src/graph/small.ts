/** A drawing on a canvas: boxes and lines without text, for where there are more than can be read. */
import type { Side } from '../engine/diff.ts'
import type { Drawing, DrawnNode } from '../engine/drawing.ts'
import { colour } from '../ui/theme.tsx'
import { type Price, priceOpacity } from './card.tsx'
import { isEdgeOf, isNodeOf } from './side.ts'
import type { Size } from './viewport.ts'

/** Where a point of the drawing lies on the canvas. */
export interface Mapping {
  readonly kx: number
  readonly ky: number
  readonly tx: number
  readonly ty: number
}

export function drawSmall(
  canvas: HTMLCanvasElement,
  size: Size,
  content: {
    readonly drawing: Drawing
    readonly side: Side
    /** What nodes cost, where that is shown. */
    readonly price: ((node: DrawnNode, side: Side) => Price | undefined) | undefined
  },
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
  const { drawing, side, price } = content
  if (edges) {
    pen.strokeStyle = colour('line-strong')
    pen.lineWidth = 1
    pen.beginPath()
    for (const edge of drawing.edges) {
      if (!isEdgeOf(side, edge)) continue
      const { points } = edge
      const [y0, y1] = [points[1]! * ky + ty, points.at(-1)! * ky + ty]
      if (Math.max(y0, y1) < 0 || Math.min(y0, y1) > size.height) continue
      pen.moveTo(points[0]! * kx + tx, y0)
      pen.lineTo(points.at(-2)! * kx + tx, y1)
    }
    pen.stroke()
  }
  const groups = new Map<string, { readonly path: Path2D; colour: string; opacity: number }>()
  for (const node of drawing.nodes) {
    const { status } = node
    const y = node.y * ky + ty
    const tall = Math.max(1, node.height * ky)
    if (!isNodeOf(side, node) || y > size.height || y + tall < 0) continue
    const shade = price?.(node, side)?.shade
    const [name, opacity] =
      shade !== undefined
        ? // A few shades are told apart, and drawn at once.
          ['price', Math.round(8 * priceOpacity(shade)) / 8]
        : status === 'same' || price
          ? ['muted', price ? 0.2 : 0.45]
          : [status, 1]
    const key = `${name} ${opacity}`
    const group = groups.get(key) ?? { path: new Path2D(), colour: name, opacity }
    groups.set(key, group)
    group.path.rect(node.x * kx + tx, y, Math.max(1.5, node.width * kx), tall)
  }
  for (const { path, colour: name, opacity } of groups.values()) {
    pen.fillStyle = colour(name)
    pen.globalAlpha = opacity
    pen.fill(path)
  }
  pen.globalAlpha = 1
}
