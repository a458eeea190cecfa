/** The networks of a training in numbers, to be taken along or grown further. */
import { useSignal } from '@preact/signals'
import { t } from '../../text/text.ts'
import { count, figure, percent, seconds } from '../../ui/format.ts'
import { LineKey } from '../../ui/key.tsx'
import { saveAs } from '../../ui/save.ts'
import { colourOf, dashOf } from './look.ts'
import { type Arm, arms, growFurther, ran, settings } from './model.ts'

export function Table() {
  const { epochs } = ran.value ?? settings.value
  const columns = Array.from({ length: epochs }, (_, i) => i)
  const asking = useSignal<number | undefined>(undefined)
  if (arms.value.length === 0)
    return (
      <section class="panel body muted" aria-label={t('Results')}>
        <p class="pad small">
          {t(
            'Both networks are trained on the same samples in the same order. Grow again on the way, and what has grown goes on from that moment.',
          )}
        </p>
      </section>
    )
  return (
    <section class="panel" aria-label={t('Networks')}>
      <header>
        <h2>{t('Validation loss after each epoch')}</h2>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys */}
      <section class="scroll" aria-label={t('Results')} tabIndex={0}>
        <table class="results">
          <thead>
            <tr>
              <th scope="col">{t('Network')}</th>
              <th scope="col" class="number">
                {t('Start')}
              </th>
              {columns.map((i) => (
                <th key={i} scope="col" class="number">
                  {t('Epoch {0}', i + 1)}
                </th>
              ))}
              <th scope="col" class="number">
                {t('Accuracy')}
              </th>
              <th scope="col" class="number">
                {t('Parameters')}
              </th>
              <th scope="col" class="number">
                {t('Time')}
              </th>
              <th scope="col">{t('Take along')}</th>
            </tr>
          </thead>
          <tbody>
            {arms.value.map((arm, i) => {
              const last = arm.epochs.at(-1)
              return (
                <tr key={arm.id} data-own={i} data-phase={arm.phase}>
                  <th scope="row">
                    <LineKey colour={colourOf(i)} dash={dashOf(i)} /> {arm.title}
                  </th>
                  <td class="number" data-value={arm.initial?.valLoss}>
                    {arm.initial ? figure(arm.initial.valLoss) : '–'}
                  </td>
                  {columns.map((k) => (
                    <td key={k} class="number" data-value={arm.epochs[k]?.valLoss}>
                      {arm.epochs[k] ? figure(arm.epochs[k].valLoss) : ''}
                    </td>
                  ))}
                  <td class="number">
                    {percent(last ? last.valAccuracy : arm.initial?.valAccuracy)}
                  </td>
                  <td class="number">
                    {arm.parameters === undefined ? '' : count(arm.parameters)}
                  </td>
                  <td class="number">
                    {last ? seconds(arm.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0)) : ''}
                  </td>
                  <td>
                    <span class="row nowrap">
                      <button
                        type="button"
                        class="small"
                        disabled={arm.model === undefined}
                        aria-label={t('Download {0}', arm.title)}
                        onClick={() => {
                          if (arm.model)
                            saveAs(fileName(arm, i), arm.model, 'application/octet-stream')
                        }}
                      >
                        {t('Download')}
                      </button>
                      <button
                        type="button"
                        class="small"
                        disabled={arm.phase === 'loading' || arm.phase === 'failed'}
                        aria-label={t('Grow {0} further', arm.title)}
                        onClick={() => {
                          asking.value = arm.id
                          void growFurther(arm.id).finally(() => {
                            asking.value = undefined
                          })
                        }}
                      >
                        {asking.value === arm.id ? '…' : t('Grow further')}
                      </button>
                    </span>
                  </td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </section>
    </section>
  )
}

const fileName = ({ epochs }: Arm, i: number): string => {
  const stem = (ran.peek()?.name ?? 'network').replace(/\.\w+$/, '')
  return `${stem}-${i === 0 ? 'continued' : `grown${i > 1 ? `-${i}` : ''}`}-epoch${epochs.length}.onnx`
}
