/** Which part of a large drawing is in the document. */
import type { Drawing, DrawnNode } from '../engine/drawing.ts'
import type { Size, Viewport } from './viewport.ts'

/** Of drawings of more boxes only what is seen, and a margin around it, is in the document. */
const cullAbove = 60
/** More boxes than these at once are drawn on a canvas, without text. */
const mostCards = 300
/** Nothing can be read at this scale: boxes are drawn on a canvas. */
const tiny = 0.15
/** Labels of lines cannot be read at this scale. */
const far = 0.4
/** The margin on each side, as a share of what is seen. */
const margin = 0.35

/** A part of the drawing, in its own coordinates. */
export interface Window {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

/** Nothing is seen yet. */
const nowhere: Window = { left: 0, top: 0, right: 0, bottom: 0 }

export const hasAll = ({ nodes }: Drawing): boolean => nodes.length <= cullAbove

/**
 * The window to be drawn where this is seen: the last one, as long as what is seen lies within it, or another one with a margin.
 * undefined: all is drawn.
 */
export function windowAt(
  drawing: Drawing,
  { k, tx, ty }: Viewport,
  pane: Size,
  last: Window | undefined,
): Window | undefined {
  if (hasAll(drawing)) return undefined
  if (pane.width === 0) return nowhere
  const [left, top] = [-tx / k, -ty / k]
  const [width, height] = [pane.width / k, pane.height / k]
  const serves =
    last !== undefined &&
    last.left <= left &&
    last.top <= top &&
    last.right >= left + width &&
    last.bottom >= top + height &&
    // Much closer now: less would do.
    last.right - last.left < 4 * width
  if (serves) return last
  return {
    left: left - margin * width,
    top: top - margin * height,
    right: left + (1 + margin) * width,
    bottom: top + (1 + margin) * height,
  }
}

export const isWithin = (node: DrawnNode, window: Window | undefined): boolean =>
  window === undefined ||
  (node.x < window.right &&
    node.x + node.width > window.left &&
    node.y < window.bottom &&
    node.y + node.height > window.top)

/** How much of a drawing can be told apart at a scale. */
export type Detail = 'labels' | 'boxes' | 'canvas'
export const detailAt = (drawing: Drawing, { k }: Viewport): Detail =>
  k <= tiny && !hasAll(drawing) ? 'canvas' : k <= far ? 'boxes' : 'labels'

export const areTooMany = (boxes: number): boolean => boxes > mostCards
