import { type Signal, signal } from '@preact/signals'

/** What part of the drawing is seen: a point (x, y) of it lies at ((x·k + tx), (y·k + ty)). */
export interface Viewport {
  readonly k: number
  readonly tx: number
  readonly ty: number
}

export const newViewport = (): Signal<Viewport> => signal({ k: 1, tx: 0, ty: 0 })

const smallest = 0.02
const largest = 3

/** Zooms by a factor and keeps the point (x, y) of the pane where it is. */
export function zoomAt(view: Viewport, factor: number, x: number, y: number): Viewport {
  const k = Math.min(largest, Math.max(smallest, view.k * factor))
  const scale = k / view.k
  return { k, tx: x - (x - view.tx) * scale, ty: y - (y - view.ty) * scale }
}

/** Shows the whole drawing, or, where that would be unreadable, its top at a readable size. */
export function fitView(
  drawing: { readonly width: number; readonly height: number },
  pane: { readonly width: number; readonly height: number },
): Viewport {
  const whole = Math.min(pane.width / drawing.width, pane.height / drawing.height)
  const k = Math.min(1.1, Math.max(whole, Math.min(0.78, pane.width / drawing.width)))
  const space = pane.height - drawing.height * k
  return { k, tx: (pane.width - drawing.width * k) / 2, ty: Math.max(0, space / 2) }
}
