/** Widens all layers up to a budget. */
import { useSignal } from '@preact/signals'
import type { Budget, ModelSummary } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { DataChoice } from '../train/own/settings.tsx'
import { FailureNotice } from '../ui/failure.tsx'
import { count } from '../ui/format.ts'
import { useNumberDraft } from '../ui/number-draft.ts'
import { openedBy } from './model.ts'
import { basis, cancel, failure, propose, proposing } from './proposal.ts'

export function WidenAll({ view }: { view: ModelSummary }) {
  const of = useSignal<Budget['of']>('parameters')
  const factor = useSignal(2)
  const byGain = useSignal(true)
  const now = view[of.value]
  if (now === null && of.value === 'multiplyAdds') of.value = 'parameters'
  const before = now ?? view.parameters
  const most = Math.round(before * factor.value)
  const draft = useNumberDraft(most, (value) => {
    if (value >= before) factor.value = value / before
  })
  const ask = () => void propose({ of: of.value, most }, byGain.value)
  return (
    <details class="more-growth pad">
      <summary>{t('Widen all, up to a budget')}</summary>
      <div class="stack">
        <div class="fields">
          <label class="field">
            <span>{t('Budget of')}</span>
            <select
              value={of}
              onChange={(event) => {
                of.value =
                  event.currentTarget.value === 'multiplyAdds' ? 'multiplyAdds' : 'parameters'
              }}
            >
              <option value="parameters">{t('parameters')}</option>
              <option value="multiplyAdds" disabled={view.multiplyAdds === null}>
                {t('multiply-adds')}
              </option>
            </select>
          </label>
          <label class="field">
            <span>{t('Up to')}</span>
            <input type="number" aria-label={t('Up to so many')} min={before} step={1} {...draft} />
          </label>
        </div>
        <input
          type="range"
          aria-label={t('Budget, as a multiple of now')}
          aria-valuetext={`×${factor.value.toFixed(2)}: ${count(most)}`}
          min={1}
          max={16}
          step={0.05}
          value={factor}
          onInput={(event) => {
            factor.value = event.currentTarget.valueAsNumber
          }}
          onChange={ask}
        />
        <p class="muted small number">
          ×{factor.value.toFixed(2)}: {count(before)} → {count(most)}
        </p>
        <label class="field">
          <span>{t('Which layers')}</span>
          <select
            value={byGain.value ? 'gain' : 'alike'}
            onChange={(event) => {
              byGain.value = event.currentTarget.value === 'gain'
            }}
          >
            <option value="gain">{t('where new units gain most')}</option>
            <option value="alike">{t('all alike')}</option>
          </select>
        </label>
        {byGain.value ? <DataChoice locked={proposing.value} /> : null}
        {proposing.value ? (
          <button type="button" onClick={cancel}>
            <span class="spinner" aria-hidden="true" /> {t('Cancel')}
          </button>
        ) : (
          <button type="button" onClick={ask}>
            {t('Propose widths')}
          </button>
        )}
        {basis.value?.of === openedBy.value && !proposing.value ? (
          <p class="muted small" role="status" data-basis>
            {basis.value.text}
          </p>
        ) : null}
        {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
      </div>
    </details>
  )
}
