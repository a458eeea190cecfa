import { t } from '../text/text.ts'
import { ArmKey } from '../ui/key.tsx'
import { armTitle } from './arm-names.ts'
import { type Reached, ResultCells, ResultHead } from './results.tsx'

export interface TableArm extends Reached {
  readonly name: string
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
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys
    <section class="scroll" aria-label={t('Results')} tabIndex={0}>
      <table class="results">
        <ResultHead label={t('Arm')} epochs={epochs} />
        <tbody>
          {arms.map((arm) => (
            <tr key={arm.name} data-arm={arm.name}>
              <th scope="row">
                <ArmKey arm={arm.name} /> {armTitle(arm.name)}
              </th>
              <ResultCells of={arm} epochs={epochs} />
            </tr>
          ))}
          {waiting.map((name) => (
            <tr key={name} class="waiting">
              <th scope="row">
                <ArmKey arm={name} /> {armTitle(name)}
              </th>
              <td class="number" colSpan={epochs + 4}>
                {t('waits')}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
