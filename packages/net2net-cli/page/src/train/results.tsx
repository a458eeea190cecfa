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

/** More epochs than these are not shown one by one. */
const mostColumns = 12

/** The epochs that have a column, from 0: all, or the first and the last ones that were reached. */
export function epochColumns(epochs: number, of: readonly Pick<Reached, 'epochs'>[]): number[] {
  const reached = Math.max(0, ...of.map(({ epochs: done }) => done.length))
  const columns = Math.min(epochs, mostColumns)
  const first = Math.max(0, Math.min(epochs, reached) - columns)
  return Array.from({ length: columns }, (_, i) => (i === 0 ? 0 : first + i))
}

export function ResultHead({
  label,
  columns,
  children,
}: {
  /** What is in the first column. */
  label: string
  columns: readonly number[]
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
        {children}
      </tr>
    </thead>
  )
}

export function ResultCells({
  of: { parameters, threads, initial, epochs: done },
  columns,
}: {
  of: Reached
  columns: readonly number[]
}) {
  const last = done.at(-1)
  return (
    <>
      <td class="number" data-value={initial?.valLoss}>
        {initial ? figure(initial.valLoss) : '–'}
      </td>
      {columns.map((i) => (
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
