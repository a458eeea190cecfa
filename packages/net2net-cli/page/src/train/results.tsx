/** What tables of trained networks share: their first row, and what each network has reached. */
import type { ComponentChildren } from 'preact'
import { t } from '../text/text.ts'
import { count, figure, percent, seconds } from '../ui/format.ts'

export interface Reached {
  readonly parameters?: number | undefined
  readonly threads?: number
  readonly initial?:
    | { readonly valLoss: number; readonly valAccuracy?: number | undefined }
    | undefined
  readonly epochs: readonly {
    readonly valLoss: number
    readonly valAccuracy?: number | undefined
    readonly seconds: number
  }[]
}

const epochsUpTo = (count: number) => Array.from({ length: count }, (_, i) => i)

export function ResultHead({
  label,
  epochs,
  children,
}: {
  /** What is in the first column. */
  label: string
  epochs: number
  /** Columns behind the usual ones. */
  children?: ComponentChildren
}) {
  return (
    <thead>
      <tr>
        <th scope="col">{label}</th>
        <th scope="col" class="number">
          {t('Start')}
        </th>
        {epochsUpTo(epochs).map((i) => (
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
        {children}
      </tr>
    </thead>
  )
}

export function ResultCells({
  of: { parameters, threads, initial, epochs: done },
  epochs,
}: {
  of: Reached
  epochs: number
}) {
  const last = done.at(-1)
  return (
    <>
      <td class="number" data-value={initial?.valLoss}>
        {initial ? figure(initial.valLoss) : '–'}
      </td>
      {epochsUpTo(epochs).map((i) => (
        <td key={i} class="number" data-value={done[i]?.valLoss}>
          {done[i] ? figure(done[i].valLoss) : ''}
        </td>
      ))}
      <td class="number">
        {last ? percent(last.valAccuracy) : initial ? percent(initial.valAccuracy) : ''}
      </td>
      <td class="number">{parameters === undefined ? '' : count(parameters)}</td>
      <td class="number" title={threads === undefined ? '' : t('on {0} threads', threads)}>
        {last ? seconds(done.reduce((sum, epoch) => sum + epoch.seconds, 0)) : ''}
      </td>
    </>
  )
}
