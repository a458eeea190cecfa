/** Trainings of earlier visits, to be gone on with. */
import { forget, resumable } from '../../runs/kept-runs.ts'
import { language, t } from '../../text/text.ts'
import { goOnWith } from './model.ts'

export function KeptList() {
  if (resumable.value.length === 0) return null
  const when = new Intl.DateTimeFormat(language.value, { dateStyle: 'medium', timeStyle: 'short' })
  return (
    <section class="kept" aria-label={t('Kept trainings')}>
      <h3>{t('Kept trainings')}</h3>
      <ul>
        {resumable.value.map((run) => {
          const { id, title: name = '', changed, arms } = run
          return (
            <li key={id} class="row small" data-training={id}>
              <span>
                <strong>{name}</strong>:{' '}
                {arms.length === 1 ? t('1 network') : t('{0} networks', arms.length)},{' '}
                {when.format(changed)}
              </span>
              <button
                type="button"
                class="small"
                aria-label={t('Go on with {0}', name)}
                onClick={() => void goOnWith(run)}
              >
                {t('Go on')}
              </button>
              <button
                type="button"
                class="small quiet"
                aria-label={t('Forget {0}', name)}
                onClick={() => void forget(id)}
              >
                {t('Forget')}
              </button>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
