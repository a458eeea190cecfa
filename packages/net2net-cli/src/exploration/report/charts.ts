/** The charts of an exploration: the front among all networks, and loss over compute. */
import type { Cost } from 'net2net/exploring'
import type { TopLevelSpec } from 'vega-lite'
import { type Chart, chartConfig, renderChart } from '../../report/charts.ts'
import type { ExplorationResults, FrontRecord, RungRecord } from '../results.ts'
import { costTitles, type DrawnNetwork } from './networks.ts'

type Layer = Readonly<Record<string, unknown>>

const chart = (layer: readonly Layer[], height: number): TopLevelSpec =>
  ({
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 640,
    height,
    layer,
    config: chartConfig,
  }) as unknown as TopLevelSpec

/** Every network at the end of each rung, and the front as a line. */
export async function frontChart(
  { front, trials, objectives }: Pick<ExplorationResults, 'front' | 'objectives' | 'trials'>,
  cost: Cost,
): Promise<Chart | undefined> {
  const { metric } = objectives
  const quality = ({ valLoss, metrics }: FrontRecord | RungRecord) =>
    metric === 'valLoss' ? valLoss : metrics?.[metric]
  const point = (record: FrontRecord | RungRecord) => {
    const [x, y] = [record[cost], quality(record)]
    return typeof x === 'number' && y !== undefined && Number.isFinite(y) ? [{ x, y }] : []
  }
  const all = trials.flatMap(({ rungs }) => rungs.flatMap(point))
  const best = front.flatMap(point)
  if (all.length === 0) return undefined
  const named = metric === 'valLoss' ? 'validation loss' : metric
  const isLogarithmic = metric === 'valLoss' && all.every(({ y }) => y > 0)
  const encoding = {
    x: {
      field: 'x',
      type: 'quantitative',
      title: `${costTitles[cost]} (log)`,
      scale: { type: 'log', nice: false, padding: 12 },
      axis: { format: '~s', tickCount: 6 },
    },
    y: {
      field: 'y',
      type: 'quantitative',
      title: isLogarithmic ? `${named} (log)` : named,
      scale: isLogarithmic ? { type: 'log', nice: false, padding: 8 } : { zero: false },
      axis: { format: '.3~g', tickCount: 6 },
    },
  }
  return {
    title: `${named} over ${costTitles[cost]}`,
    description: `${named} of ${all.length} trained networks over their ${costTitles[cost]}; ${best.length} of them are on the front.`,
    svg: await renderChart(
      chart(
        [
          {
            data: { values: all },
            mark: { type: 'point', filled: true, size: 22, opacity: 0.45, color: 'var(--muted)' },
            encoding,
          },
          {
            data: { values: best },
            mark: { type: 'line', interpolate: 'step-after', color: 'var(--accent)' },
            encoding,
          },
          {
            data: { values: best },
            mark: { type: 'point', filled: true, size: 64, opacity: 1, color: 'var(--accent)' },
            encoding,
          },
        ],
        300,
      ),
    ),
  }
}

/** Each network from where it grew, by what was spent on it and on those that it grew from. */
export async function computeChart(networks: readonly DrawnNetwork[]): Promise<Chart | undefined> {
  const values = networks.flatMap(({ network, moments, isOnFront }) =>
    moments.flatMap(({ compute, valLoss }) =>
      Number.isFinite(valLoss) && valLoss > 0
        ? [{ network, compute, valLoss, front: isOnFront ? 'on the front' : 'others' }]
        : [],
    ),
  )
  if (values.length === 0) return undefined
  const encoding = {
    x: {
      field: 'compute',
      type: 'quantitative',
      title: 'multiply-adds trained, those of its ancestors included',
      axis: { format: '~s', tickCount: 6 },
    },
    y: {
      field: 'valLoss',
      type: 'quantitative',
      title: 'validation loss (log)',
      scale: { type: 'log', nice: false },
      axis: { format: '.3~g', tickCount: 6 },
    },
    detail: { field: 'network', type: 'nominal' },
    color: {
      field: 'front',
      type: 'nominal',
      scale: { domain: ['on the front', 'others'], range: ['var(--accent)', 'var(--muted)'] },
      legend: null,
    },
    opacity: { condition: { test: "datum.front === 'on the front'", value: 1 }, value: 0.5 },
  }
  return {
    title: 'Validation loss over compute',
    description: `Validation loss of ${networks.length} networks over the multiply-adds that were spent on each and on those that it grew from; a line begins where its network grew.`,
    svg: await renderChart(
      chart(
        [
          { data: { values }, mark: { type: 'line', strokeWidth: 1.6 }, encoding },
          { data: { values }, mark: { type: 'point', filled: true, size: 26 }, encoding },
        ],
        320,
      ),
    ),
  }
}
