import type { Side } from '../engine/diff.ts'
import type { DrawnNode, DrawnRow } from '../engine/drawing.ts'
import { headerHeight, rowHeight } from '../engine/layout.ts'
import { t } from '../text/text.ts'

export const statusWords = {
  same: 'the same',
  widened: 'widened',
  changed: 'changed',
  inserted: 'inserted',
  removed: 'removed',
} as const

/** A mark besides the colour, for whoever does not see colours. */
export const statusSigns = {
  same: '',
  widened: '↔',
  changed: '≠',
  inserted: '+',
  removed: '−',
} as const

interface CardProps {
  readonly node: DrawnNode
  readonly side: Side
  readonly selected: boolean
  /** Is this the node that Tab goes to? */
  readonly reachable: boolean
  /** What this node costs, where that is shown. */
  readonly shade: Price['shade'] | undefined
  readonly share: Price['share'] | undefined
}

export interface Price {
  /** How dear it is, from 0 to 1, which is the dearest. */
  readonly shade: number
  /** Its share of the whole, as a text. */
  readonly share: string
}

/** How strong the colour of a price is. */
export const priceOpacity = (shade: number): number => 0.08 + 0.52 * Math.sqrt(shade)

/** Drawn anew only when one of its properties changes; the pane hears what is pressed on it. */
export function NodeCard({ node, side, selected, reachable, shade, share }: CardProps) {
  const rows = node.rows.length
  const isEnd = node.kind === 'input' || node.kind === 'output'
  const sign = statusSigns[node.status]
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no button element
    <g
      class={`card ${node.status} kind-${node.kind} ${selected ? 'selected' : ''} ${shade === undefined ? '' : 'priced'}`}
      transform={`translate(${node.x} ${node.y})`}
      data-key={node.key}
      data-status={node.status}
      role="button"
      tabindex={reachable ? 0 : -1}
      aria-pressed={selected}
      aria-description={isEnd ? t(node.kind) : t(statusWords[node.status])}
    >
      {node.kind === 'block' ? (
        <rect class="frame behind" x="4" y="4" width={node.width} height={node.height} rx={10} />
      ) : null}
      <rect
        class="frame"
        width={node.width}
        height={node.height}
        rx={rows > 0 ? 7 : node.kind === 'block' ? 10 : 14}
      />
      {shade === undefined ? null : (
        <>
          <rect
            class="price"
            width={node.width}
            height={node.height}
            rx={rows > 0 ? 7 : node.kind === 'block' ? 10 : 14}
            style={{ opacity: priceOpacity(shade).toFixed(2) }}
          />
          <text class="share" x={node.width - 2} y="-4" text-anchor="end">
            {share}
          </text>
        </>
      )}
      {rows > 0 && shade === undefined ? <path class="head" d={headPath(node.width)} /> : null}
      {node.kind === 'block' ? (
        <>
          <text class="op" x={node.width / 2} y="19" text-anchor="middle">
            {sign === '' ? '' : `${sign} `}
            {clip(node.op, Math.floor((node.width - 20) / 7.4))}
          </text>
          <text class="name" x={node.width / 2} y="35" text-anchor="middle">
            {t('{0} nodes', node.name)}
          </text>
        </>
      ) : rows > 0 ? (
        <>
          <text class="op" x="12" y="18.5">
            {node.op}
          </text>
          <text class="name" x={node.width - 12} y="18.5" text-anchor="end">
            {sign === '' ? '' : `${sign} `}
            {clip(node.name, Math.floor((node.width - node.op.length * 8 - 34) / 6.6))}
          </text>
        </>
      ) : (
        <text class="op" x={node.width / 2} y={node.height / 2 + 4.5} text-anchor="middle">
          {sign === '' ? '' : `${sign} `}
          {clip(node.op, Math.floor((node.width - 20) / 7.4))}
        </text>
      )}
      {node.rows.map((row, i) => (
        <g key={row.label} transform={`translate(0 ${headerHeight + 3 + i * rowHeight})`}>
          <text class="parameter" x="12" y="13.5">
            {row.label}
          </text>
          <Dims row={row} side={side} x={node.width - 12} />
        </g>
      ))}
    </g>
  )
}

/** The dimensions of a parameter on one side; those that differ stand out. */
function Dims({ row, side, x }: { row: DrawnRow; side: Side; x: number }) {
  const own = row[side] ?? row.after ?? row.before!
  const other = row[side] && row[side === 'before' ? 'after' : 'before']
  return (
    <text class="dims" x={x} y="13.5" text-anchor="end">
      {own.length === 0
        ? t('scalar')
        : own.map((dim, i) => (
            <>
              {i > 0 ? <tspan class="times">×</tspan> : null}
              <tspan class={other && other[i] !== dim ? 'grown' : ''}>{dim}</tspan>
            </>
          ))}
      {row.valuesDiffer ? <tspan class="grown"> ≠</tspan> : null}
    </text>
  )
}

const headPath = (width: number) =>
  `M0 7a7 7 0 0 1 7-7h${width - 14}a7 7 0 0 1 7 7v${headerHeight - 7}H0z`

const clip = (text: string, length: number) =>
  text.length > Math.max(4, length) ? `…${text.slice(-Math.max(3, length - 1))}` : text
