/** How good a model is on data: metrics with intervals, each class, and which classes are taken for which. */
import type { EvaluationRecord } from '../runs/run-record.ts'
import { escapeHtml } from './html.ts'

/** Larger matrices are for results.json. */
const mostShown = 20
const mostClasses = 100

export function evaluationTables({ metrics, perClass, confusion }: EvaluationRecord): string {
  return [
    metricsTable(metrics),
    ...(perClass ? [classesTable(perClass)] : []),
    ...(confusion && confusion.length <= mostShown ? [confusionTable(confusion, perClass)] : []),
  ].join('')
}

/** Metrics that are shares of something are shown as such nowhere else either: four digits tell enough. */
const short = (value: number | null): string =>
  value === null || !Number.isFinite(value) ? '–' : String(Number(value.toPrecision(4)))

const intervals = { wilson: 'Wilson', normal: 'normal', bootstrap: 'resampled' }

function metricsTable(metrics: EvaluationRecord['metrics']): string {
  const rows = Object.entries(metrics).map(([name, { value, low, high, interval }]) => [
    head(name),
    number(short(value)),
    number(low === undefined || high === undefined ? '–' : `${short(low)}&#160;to ${short(high)}`),
    `<td>${interval === undefined ? '' : intervals[interval]}</td>`,
  ])
  return table('Metrics', ['Metric', '>Value', '>95% interval', ''], rows)
}

function classesTable(perClass: NonNullable<EvaluationRecord['perClass']>): string {
  const rows = perClass
    .slice(0, mostClasses)
    .map((one) => [
      head(one.class),
      ...[one.precision, one.recall, one.f1].map((value) => number(short(value))),
      number(String(one.support)),
    ])
  const more = perClass.length - rows.length
  const rest = more > 0 ? `<p class="note">and ${more} more in results.json</p>` : ''
  return table('Classes', ['Class', '>Precision', '>Recall', '>F1', '>Samples'], rows) + rest
}

/** The deeper a cell is coloured, the larger is its share of the row. */
function confusionTable(
  confusion: NonNullable<EvaluationRecord['confusion']>,
  perClass: EvaluationRecord['perClass'] = [],
): string {
  const names = confusion.map((_, c) => perClass[c]?.class ?? String(c))
  const rows = confusion.map((row, c) => {
    const all = row.reduce((sum, count) => sum + count, 0)
    return [
      head(names[c]!),
      ...row.map((count, k) => {
        const share = all === 0 ? 0 : Math.round((80 * count) / all)
        const colour = k === c ? 'var(--series-5)' : 'var(--series-2)'
        const style = `background:color-mix(in srgb,${colour} ${share}%,transparent)`
        return `<td class="number" style="${style}">${count}</td>`
      }),
    ]
  })
  return table(
    'True class by predicted class',
    ['True \\ predicted', ...names.map((name) => `>${name}`)],
    rows,
  )
}

const head = (text: string): string => `<th scope="row">${escapeHtml(text)}</th>`
const number = (text: string): string => `<td class="number">${text}</td>`

/** Columns whose heads begin with `>` are of numbers. */
function table(
  label: string,
  heads: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = heads.map((text) => {
    const isNumber = text.startsWith('>')
    const shown = escapeHtml(isNumber ? text.slice(1) : text)
    return `<th scope="col"${isNumber ? ' class="number"' : ''}>${shown}</th>`
  })
  const body = rows.map((row) => `<tr>${row.join('')}</tr>`).join('')
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(label)}"><table><thead><tr>${cells.join('')}</tr></thead><tbody>${body}</tbody></table></div>`
}
