import { t } from '../text/text.ts'
import { count, figure, percent, seconds } from '../ui/format.ts'
import { ArmKey } from '../ui/key.tsx'
import { armTitle } from './arm-names.ts'

export interface TableArm {
  readonly name: string
  readonly parameters: number
  readonly threads?: number
  readonly initial?: { readonly valLoss: number; readonly valAccuracy: number }
  readonly epochs: readonly {
    readonly valLoss: number
    readonly valAccuracy: number
    readonly seconds: number
  }[]
}

/** Validation loss per epoch and arm. */
export function ResultTable({
  arms,
  waiting = [],
  epochs,
}: {
  arms: readonly TableArm[]
  /** Arms that have not begun. */
  waiting?: readonly string[]
  epochs: number
}) {
  const columns = Array.from({ length: epochs }, (_, i) => i)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys
    <section class="scroll" aria-label={t('Results')} tabIndex={0}>
      <table class="results">
        <thead>
          <tr>
            <th scope="col">{t('Arm')}</th>
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
          </tr>
        </thead>
        <tbody>
          {arms.map((arm) => (
            <tr key={arm.name} data-arm={arm.name}>
              <th scope="row">
                <ArmKey arm={arm.name} /> {armTitle(arm.name)}
              </th>
              <td class="number" data-value={arm.initial?.valLoss}>
                {arm.initial ? figure(arm.initial.valLoss) : '–'}
              </td>
              {columns.map((i) => (
                <td key={i} class="number" data-value={arm.epochs[i]?.valLoss}>
                  {arm.epochs[i] ? figure(arm.epochs[i].valLoss) : ''}
                </td>
              ))}
              <td class="number">
                {arm.epochs.length > 0 ? percent(arm.epochs.at(-1)!.valAccuracy) : ''}
              </td>
              <td class="number">{count(arm.parameters)}</td>
              <td
                class="number"
                title={arm.threads === undefined ? '' : t('on {0} threads', arm.threads)}
              >
                {arm.epochs.length > 0
                  ? seconds(arm.epochs.reduce((sum, epoch) => sum + epoch.seconds, 0))
                  : ''}
              </td>
            </tr>
          ))}
          {waiting.map((name) => (
            <tr key={name} class="waiting">
              <th scope="row">
                <ArmKey arm={name} /> {armTitle(name)}
              </th>
              <td class="number" colSpan={columns.length + 4}>
                {t('waits')}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
