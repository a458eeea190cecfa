import { type Signal, signal } from '@preact/signals'
import type { Drawing, DrawnNode } from '../engine/drawing.ts'

/** What part of the drawing is seen: a point (x, y) of it lies at ((x·k + tx), (y·k + ty)). */
export interface Viewport {
  readonly k: number
  readonly tx: number
  readonly ty: number
}

export const newViewport = (): Signal<Viewport> => signal({ k: 1, tx: 0, ty: 0 })

const smallest = 0.0005
const largest = 3
const readable = 0.78

/** Zooms by a factor and keeps the point (x, y) of the pane where it is. */
export function zoomAt(view: Viewport, factor: number, x: number, y: number): Viewport {
  const k = Math.min(largest, Math.max(smallest, view.k * factor))
  const scale = k / view.k
  return { k, tx: x - (x - view.tx) * scale, ty: y - (y - view.ty) * scale }
}

export interface Size {
  readonly width: number
  readonly height: number
}

/** Shows all of a drawing, if need be too small to be read. */
export function fitView(drawing: Size, pane: Size): Viewport {
  // Small drawings are hardly enlarged, unless the screen is very large.
  const most = Math.max(1.1, Math.min(2, pane.height / 1200))
  const k = Math.min(most, pane.width / drawing.width, pane.height / drawing.height)
  return {
    k,
    tx: (pane.width - drawing.width * k) / 2,
    ty: (pane.height - drawing.height * k) / 2,
  }
}

/** What a drawing is first shown as: the whole of it, or, where that would be unreadable, its top at a readable size. */
export function startView(
  drawing: Pick<Drawing, 'width' | 'height' | 'nodes'>,
  pane: Size,
): Viewport {
  const whole = fitView(drawing, pane)
  if (whole.k >= readable) return whole
  const k = readable
  const space = pane.height - drawing.height * k
  // Of a drawing that is too wide, the part below the topmost node.
  const top = drawing.nodes.reduce<DrawnNode | undefined>(
    (first, node) => (first === undefined || node.y < first.y ? node : first),
    undefined,
  )
  const middle = drawing.width * k > pane.width && top ? top.x + top.width / 2 : drawing.width / 2
  return { k, tx: pane.width / 2 - middle * k, ty: Math.max(0, space / 2) }
}

/** How far one turn of the wheel zooms: a notch of a mouse (100 and more) and a move of fingers (a few) by small steps. */
export const wheelZoom = (delta: number): number =>
  Math.exp(-Math.sign(delta) * Math.min(Math.abs(delta) * 0.01, 0.14))

/** Moves the drawing only as far as the box asks. */
export function bringIntoView(viewport: Signal<Viewport>, box: DrawnNode, pane: Size): void {
  const { k, tx, ty } = viewport.value
  const margin = 30
  const shift = (start: number, length: number, room: number) => {
    if (start < margin) return margin - start
    if (start + length > room - margin)
      return Math.max(room - margin - start - length, margin - start)
    return 0
  }
  viewport.value = {
    k,
    tx: tx + shift(box.x * k + tx, box.width * k, pane.width),
    ty: ty + shift(box.y * k + ty, box.height * k, pane.height),
  }
}
