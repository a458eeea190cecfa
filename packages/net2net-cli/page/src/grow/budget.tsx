/** Widens all layers up to a budget. */
import { useSignal } from '@preact/signals'
import { models } from '../engine/model-client.ts'
import type { Budget, Failure } from '../engine/protocol.ts'
import type { ModelView } from '../engine/view.ts'
import { t } from '../text/text.ts'
import { FailureNotice, failureFrom } from '../ui/failure.tsx'
import { count } from '../ui/format.ts'
import { useNumberDraft } from '../ui/number-draft.ts'
import { change, settings } from './settings.ts'

export function WidenAll({ view }: { view: ModelView }) {
  const of = useSignal<Budget['of']>('parameters')
  const factor = useSignal(2)
  const failure = useSignal<Failure | undefined>(undefined)
  const now = view[of.value]
  if (now === null && of.value === 'multiplyAdds') of.value = 'parameters'
  const before = now ?? view.parameters
  const most = Math.round(before * factor.value)
  const draft = useNumberDraft(most, (value) => {
    if (value >= before) factor.value = value / before
  })
  const propose = async () => {
    failure.value = undefined
    try {
      const budget = { of: of.value, most }
      const { widths } = await models.growth.call('widenAll', { budget, settings: settings.peek() })
      change({ widths })
    } catch (error) {
      failure.value = failureFrom(error)
    }
  }
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
          onChange={() => void propose()}
        />
        <p class="muted small number">
          ×{factor.value.toFixed(2)}: {count(before)} → {count(most)}
        </p>
        <button type="button" onClick={() => void propose()}>
          {t('Propose widths')}
        </button>
        {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
      </div>
    </details>
  )
}
