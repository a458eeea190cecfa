import { arms as knownArms } from '../mnist/arms.ts'
import {
  type ArmRecord,
  armNames,
  armsCalled,
  armTitle,
  type DecisionRecord,
  type ForgettingRecord,
  isValidated,
  mean,
  type Retention,
  type RunRecord,
} from '../runs/run-record.ts'
import { legendMark } from './charts.ts'
import { escapeHtml } from './html.ts'

/** The validation losses that the Keras example of Net2Net publishes for an arm. */
const published = (name: string) => knownArms.find((arm) => arm.name === name)?.published

const loss = (value: number | undefined) =>
  value === undefined ? '–' : Number.isFinite(value) ? value.toFixed(4) : 'not finite'
const share = (value: number) => `${(100 * value).toFixed(2)}%`
const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** `mean` of what exists, and its range where there are several. */
function cell(values: readonly (number | undefined)[], text: (value: number) => string): string {
  const known = values.filter((value) => value !== undefined)
  if (known.length === 0) return '<td class="number">–</td>'
  const range =
    known.length > 1
      ? // Two lines where one would make the table too wide for paper.
        `<small>${text(Math.min(...known))}&#160;to ${text(Math.max(...known))}</small>`
      : ''
  return `<td class="number">${text(mean(known))}${range}</td>`
}

const mostColumns = 8

/** All epochs, or a few at equal distances with the first and the last: the charts have the others. */
function shownEpochs(epochs: number): readonly number[] {
  const count = Math.min(epochs, mostColumns)
  return Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * (epochs - 1)) / (count - 1)),
  )
}

/** Validation loss per epoch and arm, the Keras example's own numbers beside ours. */
export function lossTable(runs: readonly RunRecord[]): string {
  const names = armNames(runs)
  const epochs = Math.max(0, ...runs.flatMap((run) => run.arms.map((arm) => arm.epochs.length)))
  const columns = shownEpochs(epochs)
  const figure = isValidated(runs) ? 'valLoss' : 'loss'
  const withSeed = names.some((name) => published(name) !== undefined)
  const seedEpochs = withSeed ? [0, 1, 2] : []
  const head = [
    '<th rowspan="2" scope="col">Arm</th>',
    '<th rowspan="2" scope="col" class="number">Start</th>',
    `<th colspan="${columns.length}" scope="colgroup" class="number group">Loss after epoch</th>`,
    '<th rowspan="2" scope="col" class="number">Accuracy</th>',
    withSeed ? '<th colspan="3" scope="colgroup" class="number group seed">Keras example</th>' : '',
  ].join('')
  const numbers = [
    ...columns.map((i) => `<th scope="col" class="number">${i + 1}</th>`),
    ...seedEpochs.map((i) => `<th scope="col" class="number seed">${i + 1}</th>`),
  ].join('')
  const rows = names.map((name, index) => {
    const arms = armsCalled(runs, name)
    const cells = [
      cell(
        arms.map((arm) => arm.initial?.valLoss),
        loss,
      ),
      ...columns.map((i) =>
        cell(
          arms.map((arm) => arm.epochs[i]?.[figure]),
          loss,
        ),
      ),
      cell(
        arms.map((arm) => arm.epochs.at(-1)?.valAccuracy),
        share,
      ),
      ...seedEpochs.map((i) => `<td class="number seed">${loss(published(name)?.[i])}</td>`),
    ]
    return `<tr><th scope="row">${legendMark(index)} ${escapeHtml(armTitle(name))}</th>${cells.join('')}</tr>`
  })
  return `<div class="scroll" tabindex="0" role="region" aria-label="Losses"><table><thead><tr>${head}</tr><tr>${numbers}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

/** What each arm cost. */
export function costTable(runs: readonly RunRecord[]): string {
  const rows = armNames(runs).map((name) => {
    const arms = armsCalled(runs, name)
    const seconds = (arm: ArmRecord) =>
      arm.epochs.length === 0
        ? undefined
        : arm.epochs.reduce((total, epoch) => total + epoch.seconds, 0)
    return `<tr><th scope="row">${escapeHtml(armTitle(name))}</th>${cell(
      arms.slice(0, 1).map((arm) => arm.parameters),
      (value) => grouped.format(value),
    )}${cell(
      arms.slice(0, 1).map((arm) => arm.multiplyAdds ?? undefined),
      (value) => grouped.format(value),
    )}${cell(arms.map(seconds), (value) => `${value.toFixed(1)} s`)}</tr>`
  })
  return `<div class="scroll" tabindex="0" role="region" aria-label="Cost"><table><thead><tr><th scope="col">Arm</th><th scope="col" class="number">Parameters</th><th scope="col" class="number">Multiply-adds per sample</th><th scope="col" class="number">Training time</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

/** The decisions of a network that grows by itself; not to grow, epoch after epoch, is one line with the last reason. */
export function decisionTable(decisions: readonly DecisionRecord[]): string {
  const lines: { readonly from: number; readonly last: DecisionRecord }[] = []
  for (const decision of decisions) {
    const before = lines.at(-1)
    const goesOn = !decision.grow && before?.last.grow === false
    if (goesOn && before.last.epoch === decision.epoch - 1)
      lines[lines.length - 1] = { from: before.from, last: decision }
    else lines.push({ from: decision.epoch, last: decision })
  }
  const rows = lines.map(({ from, last: { epoch, parameters, grow, reason } }) => {
    const epochs = from === epoch ? String(epoch) : `${from} to ${epoch}`
    return `<tr><td class="number">${epochs}</td><td class="number">${parameters.toLocaleString('en')}</td><td>${grow ? 'grows' : 'does not grow'}</td><td style="white-space:normal">${escapeHtml(reason)}</td></tr>`
  })
  return `<div class="scroll" tabindex="0" role="region" aria-label="Decisions"><table><thead><tr><th class="number">after epoch</th><th class="number">parameters</th><th>decision</th><th>reason</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}

/** What was kept of earlier data and what was forgotten, in all and of each class. */
export function forgettingTable({
  measure,
  heldOut,
  old,
  forgetting,
  perClass,
  newClasses,
}: ForgettingRecord): string {
  const shareOf = (value: number) => (Number.isFinite(value) ? share(value) : '–')
  const figure = measure === 'loss' ? (value: number) => value.toFixed(4) : shareOf
  const row = (
    name: string,
    { samples, before, after }: Retention,
    shown: (value: number) => string,
  ) =>
    `<tr><th scope="row">${escapeHtml(name)}</th><td class="number">${samples.toLocaleString('en')}</td><td class="number">${shown(before)}</td><td class="number">${shown(after)}</td></tr>`
  const rows = [
    row(`earlier data: ${measure}`, old, figure),
    ...perClass
      .filter(({ samples }) => samples > 0)
      .map((one) =>
        row(newClasses.includes(one.class) ? `${one.class} (new)` : one.class, one, shareOf),
      ),
  ]
  const of = heldOut ? 'held-out samples' : 'samples of the training, since none are held out'
  return `<p>${forgetting < 0 ? 'Gained' : 'Forgotten'} of the earlier data: ${figure(Math.abs(forgetting))}, on ${of}.</p><div class="scroll" tabindex="0" role="region" aria-label="Forgetting"><table><thead><tr><th scope="col">of</th><th scope="col" class="number">samples</th><th scope="col" class="number">before</th><th scope="col" class="number">after</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`
}
