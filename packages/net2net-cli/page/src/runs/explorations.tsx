import { signal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { ExplorationSummary } from '../../../src/server/api.ts'
import { t } from '../text/text.ts'

const explorations = signal<readonly ExplorationSummary[]>([])
const everyMilliseconds = 5000

/** Asks while the tab is shown; a server that does not answer is noticed by the list of runs. */
function follow(): () => void {
  const look = () =>
    fetch('./api/explorations')
      .then((response) => (response.ok ? response.json() : undefined))
      .then((answer: { readonly explorations: readonly ExplorationSummary[] } | undefined) => {
        if (answer) explorations.value = answer.explorations
      })
      .catch(() => {})
  void look()
  const timer = setInterval(() => void look(), everyMilliseconds)
  return () => clearInterval(timer)
}

/** The explorations of the folder, each with its report, which follows it while it goes on. */
export function Explorations() {
  useEffect(follow, [])
  if (explorations.value.length === 0) return null
  return (
    <div class="pad stack">
      <h2>{t('Explorations')}</h2>
      <ul class="run-list">
        {explorations.value.map(({ id, finished, networks, bestLoss }) => (
          <li key={id} data-exploration={id}>
            <a href={`./api/explorations/${encodeURIComponent(id)}`} target="_blank" rel="noopener">
              {id}
            </a>{' '}
            <span class="muted small">
              {networks === 1 ? t('1 network') : t('{0} networks', networks)}
              {bestLoss === null ? '' : `, ${t('best loss {0}', bestLoss.toFixed(4))}`}
            </span>{' '}
            <span class={`badge ${finished ? '' : 'widened'}`}>
              {finished ? t('finished') : t('goes on')}
            </span>
          </li>
        ))}
      </ul>
    </div>
  )
}
