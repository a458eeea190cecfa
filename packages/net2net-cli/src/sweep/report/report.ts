/** A sweep as one page of HTML, as Markdown, and as the rows of a plain table. */
import { escapeHtml, page } from '../../report/html.ts'
import { summarize } from '../analysis/analysis.ts'
import type {
  ArmSummary,
  Comparison,
  ExperimentSummary,
  SweepRecord,
  SweepSummary,
} from '../analysis/findings.ts'
import { type Estimate, fixed } from '../analysis/statistics.ts'
import type { TimeToLoss } from '../analysis/time-to-loss.ts'
import { embedded, legendLine, lossPlot } from './plots.ts'

const figure = (digits: number, value: number) =>
  digits === 0 ? Math.round(value).toLocaleString('en') : fixed(value, digits)

/** `0.0312 (0.0290 to 0.0334)`; without an interval for one seed. */
function interval(estimate: Estimate | undefined, digits: number): string {
  if (!estimate) return '–'
  const mean = figure(digits, estimate.mean)
  if (estimate.low === undefined || estimate.high === undefined) return mean
  return `${mean} (${figure(digits, estimate.low)} to ${figure(digits, estimate.high)})`
}

interface Titled<Row> {
  readonly title: string
  readonly text: (row: Row) => string
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

const columns: readonly Titled<ArmSummary>[] = [
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
  { title: 'Steps', text: ({ steps }) => plain(steps, 0) },
  { title: 'Processor seconds', text: ({ seconds }) => interval(seconds, 1) },
]

const reached = (time: TimeToLoss | undefined) =>
  time && time.of > 0 ? `${time.reached} of ${time.of}` : '–'
const plain = (estimate: Estimate | undefined, digits: number) =>
  interval(estimate && { n: 1, mean: estimate.mean }, digits)

/** The columns of a time: reached, steps and seconds, each without and with the teacher. */
const timeColumns = <Row>(time: (row: Row) => TimeToLoss | undefined): readonly Titled<Row>[] => [
  { title: 'Reached', text: (row) => reached(time(row)) },
  { title: 'Steps', text: (row) => interval(time(row)?.steps, 0) },
  { title: 'Steps with the teacher', text: (row) => interval(time(row)?.stepsWithTeacher, 0) },
  { title: 'Seconds', text: (row) => interval(time(row)?.seconds, 1) },
  { title: 'Seconds with the teacher', text: (row) => interval(time(row)?.secondsWithTeacher, 1) },
]

const targetColumns: readonly Titled<ArmSummary>[] = [
  { title: 'Arm', text: ({ arm }) => arm },
  ...timeColumns<ArmSummary>(({ target }) => target),
]

const verdicts: Readonly<Record<Comparison['verdict'], string>> = {
  lower: 'lower',
  higher: 'higher',
  undecided: 'the data do not say',
  'one seed': 'one seed says nothing',
  'no data': '–',
}

const comparisonColumns: readonly Titled<Comparison>[] = [
  { title: 'Arm', text: ({ arms: [a] }) => a },
  { title: 'Against', text: ({ arms: [, b] }) => b },
  { title: 'Pairs', text: ({ seeds }) => String(seeds.length) },
  {
    title: 'Share a teacher',
    text: ({ sharedTeacher, seeds }) =>
      seeds.length === 0 ? '–' : sharedTeacher ? 'yes' : 'no, a seed only',
  },
  { title: 'Difference of final losses', text: ({ difference }) => interval(difference, 4) },
  { title: 'p', text: ({ p }) => (p === undefined ? '–' : p < 0.001 ? '< 0.001' : p.toFixed(3)) },
  { title: 'Verdict', text: ({ verdict }) => verdicts[verdict] },
]

const racingColumns: readonly Titled<Comparison>[] = [
  { title: 'Arm', text: ({ arms: [a] }) => a },
  { title: 'Until the final loss of', text: ({ arms: [, b] }) => b },
  ...timeColumns<Comparison>(({ untilItsFinalLoss }) => untilItsFinalLoss),
  { title: 'The other itself: steps', text: ({ itself }) => interval(itself.steps, 0) },
  { title: 'Its whole training', text: ({ itsSteps }) => plain(itsSteps, 0) },
  {
    title: 'Steps saved, seed by seed, teachers left out',
    text: ({ saved }) => interval(saved?.steps, 0),
  },
  { title: 'Seconds saved, teachers left out', text: ({ saved }) => interval(saved?.seconds, 1) },
]

const cells = <Row>(list: readonly Titled<Row>[], rows: readonly Row[]) => ({
  header: list.map(({ title }) => title),
  rows: rows.map((row) => list.map(({ text }) => text(row))),
})

/** The arms of an experiment as a plain table. */
export const armTable = (experiment: ExperimentSummary) => cells(columns, experiment.arms)

const racingTitle = 'Until the other’s final loss'
const targetTitle = ({ target }: ExperimentSummary): string =>
  typeof target === 'number'
    ? `Until a validation loss of ${target}`
    : `Until the final loss of "${target}", seed by seed`

export const intervalNote =
  'Means over seeds, with 95% intervals (Student’s t, as far as they are possible values) in parentheses. Seconds are processor time of training, validations left out. A loss is reached at the first validation at or below it; times are given only where every seed reached it.'
const claimNote = ({ claimLevel }: ExperimentSummary): string =>
  claimLevel > 0.95
    ? `A claim rests on its interval of ${(100 * claimLevel).toFixed(2)}%: 95% shared among the comparisons of this experiment (Bonferroni).`
    : ''
export const stateOf = ({ finished, trials, failures }: SweepSummary): string =>
  `${finished} of ${trials} trials finished${failures.length > 0 ? `, ${failures.length} failed` : ''}.`

/** The summary as Markdown. */
export function summaryMarkdown(summary: SweepSummary): string {
  const parts = [
    `# ${summary.name}`,
    stateOf(summary),
    intervalNote,
    ...summary.experiments.flatMap((experiment) => experimentMarkdown(experiment)),
    ...failuresMarkdown(summary),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

const markdownTable = ({ header, rows }: { header: string[]; rows: string[][] }): string =>
  [header, header.map(() => '---'), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

/** @param plot what stands between the sentences and the figures */
export function experimentMarkdown(experiment: ExperimentSummary, plot = ''): readonly string[] {
  const { name, comparisons, arms, target } = experiment
  const timed =
    target === undefined
      ? []
      : [`### ${targetTitle(experiment)}`, markdownTable(cells(targetColumns, arms))]
  const compared =
    comparisons.length === 0
      ? []
      : [
          '### Arms compared, seed by seed',
          claimNote(experiment),
          markdownTable(cells(comparisonColumns, comparisons)),
          `### ${racingTitle}`,
          markdownTable(cells(racingColumns, comparisons)),
        ]
  return [
    `## ${name}`,
    comparisons.map(({ sentence }) => `- ${sentence}`).join('\n'),
    plot,
    markdownTable(armTable(experiment)),
    ...timed,
    ...compared,
  ]
}

export const failuresMarkdown = ({ failures }: SweepSummary): readonly string[] =>
  failures.length === 0
    ? []
    : [
        '## Trials that failed',
        failures.map(({ title, message }) => `- ${title}: ${message}`).join('\n'),
      ]

/** The report of a sweep, as one file that needs nothing else. */
export async function sweepHtml(record: SweepRecord, target?: number): Promise<string> {
  const summary = summarize(record, target)
  const sections: string[] = []
  for (const experiment of summary.experiments) sections.push(await experimentSection(experiment))
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

async function experimentSection(experiment: ExperimentSummary): Promise<string> {
  const { comparisons, arms, name } = experiment
  const said = comparisons.map(({ sentence }) => `<li>${escapeHtml(sentence)}</li>`).join('')
  const parts = [
    `<h2>${escapeHtml(name)}</h2>`,
    said === '' ? '' : `<ul class="answers">${said}</ul>`,
    htmlTable(`Arms of ${name}`, armTable(experiment)),
    await chart(experiment),
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
      `<h3>${escapeHtml(racingTitle)}</h3>`,
      htmlTable(racingTitle, cells(racingColumns, comparisons)),
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

async function chart(experiment: ExperimentSummary): Promise<string> {
  const plot = await lossPlot(experiment, { legend: false })
  if (!plot) return ''
  const legend = experiment.arms
    .map(({ arm }, i) => `<li>${legendLine(i)}${escapeHtml(arm)}</li>`)
    .join('')
  return `<ul class="legend">${legend}</ul><figure class="chart"><figcaption>${escapeHtml(plot.description)}</figcaption>${embedded(plot)}</figure>`
}
