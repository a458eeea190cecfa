/** Loss over compute: the networks whose rate has decayed, and pale the training loss at the constant rate. */
import {
  chartConfig,
  dashOf,
  renderChart,
  seriesColour,
} from '../../packages/net2net-cli/src/report/charts.ts'
import { standalone } from '../../packages/net2net-cli/src/sweep/report/plots.ts'
import { arms } from './arms.ts'
import type { Run } from './figures.ts'

interface Point {
  readonly arm: string
  readonly compute: number
  readonly loss: number
}

/** Training losses are shown up to so many times the lowest test loss. */
const span = 1.5

/** Means over the seeds. */
export async function lossPlot(runs: readonly Run[]): Promise<string> {
  const all = arms.flatMap(({ name, title }) => {
    const own = runs.filter(({ arm }) => arm === name)
    if (own.length === 0) return []
    const series = (of: (run: Run) => readonly { compute: number; loss: number }[]): Point[] =>
      of(own[0]!).map(({ compute }, i) => ({
        arm: title,
        compute: compute / 1e12,
        loss: own.reduce((sum, run) => sum + of(run)[i]!.loss, 0) / own.length,
      }))
    return { ends: series(({ ends }) => ends), trunk: series(({ curve }) => curve) }
  })
  const ends = all.flatMap((arm) => arm.ends)
  const lowest = Math.min(...ends.map(({ loss }) => loss))
  const trunk = all.flatMap((arm) => arm.trunk).filter(({ loss }) => loss <= span * lowest)
  const titles = arms.map(({ title }) => title)
  const legend = {
    title: null,
    orient: 'bottom',
    columns: 2,
    labelLimit: 0,
    labelColor: 'var(--ink)',
    labelFontSize: 12,
  }
  const encoding = {
    x: { field: 'compute', type: 'quantitative', title: '10¹² multiply-adds' },
    y: {
      field: 'loss',
      type: 'quantitative',
      title: 'loss (nats per character)',
      scale: { zero: false },
    },
    color: {
      field: 'arm',
      type: 'nominal',
      scale: { domain: titles, range: titles.map((_, i) => seriesColour(i)) },
      legend,
    },
  }
  const dash = {
    field: 'arm',
    type: 'nominal',
    scale: { domain: titles, range: titles.map((_, i) => dashOf(i)) },
    legend,
  }
  const svg = await renderChart({
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 640,
    height: 340,
    layer: [
      {
        data: { values: trunk },
        mark: { type: 'line', strokeWidth: 1, opacity: 0.45 },
        encoding,
      },
      {
        data: { values: ends },
        mark: { type: 'line', strokeWidth: 2 },
        encoding: { ...encoding, strokeDash: dash },
      },
      { data: { values: ends }, mark: { type: 'point', filled: true, size: 60 }, encoding },
    ],
    config: chartConfig,
  } as unknown as Parameters<typeof renderChart>[0])
  return standalone({
    svg,
    description:
      'Test loss of networks whose rate has decayed, by the multiply-adds of their training; the training loss at the constant rate, pale. Means over the seeds.',
  })
}
