/** An exploration as one HTML file: the front, who grew from whom, and what the networks cost. */
import path from 'node:path'
import { writeWhole } from 'net2net/files'
import { escapeHtml, page } from '../../report/html.ts'
import { figure, section } from '../../report/parts.ts'
import { ExplorationFolder } from '../exploration-folder.ts'
import type { ExplorationResults, FrontRecord } from '../results.ts'
import type { ExplorationSettings } from '../settings.ts'
import { computeChart, frontChart } from './charts.ts'
import { comparison, shownNetworks, sliderScript } from './compare.ts'
import { costTitles, drawnNetworks, titleOf } from './networks.ts'
import { tree } from './tree.ts'

/** @throws input where the folder has no exploration that has come to anything */
export async function writeExplorationReport(folder: string, file: string, force = true) {
  await writeWhole(file, await explorationReport(folder), { force })
}

/** @param refresh seconds after which the page of an exploration that goes on is loaded again */
export async function explorationReport(folder: string, refresh?: number): Promise<string> {
  const place = new ExplorationFolder(folder)
  const settings = await place.readSettings()
  const results = await place.readResults()
  const title = `Exploring ${path.basename(path.resolve(folder))}`
  const networks = drawnNetworks(results, settings.training.batchSize)
  const costs = results.objectives.against
  const fronts = await Promise.all(
    (costs.length > 0 ? costs : (['parameters'] as const)).map((cost) => frontChart(results, cost)),
  )
  const compute = await computeChart(networks)
  const shown = await shownNetworks(results, folder)
  const body = [
    `<p class="kicker">${escapeHtml(folder)}</p>`,
    `<h1>${escapeHtml(title)}</h1>`,
    `<p class="answer">${escapeHtml(answer(results))}</p>`,
    section(
      'The front',
      'Every dot is a network at the end of a rung; none of those on the line is beaten in everything by another.',
      fronts.flatMap((one) => (one ? [figure(one)] : [])).join(''),
    ),
    shown.length === 0
      ? ''
      : section(
          'Two networks of the front',
          'The sliders go from the smallest network to the largest.',
          comparison(shown, results),
        ),
    section(
      'Who grew from whom',
      'The bar is the best validation loss of each network.',
      tree(networks),
    ),
    compute
      ? section(
          'Loss over compute',
          'A line begins where its network grew; those of the front are dark.',
          figure(compute, ''),
        )
      : '',
    section('How it was explored', '', facts(settings, results)),
  ]
  return page(title, body.join('\n'), {
    script: sliderScript,
    style: explorationStyle,
    refresh: results.finished ? undefined : refresh,
  })
}

function answer({ front, trials, spent, finished, objectives }: ExplorationResults): string {
  const [best] = front
  const smallest = front.at(-1)
  const made = `${trials.length} networks in ${spent.steps.toLocaleString('en')} training steps${finished ? '' : ' so far'}.`
  if (!best || !smallest) return made
  const { metric } = objectives
  const quality = ({ valLoss, metrics }: FrontRecord) =>
    metric === 'valLoss'
      ? `validation loss ${valLoss.toFixed(4)}`
      : `${metric} ${metrics?.[metric]?.toFixed(4)}`
  const size = (parameters: number) => `${parameters.toLocaleString('en')} parameters`
  const small =
    smallest === best
      ? ''
      : ` The smallest of the front, with ${size(smallest.parameters)}, has ${quality(smallest)}.`
  return `${made} The best, ${titleOf(best.network)}, has ${quality(best)} with ${size(best.parameters)}.${small}`
}

function facts(settings: ExplorationSettings, { objectives, spent }: ExplorationResults): string {
  const { training, data, seed, rungs, randomShare, growth } = settings
  const limits = Object.entries(objectives.limits).map(([cost, limit]) => `${cost} ≤ ${limit}`)
  const against = objectives.against.map((cost) => costTitles[cost])
  const rows: readonly (readonly [string, string])[] = [
    ['Data', data.spec],
    [
      'Training',
      `${training.loss}, ${training.optimizer}, ${training.batchSize} samples a step, ${training.threads} thread${training.threads === 1 ? '' : 's'}`,
    ],
    ['Objectives', [objectives.metric, ...against].join(' against ')],
    ['Limits', limits.join(', ') || 'none'],
    ['Rungs', `${rungs.steps} steps, then ${rungs.factor} times as many`],
    ['Growth', `${growth.operations.join(', ')} of ${growth.layers.join(', ')}`],
    ['Random share', String(randomShare)],
    ['Seed', String(seed)],
    ['Time', `${Math.round(spent.seconds)} s`],
  ]
  const items = rows.map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd><code>${escapeHtml(value)}</code></dd>`,
  )
  return `<dl>${items.join('')}</dl>`
}

const explorationStyle = `
.tree,.tree ul{list-style:none;margin:0;padding:0}
.tree ul{margin-left:9px;padding-left:14px;border-left:1px solid var(--line-strong)}
.tree{font-size:13.5px;margin-top:12px}.tree li{padding-top:5px}
.tree .name,.tree .figures{display:block}.tree .figures{color:var(--muted);font-variant-numeric:tabular-nums}
.tree .bar{display:block;height:3px;border-radius:2px;background:var(--series-2);width:var(--share);max-width:100%}
.tree small{color:var(--accent)}
.sides{display:grid;grid-template-columns:1fr 1fr;gap:28px;margin-top:12px}
.slider{display:block;font-size:14px;color:var(--muted)}.slider input{display:block;width:100%;accent-color:var(--accent)}
.side h3{font-size:16px;margin:14px 0 4px}.side ol{margin:4px 0;padding-left:22px;font-size:14px}.side table{margin-top:10px}
@media (max-width:560px){.sides{grid-template-columns:1fr}}
`
