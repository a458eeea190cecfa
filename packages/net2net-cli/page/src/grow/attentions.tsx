/** Attention: more heads, and larger ones. */
import { useComputed } from '@preact/signals'
import type { InspectedAttention } from 'net2net'
import { said, t } from '../text/text.ts'
import { useNumberDraft } from '../ui/number-draft.ts'
import { settings, setWidth } from './settings.ts'

const measures = [
  { suffix: 'heads', label: 'Heads', size: 'heads', widen: 'heads' },
  {
    suffix: 'key-value-heads',
    label: 'Heads of keys and values',
    size: 'keyValueHeads',
    widen: 'keyValueHeads',
  },
  { suffix: 'head-size', label: 'Size of a head', size: 'headSize', widen: 'headSize' },
] as const

export function AttentionList({ attentions }: { attentions: readonly InspectedAttention[] }) {
  if (attentions.length === 0) return null
  return (
    <section class="layers" aria-label={t('Attention')}>
      <header class="side-head">
        <h2>{t('Attention')}</h2>
      </header>
      <ul>
        {attentions.map((attention) => (
          <li key={attention.name} class="layer" data-attention={attention.name}>
            <div class="layer-head">
              <code>{attention.name}</code>
            </div>
            <div class="fields">
              {measures.map((measure) => (
                <Measure key={measure.suffix} {...{ attention, measure }} />
              ))}
            </div>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Measure(props: {
  readonly attention: InspectedAttention
  readonly measure: (typeof measures)[number]
}) {
  const { attention, measure } = props
  const now = attention[measure.size]
  const refusal = attention.widen[measure.widen]
  const key = `${attention.name}.${measure.suffix}`
  const chosen = useComputed(() => settings.value.widths.get(key)).value
  const draft = useNumberDraft(chosen ?? now ?? 0, (wanted) => {
    if (Number.isSafeInteger(wanted)) setWidth([key], key, wanted === now ? undefined : wanted)
  })
  // Where each head has keys and values of its own, these grow with the heads.
  const isSame = measure.suffix === 'key-value-heads' && now === attention.heads
  if (now === null || isSame) return null
  return (
    <label class="field">
      <span>{t(measure.label)}</span>
      <input
        type="number"
        aria-label={`${t(measure.label)}: ${attention.name}`}
        min={now}
        step={1}
        disabled={refusal !== true}
        {...draft}
      />
      {refusal === true ? null : (
        <span class="why small">
          <span class="muted">{t('Cannot grow:')}</span> {said(refusal)}
        </span>
      )}
    </label>
  )
}
