/** One drawing of a graph: the model before, or the one after. Drag, pinch, wheel and keys move it. */
import { type Signal, useSignalEffect } from '@preact/signals'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Diff, NodeDiff, Side } from '../engine/diff.ts'
import type { Box, Layout } from '../engine/layout.ts'
import { t } from '../text/text.ts'
import { colours } from '../ui/theme.tsx'
import { NodeCard, type Price } from './card.tsx'
import { EdgeLine } from './edge.tsx'
import { usePointerGestures } from './gestures.ts'
import { Overview } from './overview.tsx'
import { drawSmall } from './small.ts'
import { fitView, startView, type Viewport, zoomAt } from './viewport.ts'

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
  /** Draws a block as its nodes. */
  readonly onExpand: (block: string) => void
  /** What a node costs, where that is shown. */
  readonly price?: ((node: NodeDiff, side: Side) => Price | undefined) | undefined
}

/** Of larger drawings only what is seen, and a margin around it, is kept in the document. */
const cullAbove = 300
/** More boxes than this at once are drawn on a canvas, without text. */
const mostCards = 500

/** The part of the drawing that is in the document, in its own coordinates. */
interface Window {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

export function GraphPane(props: PaneProps) {
  const { diff, layout, side, label, viewport, selected, drawingKey, leads, onExpand } = props
  const svg = useRef<SVGSVGElement>(null)
  const world = useRef<SVGGElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
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
    viewport.value = startView(layout, size)
  }, [drawingKey, size])

  const gestures = usePointerGestures(svg, viewport)
  const nodes = useMemo(() => new Map(diff.nodes.map((node) => [node.key, node])), [diff])
  const present = (node: NodeDiff) => node.status !== (side === 'before' ? 'inserted' : 'removed')
  const all = layout.boxes.length <= cullAbove
  // The drawing moves as a whole; its parts change only when what is seen leaves the window.
  const drawn = useRef<{ window: Window | undefined; layout?: Layout; isFar: boolean }>({
    window: undefined,
    isFar: false,
  })
  const [, redraw] = useState(0)
  const windowAt = ({ k, tx, ty }: Viewport): Window | undefined => {
    if (all || size.width === 0) return undefined
    const [left, top] = [-tx / k, -ty / k]
    const [width, height] = [size.width / k, size.height / k]
    const { window: last, layout: before } = drawn.current
    const serves =
      last !== undefined &&
      before === layout &&
      last.left <= left &&
      last.top <= top &&
      last.right >= left + width &&
      last.bottom >= top + height &&
      // Much closer now: less would do.
      last.right - last.left < 6 * width
    if (serves) return last
    return {
      left: left - width / 2,
      top: top - height / 2,
      right: left + 1.5 * width,
      bottom: top + 1.5 * height,
    }
  }
  const isFarAt = ({ k }: Viewport) => k <= 0.4
  const window = windowAt(viewport.peek())
  const isFar = isFarAt(viewport.peek())
  drawn.current = { window, layout, isFar }
  const shownBoxes = useMemo(
    () =>
      layout.boxes.filter(
        (box) =>
          present(nodes.get(box.key)!) &&
          (window === undefined ||
            (box.x < window.right &&
              box.x + box.width > window.left &&
              box.y < window.bottom &&
              box.y + box.height > window.top)),
      ),
    [layout, window, nodes, side],
  )
  const isSmall = !all && shownBoxes.length > mostCards
  const firstKey = shownBoxes[0]?.key
  const boxes = isSmall ? shownBoxes.filter(({ key }) => key === selected.value) : shownBoxes
  const shown = all ? undefined : new Set(boxes.map((box) => box.key))
  const scheme = colours.value

  const move = () => {
    const { k, tx, ty } = viewport.peek()
    world.current?.setAttribute('transform', `translate(${tx} ${ty}) scale(${k})`)
    if (isSmall && canvas.current !== null)
      drawSmall(
        canvas.current,
        size,
        { diff, layout, side, price: props.price },
        { kx: k, ky: k, tx, ty },
        { edges: true },
      )
  }
  const latestMove = useRef(move)
  latestMove.current = move
  const isStale = useRef<(view: Viewport) => boolean>(() => false)
  isStale.current = (view) =>
    windowAt(view) !== drawn.current.window || isFarAt(view) !== drawn.current.isFar
  useSignalEffect(() => {
    const view = viewport.value
    latestMove.current()
    if (isStale.current(view)) redraw((count) => count + 1)
  })
  useLayoutEffect(move, [isSmall, diff, layout, size, scheme, props.price])

  /** The node under the pointer, where nodes are no elements. */
  const hit = (event: MouseEvent): string | undefined => {
    if (!isSmall) return undefined
    const { left, top } = svg.current!.getBoundingClientRect()
    const { k, tx, ty } = viewport.peek()
    const [x, y] = [(event.clientX - left - tx) / k, (event.clientY - top - ty) / k]
    const reach = 3 / k
    return shownBoxes.find(
      (box) =>
        x >= box.x - reach &&
        x <= box.x + box.width + reach &&
        y >= box.y - reach &&
        y <= box.y + box.height + reach,
    )?.key
  }

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
      x: () => {
        if (selected.value !== undefined && nodes.get(selected.value)?.kind === 'block')
          onExpand(selected.value)
      },
    }
    const arrows: Record<string, readonly [number, number]> = {
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
    }
    const arrow = arrows[event.key]
    // A node that has the focus is one to go from, though none is selected yet.
    const { target } = event
    const focused = target instanceof Element ? target.closest<SVGElement>('.card') : null
    const from = selected.value ?? focused?.dataset.key
    if (actions[event.key] && !event.ctrlKey && !event.metaKey) actions[event.key]!()
    else if (arrow && (event.shiftKey || from === undefined)) pan(-arrow[0] * 60, -arrow[1] * 60)
    else if (arrow) {
      const next = neighbour(layout, from!, arrow, (key) => present(nodes.get(key)!))
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
      {isSmall ? <canvas ref={canvas} class="graph-small" /> : null}
      {/* biome-ignore lint/a11y/useSemanticElements: SVG has no fieldset */}
      <svg
        ref={svg}
        class="graph"
        role="group"
        aria-label={`${label}. ${t('Tab enters the graph, arrow keys go from node to node, Enter shows a node, X opens a block, plus and minus zoom, 0 fits.')}`}
        onKeyDown={onKeyDown}
        {...gestures}
        onClick={(event) => {
          if (event.target === svg.current) selected.value = hit(event)
        }}
      >
        <g ref={world}>
          {layout.paths.map((path) => {
            const edge = diff.edges[path.edge]!
            if (!(side === 'before' ? edge.inBefore : edge.inAfter)) return null
            if (shown && !shown.has(edge.from) && !shown.has(edge.to)) return null
            return <EdgeLine key={path.edge} edge={edge} path={path} side={side} labels={!isFar} />
          })}
          {boxes.map((box) => (
            <NodeCard
              key={box.key}
              node={nodes.get(box.key)!}
              box={box}
              side={side}
              selected={selected.value === box.key}
              reachable={(selected.value ?? firstKey) === box.key}
              price={props.price?.(nodes.get(box.key)!, side)}
              onSelect={() => {
                selected.value = box.key
              }}
              onExpand={() => onExpand(box.key)}
            />
          ))}
        </g>
      </svg>
      <div class="pane-label">{label}</div>
      {leads && !all ? (
        <Overview {...{ diff, layout, side, viewport }} price={props.price} pane={size} />
      ) : null}
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
