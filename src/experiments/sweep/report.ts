/** A sweep as one page of HTML, as Markdown, and as the rows of a plain table. */
import { legendMark, lineChart, type Point } from '../report/charts.ts'
import { escapeHtml, page } from '../report/html.ts'
import {
  type ArmSummary,
  type Comparison,
  type ExperimentSummary,
  type SweepRecord,
  type SweepSummary,
  summarize,
} from './analysis.ts'
import type { Estimate } from './statistics.ts'

const figure = (digits: number, value: number) =>
  digits === 0 ? Math.round(value).toLocaleString('en') : value.toFixed(digits)

/** `0.0312 (0.0290 to 0.0334)`; without an interval for one seed. */
function interval(estimate: Estimate | undefined, digits: number): string {
  if (!estimate) return '–'
  const mean = figure(digits, estimate.mean)
  if (estimate.low === undefined || estimate.high === undefined) return mean
  return `${mean} (${figure(digits, estimate.low)} to ${figure(digits, estimate.high)})`
}

interface Column {
  readonly title: string
  readonly text: (arm: ArmSummary) => string
}

const percent = (estimate: Estimate | undefined): string =>
  interval(
    estimate && {
      ...estimate,
      mean: 100 * estimate.mean,
      ...(estimate.low === undefined ? {} : { low: 100 * estimate.low }),
      ...(estimate.high === undefined ? {} : { high: 100 * estimate.high }),
    },
    2,
  )

const columns: readonly Column[] = [
  { title: 'Arm', text: ({ arm }) => arm },
  {
    title: 'Seeds',
    text: ({ finalLoss, planned }) => `${finalLoss?.n ?? 0} of ${planned}`,
  },
  { title: 'Parameters', text: ({ parameters }) => parameters?.toLocaleString('en') ?? '–' },
  { title: 'Learning rate', text: ({ learningRate }) => String(learningRate ?? '–') },
  { title: 'Loss at the start', text: ({ initialLoss }) => interval(initialLoss, 4) },
  { title: 'Final loss', text: ({ finalLoss }) => interval(finalLoss, 4) },
  { title: 'Final accuracy, %', text: ({ finalAccuracy }) => percent(finalAccuracy) },
  { title: 'Steps', text: ({ steps }) => interval(steps && { n: 1, mean: steps.mean }, 0) },
  { title: 'Processor seconds', text: ({ seconds }) => interval(seconds, 1) },
]

const targetColumns: readonly Column[] = [
  { title: 'Arm', text: ({ arm }) => arm },
  {
    title: 'Reached',
    text: ({ target }) => (target ? `${target.reached} of ${target.of}` : '–'),
  },
  { title: 'Steps', text: ({ target }) => interval(target?.steps, 0) },
  { title: 'Steps with the teacher', text: ({ target }) => interval(target?.stepsWithTeacher, 0) },
  { title: 'Seconds', text: ({ target }) => interval(target?.seconds, 1) },
  {
    title: 'Seconds with the teacher',
    text: ({ target }) => interval(target?.secondsWithTeacher, 1),
  },
]

const comparisonColumns: readonly {
  readonly title: string
  readonly text: (c: Comparison) => string
}[] = [
  { title: 'Arm', text: ({ arms: [a] }) => a },
  { title: 'Against', text: ({ arms: [, b] }) => b },
  { title: 'Pairs', text: ({ seeds }) => String(seeds.length) },
  {
    title: 'Share a teacher',
    text: ({ sharedTeacher }) => (sharedTeacher ? 'yes' : 'no, a seed only'),
  },
  { title: 'Difference of final losses', text: ({ difference }) => interval(difference, 4) },
  { title: 'p', text: ({ p }) => (p === undefined ? '–' : p < 0.001 ? '< 0.001' : p.toFixed(3)) },
  {
    title: 'Steps until its final loss',
    text: ({ untilItsFinalLoss: time }) =>
      time.steps ? interval(time.steps, 0) : `reached in ${time.reached} of ${time.of}`,
  },
  {
    title: 'with the teacher',
    text: ({ untilItsFinalLoss: { stepsWithTeacher } }) => interval(stepsWithTeacher, 0),
  },
  {
    title: 'Its own steps',
    text: ({ itsSteps }) => interval(itsSteps && { n: 1, mean: itsSteps.mean }, 0),
  },
]

const cells = <Row>(
  list: readonly { readonly title: string; readonly text: (row: Row) => string }[],
  rows: readonly Row[],
) => ({
  header: list.map(({ title }) => title),
  rows: rows.map((row) => list.map(({ text }) => text(row))),
})

/** The arms of an experiment as a plain table. */
export const armTable = (experiment: ExperimentSummary) => cells(columns, experiment.arms)

const targetTitle = ({ target }: ExperimentSummary): string =>
  typeof target === 'number'
    ? `Until a validation loss of ${target}`
    : `Until the final loss of "${target}", seed by seed`

const intervalNote =
  'Means over seeds, with 95% intervals (Student’s t) in parentheses. Seconds are processor time of training, validations left out.'
const claimNote = ({ claimLevel, comparisons }: ExperimentSummary): string =>
  claimLevel > 0.95
    ? `There are ${comparisons.length} comparisons: a claim rests on its interval of ${(100 * claimLevel).toFixed(2)}% (Bonferroni).`
    : ''
const stateOf = ({ finished, trials, failures }: SweepSummary): string =>
  `${finished} of ${trials} trials finished${failures.length > 0 ? `, ${failures.length} failed` : ''}.`

/** The summary as Markdown. */
export function summaryMarkdown(summary: SweepSummary): string {
  const table = ({ header, rows }: ReturnType<typeof armTable>) =>
    [header, header.map(() => '---'), ...rows]
      .map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
      .join('\n')
  const parts = [`# ${summary.name}`, stateOf(summary), intervalNote]
  for (const experiment of summary.experiments) {
    parts.push(`## ${experiment.name}`)
    parts.push(experiment.comparisons.map(({ sentence }) => `- ${sentence}`).join('\n'))
    parts.push(table(armTable(experiment)))
    if (experiment.target !== undefined)
      parts.push(`### ${targetTitle(experiment)}`, table(cells(targetColumns, experiment.arms)))
    if (experiment.comparisons.length > 0)
      parts.push(
        '### Arms compared, seed by seed',
        claimNote(experiment),
        table(cells(comparisonColumns, experiment.comparisons)),
      )
  }
  if (summary.failures.length > 0)
    parts.push(
      '## Trials that failed',
      summary.failures.map(({ title, message }) => `- ${title}: ${message}`).join('\n'),
    )
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

/** The report of a sweep, as one file that needs nothing else. */
export async function sweepHtml(record: SweepRecord, target?: number): Promise<string> {
  const summary = summarize(record, target)
  const sections: string[] = []
  for (const experiment of summary.experiments)
    sections.push(await experimentSection(record, experiment))
  const failures = summary.failures.map(
    ({ title, message }) => `<li>${escapeHtml(title)}: ${escapeHtml(message)}</li>`,
  )
  return page(
    summary.name,
    `<h1>${escapeHtml(summary.name)}</h1>
<p class="note">${escapeHtml(stateOf(summary))} ${escapeHtml(intervalNote)}</p>
${sections.join('\n')}
${failures.length === 0 ? '' : `<section><h2>Trials that failed</h2><ul>${failures.join('')}</ul></section>`}`,
  )
}

async function experimentSection(
  record: SweepRecord,
  experiment: ExperimentSummary,
): Promise<string> {
  const { comparisons, arms, name } = experiment
  const said = comparisons.map(({ sentence }) => `<li>${escapeHtml(sentence)}</li>`).join('')
  const parts = [
    `<h2>${escapeHtml(name)}</h2>`,
    said === '' ? '' : `<ul class="answers">${said}</ul>`,
    htmlTable(`Arms of ${name}`, armTable(experiment)),
    await chart(record, experiment),
  ]
  if (experiment.target !== undefined)
    parts.push(
      `<h3>${escapeHtml(targetTitle(experiment))}</h3>`,
      htmlTable(targetTitle(experiment), cells(targetColumns, arms)),
    )
  if (comparisons.length > 0)
    parts.push(
      `<h3>Arms compared, seed by seed</h3><p class="note">${escapeHtml(claimNote(experiment))}</p>`,
      htmlTable('Comparisons', cells(comparisonColumns, comparisons)),
    )
  return `<section>${parts.join('\n')}</section>`
}

function htmlTable(label: string, { header, rows }: ReturnType<typeof armTable>): string {
  const heads = header.map(
    (title, i) => `<th scope="col"${i === 0 ? '' : ' class="number"'}>${escapeHtml(title)}</th>`,
  )
  const body = rows.map(([first = '', ...rest]) => {
    const numbers = rest.map((cell) => `<td class="number">${escapeHtml(cell)}</td>`)
    return `<tr><th scope="row">${escapeHtml(first)}</th>${numbers.join('')}</tr>`
  })
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(label)}"><table><thead><tr>${heads.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

async function chart(record: SweepRecord, { name, arms }: ExperimentSummary): Promise<string> {
  const points: Point[] = []
  for (const { id, labels } of record.plan.trials)
    for (const { experiment, arm, seed } of labels) {
      if (experiment !== name) continue
      for (const { step, valLoss } of record.results.get(id)?.outcome.curve ?? [])
        if (Number.isFinite(valLoss) && valLoss > 0)
          points.push({ arm, run: String(seed), x: step, y: valLoss })
    }
  if (points.length === 0) return ''
  const names = arms.map(({ arm }) => arm)
  const description = `Validation loss of every arm of ${name} by its own steps; thin lines are seeds, thick ones means.`
  const svg = await lineChart({
    arms: names,
    points,
    x: 'steps of the arm',
    y: 'validation loss (log)',
    logarithmic: true,
    format: '.3~g',
    marks: false,
    height: 300,
  })
  const bare = svg
    .replace(/ (aria-[a-z]+|role)="[^"]*"/g, '')
    .replace(/ width="[\d.]+" height="[\d.]+" viewBox/, ' viewBox')
    .replace('<svg ', `<svg role="img" aria-label="${escapeHtml(description)}" `)
  const legend = names.map((arm, i) => `<li>${legendMark(i)}${escapeHtml(arm)}</li>`).join('')
  return `<ul class="legend">${legend}</ul><figure class="chart"><figcaption>${escapeHtml(description)}</figcaption>${bare}</figure>`
}
