import { useSignal } from '@preact/signals'
import { setParams } from '../state.ts'
import { t } from '../text/text.ts'
import { armTitle } from '../train/arm-names.ts'
import { ResultTable } from '../train/table.tsx'
import { RunLetter } from './letter.tsx'
import type { RunContent } from './model.ts'

/** One run: its table, its trained networks, its command. */
export function RunPanel({ run }: { run: RunContent }) {
  const arms = run.results?.arms ?? []
  const saved = arms.filter((arm) => arm.epochs.length > 0)
  const chosenArm = useSignal('')
  const name = saved.some((arm) => arm.name === chosenArm.value)
    ? chosenArm.value
    : (saved[0]?.name ?? '')
  const base = `./api/runs/${encodeURIComponent(run.id)}`
  return (
    <section class="panel" aria-label={run.id} data-panel={run.id}>
      <header>
        <h2>
          <RunLetter id={run.id} /> {run.id}
        </h2>
        {saved.length === 0 ? null : (
          <div class="row">
            <select
              aria-label={t('A trained network of {0}', run.id)}
              value={name}
              onChange={(event) => {
                chosenArm.value = event.currentTarget.value
              }}
            >
              {saved.map((arm) => (
                <option key={arm.name} value={arm.name}>
                  {armTitle(arm.name)}
                </option>
              ))}
            </select>
            <button
              type="button"
              class="small"
              onClick={() =>
                setParams(
                  {
                    tab: 'grow',
                    model: `run:${run.id}:${name}`,
                    widen: undefined,
                    deepen: undefined,
                  },
                  { push: true },
                )
              }
            >
              {t('Grow it')}
            </button>
            <a class="button small" href={`${base}/models/${encodeURIComponent(name)}`} download>
              {t('Download')}
            </a>
            <a class="button small" href={`${base}/report`} download="report.html">
              {t('Report')}
            </a>
          </div>
        )}
      </header>
      {run.message === null ? null : <p class="notice bad">{run.message}</p>}
      {arms.length === 0 ? (
        run.state === 'running' && <p class="pad muted">{t('The first epoch is not done yet.')}</p>
      ) : (
        <ResultTable
          arms={arms}
          epochs={
            run.results?.settings?.epochs ?? Math.max(...arms.map((arm) => arm.epochs.length))
          }
        />
      )}
      {run.results?.command ? (
        <p class="pad small">
          <code>{run.results.command}</code>
        </p>
      ) : null}
    </section>
  )
}
