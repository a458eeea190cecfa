/** Runs and explorations of the server and trainings of this browser, in one list. */
import { language, t } from '../text/text.ts'
import { RunLetter } from './letter.tsx'
import { choose, chosen, type Entry, entries, isKnown, type Kind } from './model.ts'
import { available, folder } from './server.ts'

const states = { running: 'running', finished: 'finished', stopped: 'stopped' } as const

const kindText = (kind: Kind): string =>
  kind === 'browser' ? t('this browser') : kind === 'exploration' ? t('exploration') : t('run')

/** The time of today, the day of what is older. */
function when(changed: number): string {
  const date = new Date(changed)
  const isToday = date.toDateString() === new Date().toDateString()
  return date.toLocaleString(
    language.value,
    isToday ? { timeStyle: 'short' } : { dateStyle: 'medium' },
  )
}

/** Empty until all is known: which run is shown where the address says nothing depends on it, and no box may change under a click. */
export function List() {
  return (
    <div class="pad stack">
      <div>
        <h2>{t('Runs')}</h2>
        <p class="muted small">
          {available.value ? t('in {0}, and in this browser', folder.value) : t('in this browser')}
        </p>
      </div>
      {!isKnown.value ? null : entries.value.length === 0 ? (
        <p class="muted small">
          {available.value
            ? t('None yet. Start one below, with net2net mnist or explore, or on the Train tab.')
            : t('None yet. What is trained on the Train tab is listed here.')}
        </p>
      ) : (
        <ul class="run-list">
          {entries.value.map((entry) => (
            <Item key={entry.key} entry={entry} />
          ))}
        </ul>
      )}
    </div>
  )
}

function Item({ entry }: { entry: Entry }) {
  const { kind, key, id, title, facts, state, changed, stop, goOn, remove } = entry
  return (
    <li data-run={id} data-kind={kind}>
      <label class="check">
        <input
          type="checkbox"
          checked={chosen.value.includes(key)}
          onChange={(event) => choose(key, event.currentTarget.checked)}
        />
        <span class="run-name">
          <span>
            <RunLetter of={key} /> {title}
          </span>
          <span class="muted small">
            {kindText(kind)}, {when(changed)}: {facts}
          </span>
        </span>
        <span class={`badge ${state === 'running' ? 'widened' : ''}`}>{t(states[state])}</span>
      </label>
      {stop ? (
        <button type="button" class="small" aria-label={t('Stop {0}', title)} onClick={stop}>
          {t('Stop')}
        </button>
      ) : null}
      {goOn ? (
        <button type="button" class="small" aria-label={t('Go on with {0}', title)} onClick={goOn}>
          {t('Go on')}
        </button>
      ) : null}
      {remove ? (
        <button
          type="button"
          class="icon quiet small"
          aria-label={t('Remove {0} of {1} from this browser', title, when(changed))}
          title={t('Remove it from this browser')}
          onClick={remove}
        >
          ×
        </button>
      ) : null}
    </li>
  )
}
