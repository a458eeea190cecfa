/** Two networks of the front beside one another; sliders choose them. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { inspect, load } from 'net2net'
import { escapeHtml } from '../../report/html.ts'
import type { ExplorationResults, FrontRecord } from '../results.ts'
import { stepText } from '../words.ts'
import { costTitles, lineage, titleOf } from './networks.ts'

interface Shown {
  readonly record: FrontRecord
  /** Width by layer, in the order of the network. */
  readonly layers: readonly (readonly [name: string, width: number | null])[]
}

/** With the widths of their layers, where the networks lie in the folder. */
export async function shownNetworks(
  { front }: Pick<ExplorationResults, 'front'>,
  folder: string,
): Promise<readonly Shown[]> {
  const shown: Shown[] = []
  // From the smallest to the largest, as a slider goes.
  for (const record of front.toReversed()) {
    const file = path.join(folder, record.file)
    const layers = existsSync(file) ? inspect(await load(file)).layers : []
    shown.push({ record, layers: layers.map(({ name, width }) => [name, width]) })
  }
  return shown
}

export function comparison(
  shown: readonly Shown[],
  { trials, objectives }: Pick<ExplorationResults, 'objectives' | 'trials'>,
): string {
  const sides = ['a', 'b'] as const
  const most = shown.length - 1
  const first = { a: 0, b: most }
  const columns = sides.map((side) => {
    const slider = `<label class="slider">Network ${side.toUpperCase()}
<input type="range" data-side="${side}" min="0" max="${most}" value="${first[side]}" step="1"></label>`
    const panels = shown.map(
      (each, i) =>
        `<div class="network" data-side="${side}" data-at="${i}">${panel(each, { trials, objectives })}</div>`,
    )
    return `<div class="side">${slider}${panels.join('')}</div>`
  })
  return `<div class="sides">${columns.join('')}</div>`
}

function panel(
  { record, layers }: Shown,
  { trials, objectives }: Pick<ExplorationResults, 'objectives' | 'trials'>,
): string {
  const { network, rung, valLoss, metrics = {}, steps, file, recipe } = record
  const growths = lineage(trials, network)
  const rows: readonly (readonly [string, string])[] = [
    ['val loss', valLoss.toFixed(4)],
    ...Object.entries(metrics).map(([name, value]) => [name, value.toFixed(4)] as const),
    ['parameters', record.parameters.toLocaleString('en')],
    ['multiply-adds', record.multiplyAdds?.toLocaleString('en') ?? 'not known'],
    ...objectives.against
      .filter((cost) => cost === 'latency' || cost === 'size')
      .map((cost) => [costTitles[cost], record[cost]?.toLocaleString('en') ?? ''] as const),
    ['training steps', steps.toLocaleString('en')],
    ['file', file],
    ...(recipe === null ? [] : [['recipe', recipe] as const]),
  ]
  const facts = rows.map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`,
  )
  const widths = layers.map(
    ([name, width]) =>
      `<tr><td>${escapeHtml(name)}</td><td class="number">${width ?? ''}</td></tr>`,
  )
  const steps2 = growths.map(({ step }) => `<li>${escapeHtml(stepText(step))}</li>`)
  return `<h3>${escapeHtml(`${titleOf(network)}, rung ${rung}`)}</h3><dl>${facts.join('')}</dl>
${steps2.length > 0 ? `<p class="note">Grown by</p><ol>${steps2.join('')}</ol>` : ''}
${widths.length > 0 ? `<table><thead><tr><th>layer</th><th class="number">width</th></tr></thead><tbody>${widths.join('')}</tbody></table>` : ''}`
}

/** Shows of each side the network that its slider stands at. Without it, all are shown. */
export const sliderScript = `
const show = (side, at) => {
  for (const panel of document.querySelectorAll('.network[data-side="' + side + '"]'))
    panel.hidden = panel.dataset.at !== at
}
for (const slider of document.querySelectorAll('.slider input')) {
  const { side } = slider.dataset
  const kept = new URLSearchParams(location.hash.slice(1)).get(side)
  if (kept !== null) slider.value = kept
  show(side, slider.value)
  slider.addEventListener('input', () => {
    show(side, slider.value)
    const state = new URLSearchParams(location.hash.slice(1))
    state.set(side, slider.value)
    history.replaceState(null, '', '#' + state)
  })
}
`
