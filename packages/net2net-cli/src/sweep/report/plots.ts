/** The plot of an experiment: validation loss by steps, aligned at growth, mean and band over seeds. */
import type { TopLevelSpec } from 'vega-lite'
import { chartConfig, dashOf, renderChart, seriesColour } from '../../report/charts.ts'
import { escapeHtml } from '../../report/html.ts'
import { dark, light } from '../../report/style.ts'
import type { ExperimentSummary } from '../analysis/findings.ts'
import { teacherArmName } from '../trial/trial.ts'

interface Point {
  readonly arm: string
  readonly step: number
  readonly loss: number
  readonly low: number
  readonly high: number
}

/** Losses of so many times the lowest, or where an arm ends, have room: what differs lies there. */
const span = 6

/** Beyond eight arms colours come again, with another dash. */
const dash = (index: number): readonly number[] => dashOf(index + Math.floor(index / 8))

/** The mark of an arm in the report's legend: its dash and its colour. */
export function legendLine(index: number): string {
  const pattern = dash(index).join(' ')
  const style = `stroke:${seriesColour(index)};stroke-width:2;stroke-dasharray:${pattern === '1 0' ? 'none' : pattern}`
  return `<svg class="key" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true"><line x1="1" x2="29" y1="6" y2="6" style="${style}"/></svg>`
}

export interface LossPlot {
  readonly svg: string
  readonly description: string
}

/**
 * Colours are variables of the report's style sheet.
 *
 * @returns undefined where no trial has finished
 */
export async function lossPlot(
  { name, arms, curves }: ExperimentSummary,
  options: { readonly legend: boolean },
): Promise<LossPlot | undefined> {
  const all = curves.flatMap(({ points }) => points).filter(({ mean }) => mean > 0)
  if (all.length === 0) return undefined
  const lowest = Math.min(...all.map(({ mean, low = mean }) => Math.max(low, 0.8 * mean)))
  const ends = curves.flatMap(({ points }) => points.at(-1)?.mean ?? [])
  const highest = Math.min(
    Math.max(span * lowest, ...ends.map((loss) => 1.2 * loss)),
    Math.max(...all.map(({ mean, high = mean }) => high)),
  )
  const inPlot = (loss: number) => Math.min(Math.max(loss, lowest), highest)
  const names = arms.map(({ arm }) => arm)
  const points = curves.flatMap(({ arm, points: own }): Point[] => {
    // Students start where their teacher ends.
    const shift = arm === teacherArmName && names.length > 1 ? (own.at(-1)?.step ?? 0) : 0
    return own
      .filter(({ mean }) => mean > 0 && mean <= highest)
      .map(({ step, mean, low = mean, high = mean }) => ({
        arm,
        step: step - shift,
        loss: mean,
        low: inPlot(low),
        high: inPlot(high),
      }))
  })
  const grows = names.includes(teacherArmName) && names.length > 1
  const seeds = Math.max(...arms.map(({ finalLoss }) => finalLoss?.n ?? 0))
  const legend = options.legend
    ? {
        title: null,
        orient: 'bottom',
        columns: 2,
        labelLimit: 0,
        labelColor: 'var(--ink)',
        labelFontSize: 12,
        symbolType: 'stroke',
        symbolOpacity: 1,
        symbolSize: 500,
        symbolStrokeWidth: 2,
      }
    : null
  const scale = { domain: names, range: names.map((_, i) => seriesColour(i)) }
  const x = {
    field: 'step',
    type: 'quantitative',
    title: grows ? 'steps since growth' : 'steps',
    axis: { tickMinStep: 1, format: ',d' },
  }
  const y = {
    type: 'quantitative',
    title: 'validation loss (log)',
    scale: { type: 'log', nice: false, domain: [lowest, highest] },
    axis: { format: '.3~g', tickCount: 6 },
  }
  const color = { field: 'arm', type: 'nominal', scale, legend }
  const svg = await renderChart({
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 640,
    height: 340,
    layer: [
      {
        data: { values: [{ step: 0 }] },
        mark: { type: 'rule', color: 'var(--line-strong)', strokeDash: [2, 3] },
        encoding: { x },
      },
      {
        data: { values: points },
        mark: { type: 'area', opacity: 0.13 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color },
      },
      {
        data: { values: points },
        mark: { type: 'line', strokeWidth: 2 },
        encoding: {
          x,
          y: { ...y, field: 'loss' },
          color,
          strokeDash: {
            field: 'arm',
            type: 'nominal',
            scale: { domain: names, range: names.map((_, i) => dash(i)) },
            legend,
          },
        },
      },
    ],
    config: chartConfig,
  } as unknown as TopLevelSpec)
  const what = seeds > 1 ? `mean and 95% band over ${seeds} seeds` : 'one seed'
  const start = grows ? ' Students start at 0, where their teacher ends.' : ''
  const beyond = all.some(({ mean }) => mean > highest)
    ? ` Losses above ${highest.toPrecision(2)} are left out.`
    : ''
  return {
    svg,
    description: `Validation loss of every arm of ${name} by steps (${what}).${start}${beyond}`,
  }
}

/** The plot as a file of its own, which follows the reader's light or dark mode. */
export function standalone({ svg, description }: LossPlot): string {
  const style = `:root{${light}font-family:system-ui,"Segoe UI",sans-serif}
@media (prefers-color-scheme:dark){:root{${dark}}}
text{font-family:inherit!important}`
  return `${svg
    .replace(/ (aria-[a-z]+|role)="[^"]*"/g, '')
    .replace('<svg ', `<svg role="img" aria-label="${escapeHtml(description)}" `)
    .replace(
      />/,
      `><style>${style}</style><rect width="100%" height="100%" style="fill:var(--surface)"/>`,
    )}\n`
}

/** The plot for the report, whose style sheet it uses. */
export const embedded = ({ svg, description }: LossPlot): string =>
  svg
    .replace(/ (aria-[a-z]+|role)="[^"]*"/g, '')
    .replace(/ width="[\d.]+" height="[\d.]+" viewBox/, ' viewBox')
    .replace('<svg ', `<svg role="img" aria-label="${escapeHtml(description)}" `)
