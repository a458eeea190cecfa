import type { ComponentChildren } from 'preact'
import { t } from '../text/text.ts'
import { ArmKey, LineKey } from '../ui/key.tsx'
import { armTitle } from './arm-names.ts'
import { type Look, lookOf } from './curves.ts'
import { epochColumns, type Reached, ResultCells, ResultHead } from './results.tsx'

export interface TableArm extends Reached {
  readonly name: string
  /** undefined: as the experiment's arm of that name. */
  readonly look?: Look | undefined
}

/** Validation loss per epoch and arm. */
export function ResultTable({
  arms,
  waiting = [],
  epochs,
  take,
}: {
  arms: readonly TableArm[]
  /** Arms that have not begun. */
  waiting?: readonly string[]
  epochs: number
  /** What can be done with an arm's network, in a column of its own. */
  take?: (name: string) => ComponentChildren
}) {
  const columns = epochColumns(epochs, arms)
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys
    <section class="scroll" aria-label={t('Results')} tabIndex={0}>
      <table class="results">
        <ResultHead label={t('Arm')} columns={columns}>
          {take ? (
            <th scope="col" class="take">
              {t('Take along')}
            </th>
          ) : null}
        </ResultHead>
        <tbody>
          {arms.map((arm) => {
            const { label, colour, dash } = lookOf(arm)
            return (
              <tr key={arm.name} data-arm={arm.name}>
                <th scope="row">
                  <LineKey colour={colour} dash={dash} /> {label}
                </th>
                <ResultCells of={arm} columns={columns} />
                {take ? <td class="take">{take(arm.name)}</td> : null}
              </tr>
            )
          })}
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
