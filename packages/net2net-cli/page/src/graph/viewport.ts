import { type Signal, signal } from '@preact/signals'
import type { Box, Layout } from '../engine/layout.ts'

/** What part of the drawing is seen: a point (x, y) of it lies at ((x·k + tx), (y·k + ty)). */
export interface Viewport {
  readonly k: number
  readonly tx: number
  readonly ty: number
}

export const newViewport = (): Signal<Viewport> => signal({ k: 1, tx: 0, ty: 0 })

const smallest = 0.02
const largest = 3
const readable = 0.78

/** Zooms by a factor and keeps the point (x, y) of the pane where it is. */
export function zoomAt(view: Viewport, factor: number, x: number, y: number): Viewport {
  const k = Math.min(largest, Math.max(smallest, view.k * factor))
  const scale = k / view.k
  return { k, tx: x - (x - view.tx) * scale, ty: y - (y - view.ty) * scale }
}

/** Shows the whole drawing, or, where that would be unreadable, its top at a readable size. */
export function fitView(
  drawing: Pick<Layout, 'width' | 'height' | 'boxes'>,
  pane: { readonly width: number; readonly height: number },
): Viewport {
  const whole = Math.min(pane.width / drawing.width, pane.height / drawing.height)
  const k = Math.min(1.1, Math.max(whole, readable))
  const space = pane.height - drawing.height * k
  // Of a drawing that is too wide, the part below the topmost node.
  const top = drawing.boxes.reduce<Box | undefined>(
    (first, box) => (first === undefined || box.y < first.y ? box : first),
    undefined,
  )
  const middle = drawing.width * k > pane.width && top ? top.x + top.width / 2 : drawing.width / 2
  return { k, tx: pane.width / 2 - middle * k, ty: Math.max(0, space / 2) }
}
