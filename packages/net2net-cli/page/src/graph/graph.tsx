/** The drawing with its tools: search, zoom, legend, one pane or two in step. */
import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useMemo, useRef } from 'preact/hooks'
import { manyNodes } from '../engine/collapse.ts'
import type { Diff, NodeDiff, Side, Status } from '../engine/diff.ts'
import type { Layout } from '../engine/layout.ts'
import { t } from '../text/text.ts'
import { type Price, statusSigns, statusWords } from './card.tsx'
import { bringIntoView, GraphPane } from './pane.tsx'
import { fitView, newViewport, type Viewport, zoomAt } from './viewport.ts'

export interface GraphProps {
  /** All nodes. */
  readonly diff: Diff
  /** What is drawn: with blocks in the place of nodes, where there are many. */
  readonly drawn: Diff
  readonly layout: Layout
  /** The names of the two sides; without the second, one pane is drawn. */
  readonly labels: readonly [string] | readonly [string, string]
  readonly selected: Signal<string | undefined>
  readonly drawingKey: string
  /** Draws blocks as their nodes: those with these keys, all, or none. */
  readonly onExpand: (blocks: readonly string[] | 'all' | 'none') => void
  /** What a node costs, where that is shown. */
  readonly price?: ((node: NodeDiff, side: Side) => Price | undefined) | undefined
  /** Further tools beside the zoom. */
  readonly tools?: ComponentChildren
}

export function GraphView(props: GraphProps) {
  const { diff, drawn, layout, labels, selected, drawingKey, onExpand, price } = props
  const viewport = useMemo(newViewport, [])
  const panes = useRef<HTMLDivElement>(null)
  const paneSize = () => {
    const { clientWidth: width, clientHeight: height } = panes.current!.querySelector(
      '.pane',
    ) as HTMLElement
    return { width, height }
  }
  const zoom = (factor: number) => {
    const { width, height } = paneSize()
    viewport.value = zoomAt(viewport.value, factor, width / 2, height / 2)
  }
  const boxOf = (key: string | undefined) => {
    const home = drawn.nodes.find((node) => node.key === key || node.members?.includes(key ?? ''))
    return home && layout.boxes.find((candidate) => candidate.key === home.key)
  }
  const goTo = (key: string) => {
    const box = boxOf(key)
    if (box === undefined) return
    selected.value = key
    // A node of a block is shown as soon as that is drawn as its nodes.
    if (box.key !== key) onExpand([box.key])
    if (viewport.value.k < 0.5) zoom(0.7 / viewport.value.k)
    bringIntoView(viewport, box, paneSize())
  }
  const chosen = selected.value
  useEffect(() => {
    const box = boxOf(chosen)
    if (box !== undefined) bringIntoView(viewport, box, paneSize())
  }, [chosen, layout])
  const [before, after] = labels
  const expand = (block: string) => onExpand([block])
  const common = { diff: drawn, layout, viewport, selected, drawingKey, price, onExpand: expand }
  const blocks = drawn.nodes.filter(({ kind }) => kind === 'block').length
  const isLarge = diff.nodes.length > manyNodes
  return (
    <div class="graph-view">
      <div class="graph-tools">
        <Search diff={diff} onChoose={goTo} />
        {after === undefined ? null : <Legend diff={diff} onChoose={goTo} />}
        {isLarge ? (
          <div class="row">
            <button
              type="button"
              class="small"
              disabled={blocks === 0}
              onClick={() => onExpand('all')}
            >
              {t('Open all {0} blocks', blocks)}
            </button>
            <button type="button" class="small" onClick={() => onExpand('none')}>
              {t('Close blocks')}
            </button>
          </div>
        ) : null}
        <div class="row zoom">
          {props.tools}
          <ZoomText viewport={viewport} />
          <button
            type="button"
            class="icon quiet"
            aria-label={t('Zoom out')}
            onClick={() => zoom(0.8)}
          >
            −
          </button>
          <button
            type="button"
            class="icon quiet"
            aria-label={t('Zoom in')}
            onClick={() => zoom(1.25)}
          >
            +
          </button>
          <button
            type="button"
            class="quiet small"
            onClick={() => {
              viewport.value = fitView(layout, paneSize())
            }}
          >
            {t('Fit')}
          </button>
        </div>
      </div>
      <div class={`panes ${after === undefined ? '' : 'two'}`} ref={panes}>
        {after === undefined ? (
          <GraphPane {...common} side="after" label={before} leads />
        ) : (
          <>
            <GraphPane {...common} side="before" label={before} leads />
            <GraphPane {...common} side="after" label={after} leads={false} />
          </>
        )}
      </div>
    </div>
  )
}

const ZoomText = ({ viewport }: { viewport: Signal<Viewport> }) => (
  <span class="zoom-text muted small number">{Math.round(viewport.value.k * 100)}%</span>
)

/** How many nodes have which state; pressing one goes to the next such node. */
function Legend({ diff, onChoose }: { diff: Diff; onChoose: (key: string) => void }) {
  const last = useRef<Partial<Record<Status, number>>>({})
  const statuses = (Object.keys(diff.counts) as Status[]).filter(
    (status) => diff.counts[status] > 0 || status === 'same',
  )
  return (
    <div class="row legend">
      {statuses.map((status) => {
        const text = `${diff.counts[status]} ${t(statusWords[status])}`
        if (status === 'same')
          return (
            <span key={status} class="badge">
              {text}
            </span>
          )
        return (
          <button
            key={status}
            type="button"
            class={`badge ${status}`}
            title={t('Show the next one')}
            onClick={() => {
              const keys = diff.nodes.filter((node) => node.status === status)
              const next = ((last.current[status] ?? -1) + 1) % keys.length
              last.current[status] = next
              onChoose(keys[next]!.key)
            }}
          >
            <span aria-hidden="true">{statusSigns[status]}</span> {text}
          </button>
        )
      })}
    </div>
  )
}

function Search({ diff, onChoose }: { diff: Diff; onChoose: (key: string) => void }) {
  const id = useId()
  const text = useSignal('')
  const at = useSignal(0)
  const open = useSignal(false)
  const wanted = text.value.trim().toLowerCase()
  const found = wanted === '' ? [] : diff.nodes.filter((node) => matches(node, wanted)).slice(0, 12)
  const choose = (node: NodeDiff | undefined) => {
    if (node === undefined) return
    onChoose(node.key)
    open.value = false
  }
  const showing = open.value && wanted !== ''
  return (
    <div class="search">
      <input
        type="text"
        // biome-ignore lint/a11y/noRedundantRoles: without a list attribute it is not redundant
        role="combobox"
        list={undefined}
        placeholder={t('Find a node')}
        aria-label={t('Find a node')}
        aria-expanded={showing && found.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={showing && found[at.value] ? `${id}-${at.value}` : undefined}
        value={text}
        onInput={(event) => {
          text.value = event.currentTarget.value
          at.value = 0
          open.value = true
        }}
        onBlur={() => {
          open.value = false
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') at.value = Math.min(at.value + 1, found.length - 1)
          else if (event.key === 'ArrowUp') at.value = Math.max(at.value - 1, 0)
          else if (event.key === 'Enter') choose(found[at.value])
          else if (event.key === 'Escape') open.value = false
          else return
          event.preventDefault()
        }}
      />
      <div
        id={`${id}-list`}
        role="listbox"
        aria-label={t('Nodes found')}
        class="found"
        hidden={!showing || found.length === 0}
      >
        {found.map((node, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the combobox's
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the combobox
          <div
            key={node.key}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at.value}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => choose(node)}
          >
            <span>{node.op}</span>
            <code>{node.name}</code>
          </div>
        ))}
      </div>
      {showing && found.length === 0 ? (
        <div class="found nothing" role="status">
          {t('No node is called that.')}
        </div>
      ) : null}
    </div>
  )
}

const matches = (node: NodeDiff, wanted: string) =>
  `${node.op} ${node.name} ${node.parameters.map((p) => (p.after ?? p.before)!.name).join(' ')}`
    .toLowerCase()
    .includes(wanted)
