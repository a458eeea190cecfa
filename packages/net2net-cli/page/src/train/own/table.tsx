/** The networks of a training in numbers, to be taken along or grown further. */
import { useSignal } from '@preact/signals'
import { t } from '../../text/text.ts'
import { LineKey } from '../../ui/key.tsx'
import { saveAs } from '../../ui/save.ts'
import { epochColumns, ResultCells, ResultHead } from '../results.tsx'
import { type Arm, arms, ran } from './arms.ts'
import { settings } from './choices.ts'
import { growFurther } from './further.ts'
import { colourOf, dashOf, titleText } from './look.ts'

export function Table() {
  const { epochs } = ran.value ?? settings.value
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
  const columns = epochColumns(epochs, arms.value)
  return (
    <section class="panel" aria-label={t('Networks')}>
      <header>
        <h2>{t('Validation loss after each epoch')}</h2>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys */}
      <section class="scroll" aria-label={t('Results')} tabIndex={0}>
        <table class="results">
          <ResultHead label={t('Network')} columns={columns}>
            <th scope="col" class="take">
              {t('Take along')}
            </th>
          </ResultHead>
          <tbody>
            {arms.value.map((arm, i) => (
              <tr key={arm.id} data-own={i} data-phase={arm.phase}>
                <th scope="row">
                  <LineKey colour={colourOf(i)} dash={dashOf(i)} /> {titleText(arm.title)}
                </th>
                <ResultCells of={arm} columns={columns} />
                <td class="take">
                  <span class="row nowrap">
                    <button
                      type="button"
                      class="small"
                      disabled={arm.model === undefined}
                      aria-label={t('Download {0}', titleText(arm.title))}
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
                      aria-label={t('Grow further: {0}', titleText(arm.title))}
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
            ))}
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
