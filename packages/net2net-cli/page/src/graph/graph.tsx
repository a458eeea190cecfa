/** The drawing with its tools: search, zoom, legend, one pane or two in step. */
import { type Signal, useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useMemo, useRef } from 'preact/hooks'
import { latest } from '../engine/client.ts'
import { manyNodes } from '../engine/collapse.ts'
import type { Side, Status } from '../engine/diff.ts'
import type { Drawing, DrawnNode } from '../engine/drawing.ts'
import type { FoundNode } from '../engine/look-up.ts'
import { models } from '../engine/model-client.ts'
import type { Pair } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { type Price, statusSigns, statusWords } from './card.tsx'
import { GraphPane } from './pane.tsx'
import {
  bringIntoView,
  fitView,
  newViewport,
  startView,
  type Viewport,
  zoomAt,
} from './viewport.ts'

export interface GraphProps {
  /** Which models are drawn: their worker knows what is not. */
  readonly of: Pair
  readonly drawing: Drawing
  /** The names of the two sides; without the second, one pane is drawn. */
  readonly labels: readonly [string] | readonly [string, string]
  readonly selected: Signal<string | undefined>
  readonly drawingKey: string
  /** Draws blocks as their nodes: those with these keys, all, or none. */
  readonly onExpand: (blocks: readonly string[] | 'all' | 'none') => Promise<void>
  /** What a node costs, where that is shown. */
  readonly price?: ((node: DrawnNode, side: Side) => Price | undefined) | undefined
  /** Further tools beside the zoom. */
  readonly tools?: ComponentChildren
}

export function GraphView(props: GraphProps) {
  const { of, drawing, labels, selected, drawingKey, onExpand, price } = props
  const viewport = useMemo(newViewport, [])
  const panes = useRef<HTMLDivElement>(null)
  /** undefined once the view is gone: the worker may answer later than that. */
  const paneSize = () => {
    const pane = panes.current?.querySelector<HTMLElement>('.pane')
    return pane ? { width: pane.clientWidth, height: pane.clientHeight } : undefined
  }
  const zoom = (factor: number) => {
    const size = paneSize()
    if (size) viewport.value = zoomAt(viewport.value, factor, size.width / 2, size.height / 2)
  }
  const show = (key: string): boolean => {
    const box = drawing.nodes.find((node) => node.key === key)
    const size = paneSize()
    if (box !== undefined && size) bringIntoView(viewport, box, size)
    return box !== undefined
  }
  const goTo = ({ key, home }: FoundNode) => {
    selected.value = key
    // A node of a block is shown as soon as that is drawn as its nodes.
    if (home !== key) void onExpand([home])
    if (viewport.value.k < 0.5) zoom(0.7 / viewport.value.k)
    show(home)
  }
  /** Another drawing altogether comes: it is shown as it would be first. */
  const isAnother = useRef(false)
  useEffect(() => {
    const size = paneSize()
    if (isAnother.current && size) viewport.value = startView(drawing, size)
    isAnother.current = false
  }, [drawing])
  const chosen = selected.value
  const latestShow = useRef(show)
  latestShow.current = show
  useEffect(() => {
    if (chosen === undefined || show(chosen)) return
    // It lies in a block.
    void models[of].call('locate', { of, node: { key: chosen } }).then(
      (found) => {
        if (found && selected.peek() === chosen) latestShow.current(found.home)
      },
      () => undefined,
    )
  }, [chosen, drawing])
  const [before, after] = labels
  const expand = (block: string) => void onExpand([block])
  const expandAll = (blocks: 'all' | 'none') => {
    isAnother.current = true
    void onExpand(blocks)
  }
  const common = { drawing, viewport, selected, drawingKey, price, onExpand: expand }
  const blocks = drawing.nodes.filter(({ kind }) => kind === 'block').length
  const isLarge = drawing.total > manyNodes
  return (
    <div class="graph-view">
      <div class="graph-tools">
        <Search of={of} onChoose={goTo} />
        {after === undefined ? null : <Legend of={of} counts={drawing.counts} onChoose={goTo} />}
        {isLarge ? (
          <div class="row">
            <button
              type="button"
              class="small"
              disabled={blocks === 0}
              onClick={() => expandAll('all')}
            >
              {t('Open all {0} blocks', blocks)}
            </button>
            <button type="button" class="small" onClick={() => expandAll('none')}>
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
              const size = paneSize()
              if (size) viewport.value = fitView(drawing, size)
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
function Legend(props: {
  readonly of: Pair
  readonly counts: Drawing['counts']
  readonly onChoose: (node: FoundNode) => void
}) {
  const { of, counts, onChoose } = props
  const next = useRef<Partial<Record<Status, number>>>({})
  const statuses = (Object.keys(counts) as Status[]).filter(
    (status) => counts[status] > 0 || status === 'same',
  )
  const showNext = async (status: Status) => {
    const number = next.current[status] ?? 0
    next.current[status] = number + 1
    const found = await models[of].ask('locate', { of, node: { status, number } })
    if (found) onChoose(found)
  }
  return (
    <div class="row legend">
      {statuses.map((status) => {
        const text = `${counts[status]} ${t(statusWords[status])}`
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
            onClick={() => void showNext(status)}
          >
            <span aria-hidden="true">{statusSigns[status]}</span> {text}
          </button>
        )
      })}
    </div>
  )
}

function Search({ of, onChoose }: { of: Pair; onChoose: (node: FoundNode) => void }) {
  const id = useId()
  const text = useSignal('')
  const at = useSignal(0)
  const open = useSignal(false)
  const answer = useSignal<{ readonly to: string; readonly nodes: readonly FoundNode[] }>({
    to: '',
    nodes: [],
  })
  const ask = useMemo(
    () => latest((wanted: string) => models[of].call('find', { of, text: wanted })),
    [of],
  )
  /** What the text that is there finds; the list shows it as soon as it is known. */
  const asked = useRef<Promise<readonly FoundNode[]>>(Promise.resolve([]))
  const look = (wanted: string) => {
    asked.current = ask(wanted).then(
      (nodes = []) => {
        if (text.peek() === wanted) answer.value = { to: wanted, nodes }
        return nodes
      },
      () => [],
    )
  }
  const choose = (node: FoundNode | undefined) => {
    if (node === undefined) return
    onChoose(node)
    open.value = false
  }
  const isWanted = text.value.trim() !== ''
  const found = isWanted ? answer.value.nodes : []
  const showing = open.value && isWanted
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
          look(text.value)
        }}
        onBlur={() => {
          open.value = false
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') at.value = Math.min(at.value + 1, found.length - 1)
          else if (event.key === 'ArrowUp') at.value = Math.max(at.value - 1, 0)
          else if (event.key === 'Enter')
            void asked.current.then((nodes) => choose(nodes[at.peek()]))
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
      {showing && found.length === 0 && answer.value.to === text.value ? (
        <div class="found nothing" role="status">
          {t('No node is called that.')}
        </div>
      ) : null}
    </div>
  )
}
