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
import { onPaneKey } from './pane-keys.ts'
import { usePaneSize } from './pane-size.ts'
import { useShown } from './shown.ts'
import { isNodeOf } from './side.ts'
import { drawSmall } from './small.ts'
import { startView, type Viewport } from './viewport.ts'

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
  const size = usePaneSize(svg, viewport, leads)
  const fitted = useRef('')
  useLayoutEffect(() => {
    if (size.width === 0 || fitted.current === drawingKey) return
    fitted.current = drawingKey
    viewport.value = startView(drawing, size)
  }, [drawingKey, size])

  const gestures = usePointerGestures(svg, viewport)
  const shown = useShown(drawing, side, viewport.peek(), size)
  const { isSmall, nodes, edges, inWindow } = shown
  const present = () => drawing.nodes.filter((node) => isNodeOf(side, node))
  const reached = selected.value ?? drawing.nodes[inWindow[0] ?? -1]?.key
  // The one that keys reach is always in the document.
  const cards = nodes.some(({ key }) => key === reached)
    ? nodes
    : [...nodes, ...drawing.nodes.filter((node) => node.key === reached && isNodeOf(side, node))]
  const labels = shown.detail === 'labels'
  const lines = useMemo(
    () =>
      edges.map((edge) => {
        const key = `${drawing.nodes[edge.from]!.key}\n${drawing.nodes[edge.to]!.key}`
        return <EdgeLine key={key} {...{ edge, side, labels }} />
      }),
    [edges, labels],
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
  const [, redraw] = useState(0)
  const latest = useRef({ move, shown })
  latest.current = { move, shown }
  useSignalEffect(() => {
    const at = viewport.value
    latest.current.move()
    if (latest.current.shown.isStale(at)) redraw((count) => count + 1)
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
  const expand = (key: string) => {
    if (drawing.nodes.some((node) => node.key === key && node.kind === 'block')) onExpand(key)
  }
  const focus = (key: string) => {
    selected.value = key
    requestAnimationFrame(() =>
      svg.current?.querySelector<SVGGElement>(`[data-key="${CSS.escape(key)}"]`)?.focus(),
    )
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
        onKeyDown={(event) =>
          onPaneKey(event, keyAt(event), {
            drawing,
            present,
            viewport,
            selected,
            size,
            expand,
            focus,
          })
        }
        {...gestures}
        onClick={(event) => {
          const key = keyAt(event)
          if (key !== undefined || event.target === svg.current) selected.value = key ?? hit(event)
        }}
        onDblClick={(event) => {
          const key = keyAt(event)
          if (key !== undefined) expand(key)
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
