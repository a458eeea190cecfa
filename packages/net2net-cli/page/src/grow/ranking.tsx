/** Which growth pays: measured on data, and chosen with one press. */
import { signal, useSignal } from '@preact/signals'
import type { RankedGrowth } from 'net2net/growing'
import { client } from '../engine/client.ts'
import { models } from '../engine/model-client.ts'
import type { Failure } from '../engine/protocol.ts'
import { startWorker } from '../engine/start-worker.ts'
import { said, t } from '../text/text.ts'
import { files, settings as trainSettings } from '../train/own/choices.ts'
import type { RankMethods } from '../train/own/rank-methods.ts'
import { DataChoice } from '../train/own/settings.tsx'
import { FailureNotice, failureFrom } from '../ui/failure.tsx'
import { count } from '../ui/format.ts'
import { openedBy } from './model.ts'
import { stepText } from './more.tsx'
import { change, settings } from './settings.ts'

const ranker = client<RankMethods>(() => startWorker('rank'))
const ranked = signal<
  { readonly of: number; readonly growths: readonly RankedGrowth[] } | undefined
>(undefined)

/** Of more growths the last ones do not pay. */
const most = 12

export function Ranking() {
  const running = useSignal(false)
  const by = useSignal<'parameters' | 'multiply-adds'>('parameters')
  const failure = useSignal<Failure | undefined>(undefined)
  const measure = async () => {
    failure.value = undefined
    running.value = true
    const of = openedBy.peek()
    try {
      const [model] = await models.growth.call('networks', undefined)
      const growths = await ranker.call('rank', {
        model: model!,
        settings: trainSettings.peek(),
        files: files.peek(),
        by: by.peek(),
      })
      ranked.value = { of, growths }
    } catch (error) {
      const found = failureFrom(error)
      if (found.kind !== 'interrupted') failure.value = found
    } finally {
      running.value = false
    }
  }
  const found = ranked.value?.of === openedBy.value ? ranked.value.growths : []
  const best = found[0]?.ratio ?? 0
  return (
    <details class="more-growth pad">
      <summary>{t('Which growth pays')}</summary>
      <div class="stack">
        <p class="muted small">
          {t('By how much each growth lowers the loss on these data at first, for what it costs.')}
        </p>
        <DataChoice locked={running.value} />
        <label class="field">
          <span>{t('Cost')}</span>
          <select
            value={by}
            disabled={running.value}
            onChange={(event) => {
              const { value } = event.currentTarget
              by.value = value === 'multiply-adds' ? value : 'parameters'
            }}
          >
            <option value="parameters">{t('parameters')}</option>
            <option value="multiply-adds">{t('multiply-adds')}</option>
          </select>
        </label>
        {running.value ? (
          <button type="button" onClick={() => ranker.stop()}>
            <span class="spinner" aria-hidden="true" /> {t('Cancel')}
          </button>
        ) : (
          <button type="button" onClick={() => void measure()}>
            {t('Measure')}
          </button>
        )}
        {failure.value === undefined ? null : <FailureNotice failure={failure.value} />}
        {found.length === 0 ? null : (
          <ol class="ranking" aria-label={t('Growths, the best first')}>
            {found.slice(0, most).map((growth) => (
              <li key={stepText(growth.step)}>
                <span class="ranking-name">
                  <code>{stepText(growth.step)}</code>
                  <span class="muted small number">
                    {(growth.reason && said(growth.reason)) ??
                      t('+{0} parameters', count(growth.addedParameters))}
                  </span>
                </span>
                <span
                  class="ranking-bar"
                  aria-hidden="true"
                  style={{ width: `${best > 0 ? (100 * (growth.ratio ?? 0)) / best : 0}%` }}
                />
                <button type="button" class="small" onClick={() => add(growth)}>
                  {t('Add')}
                </button>
              </li>
            ))}
          </ol>
        )}
      </div>
    </details>
  )
}

function add({ step }: RankedGrowth): void {
  const { more, deepen, seed } = settings.peek()
  if ('deepen' in step && more.length === 0 && Object.keys(step).length === 1) {
    const layers = typeof step.deepen === 'string' ? [step.deepen] : step.deepen
    change({ deepen: [...new Set([...deepen, ...layers])] })
  } else change({ more: [...more, { seed: seed + more.length, ...step }] })
}
