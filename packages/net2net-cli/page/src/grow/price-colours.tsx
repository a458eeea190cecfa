/** Colours that say what each node costs: parameters, or multiply-adds of one sample. */
import { computed } from '@preact/signals'
import type { Side } from '../engine/diff.ts'
import type { Drawing, DrawnNode } from '../engine/drawing.ts'
import type { ModelSummary } from '../engine/protocol.ts'
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
  readonly of: (node: DrawnNode, side: Side) => Price | undefined
  /** What the dearest node costs, and its share of the whole. */
  readonly most: number
  readonly share: string
}

/** Prices of what is drawn on both sides: one scale, and shares of the side's whole. */
export function pricesIn({ cost: { whole, dearest } }: Drawing, by: By): Prices {
  const measure = by === 'parameters' ? 'parameters' : 'multiplyAdds'
  const most = Math.max(dearest.before[measure], dearest.after[measure])
  // A node that is asked for again gets the very same answer.
  const known = { before: new Map<DrawnNode, Price>(), after: new Map<DrawnNode, Price>() }
  return {
    most,
    share: percent(dearest.after[measure], whole.after[measure]),
    of(node, side) {
      const cost = node.cost[side]?.[measure] ?? 0
      if (cost === 0) return undefined
      const price = known[side].get(node) ?? {
        shade: Math.min(1, cost / most),
        share: percent(cost, whole[side][measure]),
      }
      known[side].set(node, price)
      return price
    },
  }
}

/** 12%, 0.3%, <0.1%. */
function percent(part: number, whole: number): string {
  const share = whole > 0 ? (100 * part) / whole : 0
  if (share >= 9.95) return `${share.toFixed(0)}%`
  return share >= 0.1 ? `${share.toFixed(1)}%` : share > 0 ? '<0.1%' : '0%'
}

/** Chooses what colours say, and says what they mean. */
export function PriceTools({ prices, view }: { prices: Prices | undefined; view: ModelSummary }) {
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
