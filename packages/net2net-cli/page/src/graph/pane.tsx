/** One drawing of a graph: the model before, or the one after. Drag, pinch, wheel and keys move it. */
import { type Signal, useSignalEffect } from '@preact/signals'
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Side } from '../engine/diff.ts'
import type { Drawing, DrawnNode } from '../engine/drawing.ts'
import { t } from '../text/text.ts'
import { colours } from '../ui/theme.tsx'
import { NodeCard, type Price } from './card.tsx'
import { EdgeLine } from './edge.tsx'
import { usePointerGestures } from './gestures.ts'
import { Overview } from './overview.tsx'
import { isSame } from './same.ts'
import { drawSmall } from './small.ts'
import { bringIntoView, fitView, startView, type Viewport, zoomAt } from './viewport.ts'
import { areTooMany, detailAt, isWithin, type Window, windowAt } from './window.ts'

export interface PaneProps {
  readonly drawing: Drawing
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
  readonly price?: ((node: DrawnNode, side: Side) => Price | undefined) | undefined
}

/** Larger drawings have an overview in the corner. */
const overviewAbove = 300

export function GraphPane(props: PaneProps) {
  const { drawing, side, label, viewport, selected, drawingKey, leads, onExpand, price } = props
  const svg = useRef<SVGSVGElement>(null)
  const world = useRef<SVGGElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  const fitted = useRef('')

  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect
      // While its tab is hidden, it stays as it was.
      if (width === 0 || height === 0) return
      setSize((before) => {
        if (before.width === width && before.height === height) return before
        // What was in the middle stays in the middle.
        if (leads && before.width > 0) {
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
    viewport.value = startView(drawing, size)
  }, [drawingKey, size])

  const gestures = usePointerGestures(svg, viewport)
  const isPresent = ({ status }: DrawnNode) =>
    status !== (side === 'before' ? 'inserted' : 'removed')
  // The drawing moves as a whole; its parts change only when what is seen leaves the window.
  const last = useRef<{ window: Window | undefined; drawing?: Drawing; detail: string }>({
    window: undefined,
    detail: '',
  })
  const [, redraw] = useState(0)
  const view = viewport.peek()
  const lastWindow = last.current.drawing === drawing ? last.current.window : undefined
  const window = windowAt(drawing, view, size, lastWindow)
  const detail = detailAt(drawing, view)
  last.current = { window, drawing, detail }
  const known = useRef<ReadonlyMap<string, DrawnNode>>(new Map())
  const inWindow = useMemo(() => {
    const places: number[] = []
    drawing.nodes.forEach((node, i) => {
      if (isPresent(node) && isWithin(node, window)) places.push(i)
    })
    return places
  }, [drawing, window, side])
  const isSmall = detail === 'canvas' || (window !== undefined && areTooMany(inWindow.length))
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
  const reached = selected.value ?? drawing.nodes[inWindow[0] ?? -1]?.key
  // The one that keys reach is always in the document.
  const cards = nodes.some(({ key }) => key === reached)
    ? nodes
    : [...nodes, ...drawing.nodes.filter((node) => node.key === reached && isPresent(node))]
  const edges = useMemo(() => {
    if (isSmall) return []
    const shown = new Set(inWindow)
    return drawing.edges.filter(
      ({ inBefore, inAfter, from, to }) =>
        (side === 'before' ? inBefore : inAfter) && (shown.has(from) || shown.has(to)),
    )
  }, [drawing, inWindow, isSmall, side])
  const lines = useMemo(
    () =>
      edges.map((edge) => (
        <EdgeLine
          key={`${drawing.nodes[edge.from]!.key}\n${drawing.nodes[edge.to]!.key}`}
          edge={edge}
          side={side}
          labels={detail === 'labels'}
        />
      )),
    [edges, detail === 'labels'],
  )
  const scheme = colours.value

  const move = () => {
    const { k, tx, ty } = viewport.peek()
    world.current?.setAttribute('transform', `translate(${tx} ${ty}) scale(${k})`)
    if (isSmall && canvas.current !== null)
      drawSmall(
        canvas.current,
        size,
        { drawing, side, price },
        { kx: k, ky: k, tx, ty },
        { edges: true },
      )
  }
  const latestMove = useRef(move)
  latestMove.current = move
  const isStale = useRef<(view: Viewport) => boolean>(() => false)
  isStale.current = (at) =>
    windowAt(drawing, at, size, last.current.window) !== last.current.window ||
    detailAt(drawing, at) !== last.current.detail
  useSignalEffect(() => {
    const at = viewport.value
    latestMove.current()
    if (isStale.current(at)) redraw((count) => count + 1)
  })
  useLayoutEffect(move, [isSmall, drawing, size, scheme, price])

  /** The node under the pointer, where nodes are no elements. */
  const hit = (event: MouseEvent): string | undefined => {
    if (!isSmall) return undefined
    const { left, top } = svg.current!.getBoundingClientRect()
    const { k, tx, ty } = viewport.peek()
    const [x, y] = [(event.clientX - left - tx) / k, (event.clientY - top - ty) / k]
    const reach = 3 / k
    return inWindow
      .map((i) => drawing.nodes[i]!)
      .find(
        (box) =>
          x >= box.x - reach &&
          x <= box.x + box.width + reach &&
          y >= box.y - reach &&
          y <= box.y + box.height + reach,
      )?.key
  }
  const keyAt = (event: Event): string | undefined =>
    event.target instanceof Element
      ? event.target.closest<SVGGElement>('.card')?.dataset.key
      : undefined
  const isBlock = (key: string) =>
    drawing.nodes.some((node) => node.key === key && node.kind === 'block')

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
      '0': () => (viewport.value = fitView(drawing, size)),
      x: () => {
        if (selected.value !== undefined && isBlock(selected.value)) onExpand(selected.value)
      },
    }
    const arrows: Record<string, readonly [number, number]> = {
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
    }
    const arrow = arrows[event.key]
    const key = keyAt(event)
    // A node that has the focus is one to go from, though none is selected yet.
    const from = selected.value ?? key
    if (key !== undefined && (event.key === 'Enter' || event.key === ' ')) selected.value = key
    else if (actions[event.key] && !event.ctrlKey && !event.metaKey) actions[event.key]!()
    else if (arrow && (event.shiftKey || from === undefined)) pan(-arrow[0] * 60, -arrow[1] * 60)
    else if (arrow) {
      const next = neighbour(drawing.nodes.filter(isPresent), from!, arrow)
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
          const key = keyAt(event)
          if (key !== undefined || event.target === svg.current) selected.value = key ?? hit(event)
        }}
        onDblClick={(event) => {
          const key = keyAt(event)
          if (key !== undefined && isBlock(key)) onExpand(key)
        }}
      >
        <g ref={world}>
          {lines}
          {cards.map((node) => {
            const { key } = node
            const { shade, share } = price?.(node, side) ?? {}
            return (
              <NodeCard
                key={key}
                {...{ node, side, shade, share }}
                selected={selected.value === key}
                reachable={reached === key}
              />
            )
          })}
        </g>
      </svg>
      <div class="pane-label">{label}</div>
      {leads && drawing.nodes.length > overviewAbove ? (
        <Overview {...{ drawing, side, viewport, price }} pane={size} />
      ) : null}
    </div>
  )
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
