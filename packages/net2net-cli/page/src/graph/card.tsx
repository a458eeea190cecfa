import type { NodeDiff, ParameterDiff, Side } from '../engine/diff.ts'
import { type Box, headerHeight, rowHeight, shownRows } from '../engine/layout.ts'
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
  readonly node: NodeDiff
  readonly box: Box
  readonly side: Side
  readonly selected: boolean
  /** Is this the node that Tab goes to? */
  readonly reachable: boolean
  readonly onSelect: () => void
  /** Of a block: draws its nodes. */
  readonly onExpand: () => void
  /** What this node costs, where that is shown. */
  readonly price: Price | undefined
}

export interface Price {
  /** How dear it is, from 0 to 1, which is the dearest. */
  readonly shade: number
  /** Its share of the whole, as a text. */
  readonly share: string
}

/** How strong the colour of a price is. */
export const priceOpacity = (shade: number): number => 0.08 + 0.52 * Math.sqrt(shade)

export function NodeCard(props: CardProps) {
  const { node, box, side, selected, reachable, onSelect, onExpand, price } = props
  const rows = shownRows(node)
  const isEnd = node.kind === 'input' || node.kind === 'output'
  const sign = statusSigns[node.status]
  return (
    // biome-ignore lint/a11y/useSemanticElements: SVG has no button element
    <g
      class={`card ${node.status} kind-${node.kind} ${selected ? 'selected' : ''} ${price ? 'priced' : ''}`}
      transform={`translate(${box.x} ${box.y})`}
      data-key={node.key}
      data-status={node.status}
      role="button"
      tabindex={reachable ? 0 : -1}
      aria-pressed={selected}
      aria-description={isEnd ? t(node.kind) : t(statusWords[node.status])}
      onDblClick={() => {
        if (node.kind === 'block') onExpand()
      }}
      onClick={(event) => {
        event.stopPropagation()
        onSelect()
      }}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return
        event.preventDefault()
        event.stopPropagation()
        onSelect()
      }}
    >
      {node.kind === 'block' ? (
        <rect class="frame behind" x="4" y="4" width={box.width} height={box.height} rx={10} />
      ) : null}
      <rect
        class="frame"
        width={box.width}
        height={box.height}
        rx={rows > 0 ? 7 : node.kind === 'block' ? 10 : 14}
      />
      {price === undefined ? null : (
        <>
          <rect
            class="price"
            width={box.width}
            height={box.height}
            rx={rows > 0 ? 7 : node.kind === 'block' ? 10 : 14}
            style={{ opacity: priceOpacity(price.shade).toFixed(2) }}
          />
          <text class="share" x={box.width - 2} y="-4" text-anchor="end">
            {price.share}
          </text>
        </>
      )}
      {rows > 0 && price === undefined ? <path class="head" d={headPath(box.width)} /> : null}
      {node.kind === 'block' ? (
        <>
          <text class="op" x={box.width / 2} y="19" text-anchor="middle">
            {sign === '' ? '' : `${sign} `}
            {clip(node.op, Math.floor((box.width - 20) / 7.4))}
          </text>
          <text class="name" x={box.width / 2} y="35" text-anchor="middle">
            {t('{0} nodes', node.name)}
          </text>
        </>
      ) : rows > 0 ? (
        <>
          <text class="op" x="12" y="18.5">
            {node.op}
          </text>
          <text class="name" x={box.width - 12} y="18.5" text-anchor="end">
            {sign === '' ? '' : `${sign} `}
            {clip(node.name, Math.floor((box.width - node.op.length * 8 - 34) / 6.6))}
          </text>
        </>
      ) : (
        <text class="op" x={box.width / 2} y={box.height / 2 + 4.5} text-anchor="middle">
          {sign === '' ? '' : `${sign} `}
          {clip(node.op, Math.floor((box.width - 20) / 7.4))}
        </text>
      )}
      {node.parameters.slice(0, rows).map((parameter, i) => (
        <g key={parameter.label} transform={`translate(0 ${headerHeight + 3 + i * rowHeight})`}>
          <text class="parameter" x="12" y="13.5">
            {parameter.label}
          </text>
          <Dims parameter={parameter} side={side} x={box.width - 12} />
        </g>
      ))}
    </g>
  )
}

/** The dimensions of a parameter on one side; those that differ stand out. */
function Dims({ parameter, side, x }: { parameter: ParameterDiff; side: Side; x: number }) {
  const own = parameter[side] ?? parameter.after ?? parameter.before!
  const other = parameter[side === 'before' ? 'after' : 'before']
  return (
    <text class="dims" x={x} y="13.5" text-anchor="end">
      {own.dims.length === 0
        ? t('scalar')
        : own.dims.map((dim, i) => (
            <>
              {i > 0 ? <tspan class="times">×</tspan> : null}
              <tspan
                class={other && own === parameter[side] && other.dims[i] !== dim ? 'grown' : ''}
              >
                {dim}
              </tspan>
            </>
          ))}
      {parameter.valuesDiffer ? <tspan class="grown"> ≠</tspan> : null}
    </text>
  )
}

const headPath = (width: number) =>
  `M0 7a7 7 0 0 1 7-7h${width - 14}a7 7 0 0 1 7 7v${headerHeight - 7}H0z`

const clip = (text: string, length: number) =>
  text.length > Math.max(4, length) ? `…${text.slice(-Math.max(3, length - 1))}` : text
