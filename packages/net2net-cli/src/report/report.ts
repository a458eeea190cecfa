/** A run, or several, as one HTML file that needs nothing else: no network, no script. */
import { usageError } from '../errors.ts'
import {
  armNames,
  armsCalled,
  armTitle,
  type EvaluationRecord,
  isValidated,
  type RunRecord,
  teacherName,
} from '../runs/run-record.ts'
import { architectures } from './architecture.ts'
import { epochChart, grows, legendMark, stepChart } from './charts.ts'
import { evaluationTables } from './evaluation.ts'
import { escapeHtml, page } from './html.ts'
import { figure, section } from './parts.ts'
import { answer, isExperiment, question } from './sentences.ts'
import { costTable, decisionTable, forgettingTable, lossTable } from './tables.ts'

/**
 * The report of one run, or of several with the same arms (means and ranges over the runs).
 *
 * @throws usage where there is nothing to report
 */
export async function reportHtml(runs: readonly RunRecord[]): Promise<string> {
  if (runs.length === 0) throw usageError('A report needs at least one run.')
  if (runs.every((run) => run.arms.length === 0))
    throw usageError('No arm of these runs has finished an epoch: there is nothing to report yet.')
  const charts = [await epochChart(runs, 'valLoss'), await epochChart(runs, 'valAccuracy')].filter(
    (chart) => chart !== undefined,
  )
  const steps = await stepChart(runs)
  const asks = isExperiment(runs)
  const subject = asks ? 'Net2Net' : 'Training'
  const title =
    runs.length === 1
      ? `${subject}: seed ${runs[0]!.seed}`
      : `${subject}: ${runs.length} runs, seeds ${runs.map((run) => run.seed).join(', ')}`
  const drawings = architectureSection(runs)
  const body = [
    `<p class="kicker">${escapeHtml(runs.map((run) => run.name).join(' · '))}</p>`,
    `<h1>${escapeHtml(title)}</h1>`,
    asks
      ? `<p class="question">${escapeHtml(question)}</p>
<p class="answer">${escapeHtml(answer(runs))}</p>`
      : '',
    section(
      isValidated(runs) ? 'Validation loss, arm by arm' : 'Training loss, arm by arm',
      runs.length === 1 ? '' : 'Means over the runs; below them the smallest and the largest.',
      lossTable(runs),
    ),
    charts.length === 0
      ? ''
      : section(
          grows(runs) ? 'Learning, aligned at growth' : 'Learning',
          grows(runs)
            ? 'At 0 the students begin where their teacher ended; the teacher’s own epochs lie left of it.'
            : '',
          legend(runs) + charts.map((chart) => figure(chart)).join(''),
        ),
    ...evaluations(runs),
    steps === undefined
      ? ''
      : section(
          steps.title,
          'Single steps are pale; the line is their moving average.',
          legend(runs) + figure(steps, ''),
        ),
    ...decisions(runs),
    ...forgetting(runs),
    drawings === '' ? '' : section('The networks', '', drawings),
    section('What it cost', '', costTable(runs)),
    section('How it was run', '', facts(runs)),
  ].join('\n')
  return page(title, body)
}

/** Where a network grew by itself, or did not. */
const decisions = (runs: readonly RunRecord[]): readonly string[] =>
  runs.flatMap((run) =>
    run.arms.flatMap(({ decisions: made = [] }) =>
      made.length === 0
        ? []
        : [
            section(
              runs.length === 1 ? 'When it grew, and why' : `When ${run.name} grew, and why`,
              '',
              decisionTable(made),
            ),
          ],
    ),
  )

/** What networks kept of earlier data, where these were replayed. */
const forgetting = (runs: readonly RunRecord[]): readonly string[] =>
  runs.flatMap((run) =>
    run.arms.flatMap(({ forgetting: found }) =>
      found
        ? [
            section(
              runs.length === 1
                ? 'What it kept, class by class'
                : `What ${run.name} kept, class by class`,
              '',
              forgettingTable(found),
            ),
          ]
        : [],
    ),
  )

/** How good each trained network is on the data that it did not learn. */
const evaluations = (runs: readonly RunRecord[]): readonly string[] =>
  runs.flatMap((run) =>
    run.arms.flatMap(({ name, evaluation }) =>
      evaluation
        ? [
            section(
              `On the validation data: ${runs.length === 1 ? armTitle(name) : `${run.name}, ${armTitle(name)}`}`,
              '',
              evaluationTables(evaluation),
            ),
          ]
        : [],
    ),
  )

/** The evaluation of one model as a page. */
export const evaluationHtml = (
  evaluation: EvaluationRecord,
  { title, facts: about }: { readonly title: string; readonly facts: RunRecord['facts'] },
): string =>
  page(
    title,
    [
      `<h1>${escapeHtml(title)}</h1>`,
      section('Metrics', '', evaluationTables(evaluation)),
      section('How it was measured', '', listOf(about)),
    ].join('\n'),
  )

function legend(runs: readonly RunRecord[]): string {
  const items = armNames(runs).map(
    (name, i) => `<li>${legendMark(i)}${escapeHtml(armTitle(name))}</li>`,
  )
  return `<ul class="legend">${items.join('')}</ul>`
}

function architectureSection(runs: readonly RunRecord[]): string {
  const arms = armNames(runs).map((name) => armsCalled(runs, name)[0]!)
  const drawn = architectures(
    arms,
    arms.find((arm) => arm.name === teacherName),
  )
  if (drawn === '') return ''
  const swatch = (name: string, text: string) =>
    drawn.includes(`class="${name}"`) &&
    `<span><svg viewBox="0 0 11 11" aria-hidden="true"><rect class="${name}" width="11" height="11" rx="2"/></svg>${text}</span>`
  const swatches = [
    swatch('kept', 'units of the teacher'),
    swatch('widened', 'new units'),
    swatch('inserted', 'new layers'),
  ].filter((text) => text !== false)
  return `<p class="note swatches">${swatches.join('')}</p>${drawn}`
}

function facts(runs: readonly RunRecord[]): string {
  const lists = runs.map((run) => {
    const rows = [['Run', run.name], ['Seed', String(run.seed)], ...run.facts] as const
    return listOf(rows)
  })
  return lists.join('')
}

const listOf = (rows: RunRecord['facts']): string => {
  const entries = rows.map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd><code>${escapeHtml(value)}</code></dd>`,
  )
  return `<dl>${entries.join('')}</dl>`
}
