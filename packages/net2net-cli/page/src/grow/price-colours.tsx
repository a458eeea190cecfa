/** Colours that say what each node costs: parameters, or multiply-adds of one sample. */
import { computed } from '@preact/signals'
import type { NodeDiff, Side } from '../engine/diff.ts'
import type { ModelView, NodeView } from '../engine/view.ts'
import { type Price, priceOpacity } from '../graph/card.tsx'
import { param, setParams } from '../state.ts'
import { t } from '../text/text.ts'
import { count } from '../ui/format.ts'

type By = 'multiply-adds' | 'parameters'

const priceParam = param('price')
export const pricedBy = computed<By | undefined>(() =>
  priceParam.value === 'parameters' || priceParam.value === 'multiply-adds'
    ? priceParam.value
    : undefined,
)

export interface Prices {
  readonly of: (node: NodeDiff, side: Side) => Price | undefined
  /** What the dearest node costs, and its share of the whole. */
  readonly most: number
  readonly share: string
}

const parametersOf = ({ parameters }: NodeView): number =>
  parameters.reduce(
    (sum, { dims, dtype }) =>
      /float/.test(dtype) && dims.length > 0 ? sum + dims.reduce((a, b) => a * b, 1) : sum,
    0,
  )

/** Prices of the nodes of both sides: one scale, and shares of the side's whole. */
export function pricesAmong(nodes: readonly NodeDiff[], by: By): Prices {
  const costOf = by === 'parameters' ? parametersOf : (node: NodeView) => node.multiplyAdds ?? 0
  const sides = { before: new Map<string, number>(), after: new Map<string, number>() }
  for (const { key, before, after } of nodes) {
    if (before) sides.before.set(key, costOf(before))
    if (after) sides.after.set(key, costOf(after))
  }
  const whole = { before: sum(sides.before.values()), after: sum(sides.after.values()) }
  let [most, dearest] = [0, 0]
  for (const side of ['before', 'after'] as const)
    for (const cost of sides[side].values()) {
      most = Math.max(most, cost)
      if (side === 'after') dearest = Math.max(dearest, cost)
    }
  return {
    most,
    share: percent(dearest, whole.after),
    of({ key, members }, side) {
      const cost = members
        ? sum(members.map((member) => sides[side].get(member) ?? 0))
        : (sides[side].get(key) ?? 0)
      if (cost === 0) return undefined
      return { shade: Math.min(1, cost / most), share: percent(cost, whole[side]) }
    },
  }
}

const sum = (values: Iterable<number>): number => {
  let total = 0
  for (const value of values) total += value
  return total
}

/** 12%, 0.3%, <0.1%. */
function percent(part: number, whole: number): string {
  const share = whole > 0 ? (100 * part) / whole : 0
  if (share >= 9.95) return `${share.toFixed(0)}%`
  return share >= 0.1 ? `${share.toFixed(1)}%` : share > 0 ? '<0.1%' : '0%'
}

/** Chooses what colours say, and says what they mean. */
export function PriceTools({ prices, view }: { prices: Prices | undefined; view: ModelView }) {
  return (
    <div class="row price-tools">
      {prices === undefined ? null : (
        <span class="row nowrap price-legend small muted number" data-legend={prices.most}>
          0
          <svg width="72" height="10" viewBox="0 0 72 10" aria-hidden="true">
            {Array.from({ length: 12 }, (_, i) => (
              <rect
                key={i}
                class="price"
                x={6 * i}
                width="6"
                height="10"
                style={{ opacity: priceOpacity((i + 0.5) / 12) }}
              />
            ))}
          </svg>
          {t('{0} ({1} of all)', count(prices.most), prices.share)}
        </span>
      )}
      <label class="row nowrap small muted">
        <span>{t('Price')}</span>
        <select
          value={pricedBy.value ?? ''}
          onChange={(event) => setParams({ price: event.currentTarget.value })}
        >
          <option value="">{t('not shown')}</option>
          <option value="parameters">{t('parameters')}</option>
          <option value="multiply-adds" disabled={view.multiplyAdds === null}>
            {t('multiply-adds')}
          </option>
        </select>
      </label>
    </div>
  )
}
