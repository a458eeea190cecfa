/** One drawing of a graph: the model before, or the one after. Drag, pinch, wheel and keys move it. */
import type { Signal } from '@preact/signals'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Diff, NodeDiff, Side } from '../engine/diff.ts'
import type { Box, Layout } from '../engine/layout.ts'
import { NodeCard } from './card.tsx'
import { EdgeLine } from './edge.tsx'
import { fitView, type Viewport, zoomAt } from './viewport.ts'

export interface PaneProps {
  readonly diff: Diff
  readonly layout: Layout
  readonly side: Side
  readonly label: string
  readonly viewport: Signal<Viewport>
  readonly selected: Signal<string | undefined>
  /** Fit the drawing to this pane when the drawing is a new one. */
  readonly drawingKey: string
  /** Of panes in step, the one that moves the drawing when their size changes. */
  readonly leads: boolean
}

/** Of larger drawings only what is seen is kept in the document. */
const cullAbove = 300

export function GraphPane(props: PaneProps) {
  const { diff, layout, side, label, viewport, selected, drawingKey, leads } = props
  const svg = useRef<SVGSVGElement>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  const fitted = useRef('')

  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect
      setSize((before) => {
        // What was in the middle stays in the middle.
        if (leads && before.width > 0 && width > 0) {
          const view = viewport.peek()
          viewport.value = { ...view, tx: view.tx + (width - before.width) / 2 }
        }
        return { width, height }
      })
    })
    observer.observe(svg.current!)
    return () => observer.disconnect()
  }, [])

  useLayoutEffect(() => {
    if (size.width === 0 || fitted.current === drawingKey) return
    fitted.current = drawingKey
    viewport.value = fitView(layout, size)
  }, [drawingKey, size])

  const gestures = usePointerGestures(svg, viewport)
  const nodes = useMemo(() => new Map(diff.nodes.map((node) => [node.key, node])), [diff])
  const present = (node: NodeDiff) => node.status !== (side === 'before' ? 'inserted' : 'removed')
  const { k, tx, ty } = viewport.value

  const seen = (box: Box) =>
    box.x * k + tx < size.width + 80 &&
    (box.x + box.width) * k + tx > -80 &&
    box.y * k + ty < size.height + 80 &&
    (box.y + box.height) * k + ty > -80
  const all = layout.boxes.length <= cullAbove
  const boxes = layout.boxes.filter((box) => present(nodes.get(box.key)!) && (all || seen(box)))
  const shown = all ? undefined : new Set(boxes.map((box) => box.key))
  const firstKey = boxes[0]?.key

  const focusNode = (key: string) => {
    selected.value = key
    requestAnimationFrame(() =>
      svg.current?.querySelector<SVGGElement>(`[data-key="${CSS.escape(key)}"]`)?.focus(),
    )
  }

  const onKeyDown = (event: KeyboardEvent) => {
    const centre = [size.width / 2, size.height / 2] as const
    const pan = (dx: number, dy: number) => {
      const view = viewport.value
      viewport.value = { ...view, tx: view.tx + dx, ty: view.ty + dy }
    }
    const actions: Record<string, () => void> = {
      '+': () => (viewport.value = zoomAt(viewport.value, 1.25, ...centre)),
      '=': () => (viewport.value = zoomAt(viewport.value, 1.25, ...centre)),
      '-': () => (viewport.value = zoomAt(viewport.value, 0.8, ...centre)),
      '0': () => (viewport.value = fitView(layout, size)),
    }
    const arrows: Record<string, readonly [number, number]> = {
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
    }
    const arrow = arrows[event.key]
    if (actions[event.key] && !event.ctrlKey && !event.metaKey) actions[event.key]!()
    else if (arrow && (event.shiftKey || selected.value === undefined))
      pan(-arrow[0] * 60, -arrow[1] * 60)
    else if (arrow) {
      const next = neighbour(layout, selected.value!, arrow, (key) => present(nodes.get(key)!))
      if (next !== undefined) {
        focusNode(next.key)
        bringIntoView(viewport, next, size)
      }
    } else if (event.key === 'Escape') selected.value = undefined
    else return
    event.preventDefault()
  }

  return (
    <div class="pane">
      {/* biome-ignore lint/a11y/useSemanticElements: SVG has no fieldset */}
      <svg
        ref={svg}
        class="graph"
        role="group"
        aria-label={`${label}. Tab enters the graph, arrow keys go from node to node, Enter shows a node, plus and minus zoom, 0 fits.`}
        onKeyDown={onKeyDown}
        {...gestures}
        onClick={(event) => {
          if (event.target === svg.current) selected.value = undefined
        }}
      >
        <g transform={`translate(${tx} ${ty}) scale(${k})`}>
          {layout.paths.map((path) => {
            const edge = diff.edges[path.edge]!
            if (!(side === 'before' ? edge.inBefore : edge.inAfter)) return null
            if (shown && !shown.has(edge.from) && !shown.has(edge.to)) return null
            return <EdgeLine key={path.edge} edge={edge} path={path} side={side} labels={k > 0.4} />
          })}
          {boxes.map((box) => (
            <NodeCard
              key={box.key}
              node={nodes.get(box.key)!}
              box={box}
              side={side}
              selected={selected.value === box.key}
              reachable={(selected.value ?? firstKey) === box.key}
              onSelect={() => {
                selected.value = box.key
              }}
            />
          ))}
        </g>
      </svg>
      <div class="pane-label">{label}</div>
    </div>
  )
}

/** The nearest node in the direction of an arrow key. */
function neighbour(
  layout: Layout,
  from: string,
  [dx, dy]: readonly [number, number],
  present: (key: string) => boolean,
): Box | undefined {
  const start = layout.boxes.find((box) => box.key === from)
  if (start === undefined) return undefined
  const centre = (box: Box) => [box.x + box.width / 2, box.y + box.height / 2] as const
  const [x, y] = centre(start)
  let best: { box: Box; cost: number } | undefined
  for (const box of layout.boxes) {
    if (box.key === from || !present(box.key)) continue
    const [bx, by] = centre(box)
    const along = (bx - x) * dx + (by - y) * dy
    const across = Math.abs((bx - x) * dy) + Math.abs((by - y) * dx)
    if (along <= 4) continue
    const cost = along + 2 * across
    if (best === undefined || cost < best.cost) best = { box, cost }
  }
  return best?.box
}

/** Moves the drawing only as far as the box asks. */
export function bringIntoView(
  viewport: Signal<Viewport>,
  box: Box,
  pane: { readonly width: number; readonly height: number },
): void {
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

function usePointerGestures(svg: { current: SVGSVGElement | null }, viewport: Signal<Viewport>) {
  const pointers = useRef(new Map<number, { x: number; y: number }>())
  const point = (event: MouseEvent) => {
    const { left, top } = svg.current!.getBoundingClientRect()
    return { x: event.clientX - left, y: event.clientY - top }
  }
  useLayoutEffect(() => {
    // Not as a property: only a listener that is not passive may keep the page from scrolling.
    const onWheel = (event: WheelEvent) => {
      event.preventDefault()
      const { x, y } = point(event)
      const unit = event.deltaMode === 1 ? 16 : 1
      const view = viewport.value
      viewport.value =
        event.ctrlKey || event.metaKey
          ? zoomAt(view, Math.exp(-event.deltaY * unit * 0.01), x, y)
          : { ...view, tx: view.tx - event.deltaX * unit, ty: view.ty - event.deltaY * unit }
    }
    const element = svg.current!
    element.addEventListener('wheel', onWheel, { passive: false })
    return () => element.removeEventListener('wheel', onWheel)
  }, [])
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0) return
      pointers.current.set(event.pointerId, point(event))
    },
    onPointerMove: (event: PointerEvent) => {
      const before = pointers.current.get(event.pointerId)
      if (before === undefined) return
      const now = point(event)
      const others = [...pointers.current].filter(([id]) => id !== event.pointerId)
      const moved = Math.hypot(now.x - before.x, now.y - before.y)
      // A click that trembles is a click.
      if (others.length === 0 && !svg.current!.hasPointerCapture(event.pointerId)) {
        if (moved < 4) return
        svg.current!.setPointerCapture(event.pointerId)
      }
      pointers.current.set(event.pointerId, now)
      const view = viewport.value
      const other = others[0]?.[1]
      if (other === undefined) {
        viewport.value = {
          ...view,
          tx: view.tx + now.x - before.x,
          ty: view.ty + now.y - before.y,
        }
      } else {
        const spread = (p: { x: number; y: number }) => Math.hypot(p.x - other.x, p.y - other.y)
        const factor = spread(now) / Math.max(1, spread(before))
        viewport.value = zoomAt(view, factor, (now.x + other.x) / 2, (now.y + other.y) / 2)
      }
    },
    onPointerUp: (event: PointerEvent) => pointers.current.delete(event.pointerId),
    onPointerCancel: (event: PointerEvent) => pointers.current.delete(event.pointerId),
    onPointerLeave: (event: PointerEvent) => {
      if (!svg.current!.hasPointerCapture(event.pointerId)) pointers.current.delete(event.pointerId)
    },
  }
}
