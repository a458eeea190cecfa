/** Keys on a pane: arrows go from node to node or move the drawing, plus and minus zoom, Enter chooses. */
import type { Signal } from '@preact/signals'
import type { Drawing, DrawnNode } from '../engine/drawing.ts'
import { bringIntoView, fitView, type Size, type Viewport, zoomAt } from './viewport.ts'

interface Pane {
  readonly drawing: Drawing
  /** Those of the drawing that belong to this pane's model. */
  readonly present: () => readonly DrawnNode[]
  readonly viewport: Signal<Viewport>
  readonly selected: Signal<string | undefined>
  readonly size: Size
  /** Draws a block as its nodes; nothing for another node. */
  readonly expand: (key: string) => void
  readonly focus: (key: string) => void
}

const arrows: Readonly<Record<string, readonly [dx: number, dy: number]>> = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
}
/** How far an arrow key moves the drawing, in pixels. */
const panStep = 60

/** @param key of the node that has the focus */
export function onPaneKey(event: KeyboardEvent, key: string | undefined, pane: Pane): void {
  const { drawing, present, viewport, selected, size, expand, focus } = pane
  const zoom = (factor: number) => {
    viewport.value = zoomAt(viewport.value, factor, size.width / 2, size.height / 2)
  }
  const actions: Readonly<Record<string, () => void>> = {
    '+': () => zoom(1.25),
    '=': () => zoom(1.25),
    '-': () => zoom(0.8),
    '0': () => {
      viewport.value = fitView(drawing, size)
    },
    x: () => {
      if (selected.value !== undefined) expand(selected.value)
    },
  }
  const arrow = arrows[event.key]
  // A node that has the focus is one to go from, though none is selected yet.
  const from = selected.value ?? key
  if (key !== undefined && (event.key === 'Enter' || event.key === ' ')) selected.value = key
  else if (actions[event.key] && !event.ctrlKey && !event.metaKey) actions[event.key]!()
  else if (arrow && (event.shiftKey || from === undefined)) {
    const { tx, ty, k } = viewport.value
    viewport.value = { k, tx: tx - arrow[0] * panStep, ty: ty - arrow[1] * panStep }
  } else if (arrow) {
    const next = neighbour(present(), from!, arrow)
    if (next !== undefined) {
      focus(next.key)
      bringIntoView(viewport, next, size)
    }
  } else if (event.key === 'Escape') selected.value = undefined
  else return
  event.preventDefault()
}

/** The nearest node in the direction of an arrow key. */
function neighbour(
  nodes: readonly DrawnNode[],
  from: string,
  [dx, dy]: readonly [number, number],
): DrawnNode | undefined {
  const start = nodes.find(({ key }) => key === from)
  if (start === undefined) return undefined
  const centre = ({ x, y, width, height }: DrawnNode) => [x + width / 2, y + height / 2] as const
  const [x, y] = centre(start)
  let best: { node: DrawnNode; cost: number } | undefined
  for (const node of nodes) {
    if (node === start) continue
    const [bx, by] = centre(node)
    const along = (bx - x) * dx + (by - y) * dy
    const across = Math.abs((bx - x) * dy) + Math.abs((by - y) * dx)
    if (along <= 4) continue
    const cost = along + 2 * across
    if (best === undefined || cost < best.cost) best = { node, cost }
  }
  return best?.node
}
