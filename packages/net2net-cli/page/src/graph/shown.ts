/** What a pane shows of a drawing: the part in its window, in the detail that can be told apart. */
import { useMemo, useRef } from 'preact/hooks'
import type { Side } from '../engine/diff.ts'
import type { Drawing, DrawnEdge, DrawnNode } from '../engine/drawing.ts'
import { isSame } from './same.ts'
import { isEdgeOf, isNodeOf } from './side.ts'
import type { Size, Viewport } from './viewport.ts'
import { areTooMany, type Detail, detailAt, isWithin, type Window, windowAt } from './window.ts'

export interface Shown {
  readonly detail: Detail
  /** Boxes are drawn on a canvas, without text: nodes and edges are no elements. */
  readonly isSmall: boolean
  /** The nodes in the window, as their places in the drawing. */
  readonly inWindow: readonly number[]
  readonly nodes: readonly DrawnNode[]
  readonly edges: readonly DrawnEdge[]
  /** Whether something else is shown where the drawing lies like this. */
  isStale(view: Viewport): boolean
}

/** The drawing moves as a whole; its parts change only when what is seen leaves the window. */
export function useShown(drawing: Drawing, side: Side, view: Viewport, size: Size): Shown {
  const last = useRef<
    { readonly drawing: Drawing; readonly window: Window | undefined } | undefined
  >(undefined)
  const lastWindow = last.current?.drawing === drawing ? last.current.window : undefined
  const window = windowAt(drawing, view, size, lastWindow)
  last.current = { drawing, window }
  const detail = detailAt(drawing, view)
  const inWindow = useMemo(() => {
    const places: number[] = []
    drawing.nodes.forEach((node, i) => {
      if (isNodeOf(side, node) && isWithin(node, window)) places.push(i)
    })
    return places
  }, [drawing, window, side])
  const isSmall = detail === 'canvas' || (window !== undefined && areTooMany(inWindow.length))
  const known = useRef<ReadonlyMap<string, DrawnNode>>(new Map())
  const nodes = useMemo(() => {
    if (isSmall) return []
    // What has not changed is the very same object, so that its card is not drawn anew.
    const own = inWindow.map((i) => {
      const node = drawing.nodes[i]!
      const before = known.current.get(node.key)
      return before !== undefined && isSame(before, node) ? before : node
    })
    known.current = new Map(own.map((node) => [node.key, node]))
    return own
  }, [drawing, inWindow, isSmall])
  const edges = useMemo(() => {
    if (isSmall) return []
    const shown = new Set(inWindow)
    return drawing.edges.filter(
      (edge) => isEdgeOf(side, edge) && (shown.has(edge.from) || shown.has(edge.to)),
    )
  }, [drawing, inWindow, isSmall, side])
  const isStale = (at: Viewport) =>
    windowAt(drawing, at, size, window) !== window || detailAt(drawing, at) !== detail
  return { detail, isSmall, inWindow, nodes, edges, isStale }
}
