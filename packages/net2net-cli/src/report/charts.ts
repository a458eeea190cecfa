/**
 * The charts, drawn by Vega-Lite as SVG without a browser. Colours are variables of the report's
 * style sheet, so that one drawing serves light, dark and print; arms differ by dash and mark too,
 * for readers who do not see colours.
 */
import type { TopLevelSpec } from 'vega-lite'
import { armNames, armTitle, mean, type RunRecord, teacherName } from '../runs/run-record.ts'
import { smoothed } from './smooth.ts'

type Unit = Readonly<Record<string, unknown>>

const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [4, 2],
  [10, 4],
  [1, 3],
  [6, 2, 2, 2],
] as const
const shapes = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'triangle-down',
  'cross',
  'triangle-right',
  'stroke',
] as const

export const dashOf = (index: number): readonly number[] => dashes[index % dashes.length]!
export const seriesColour = (index: number): string => `var(--series-${(index % 8) + 1})`

/** Title, SVG and a sentence that says what is to be seen. */
export interface Chart {
  readonly title: string
  readonly description: string
  readonly svg: string
}

interface Point {
  readonly arm: string
  readonly run: string
  readonly x: number
  readonly y: number
}

/**
 * Validation figures per epoch, students aligned at the moment of growth (x = 0, where their
 * start stands beside the teacher's end). The teacher's own epochs lie left of it.
 */
export async function epochChart(
  runs: readonly RunRecord[],
  figure: 'valLoss' | 'valAccuracy',
): Promise<Chart | undefined> {
  const points: Point[] = []
  for (const run of runs)
    for (const { name, epochs, initial } of run.arms) {
      const shift = name === teacherName && grows(runs) ? -epochs.length : 0
      const point = (x: number, y: number | undefined) => {
        if (y !== undefined && Number.isFinite(y))
          points.push({ arm: armTitle(name), run: run.name, x, y })
      }
      if (initial) point(0, initial[figure])
      for (const [i, epoch] of epochs.entries()) point(shift + i + 1, epoch[figure])
    }
  if (points.length === 0) return undefined
  const isLoss = figure === 'valLoss'
  return {
    title: isLoss ? 'Validation loss' : 'Validation accuracy',
    description: `${isLoss ? 'Validation loss' : 'Validation accuracy'} of every arm by ${unitSince('epochs', runs)}.${alignment(runs, 'epochs')}`,
    svg: await lineChart({
      arms: armNames(runs).map(armTitle),
      points,
      x: unitSince('epochs', runs),
      y: isLoss ? 'validation loss (log)' : 'validation accuracy',
      logarithmic: isLoss,
      format: isLoss ? '.3~g' : '.1%',
      marks: true,
      height: 300,
    }),
  }
}

/** Training loss by steps since growth: the raw values pale, a smoothed line over them. */
export async function stepChart(runs: readonly RunRecord[]): Promise<Chart | undefined> {
  const raw: Point[] = []
  const smooth: Point[] = []
  for (const run of runs)
    for (const arm of run.arms) {
      const own = run.steps.filter((step) => step.arm === arm.name && step.loss > 0)
      if (own.length === 0) continue
      const shift = arm.name === teacherName && grows(runs) ? -own.at(-1)!.step : 0
      const losses = smoothed(own.map((step) => step.loss))
      const at = (i: number) => ({
        arm: armTitle(arm.name),
        run: run.name,
        x: own[i]!.step + shift,
      })
      const every = Math.max(1, Math.ceil(own.length / 400))
      own.forEach((step, i) => {
        if (i % every === 0) raw.push({ ...at(i), y: step.loss })
        if (i % every === 0 || i === own.length - 1) smooth.push({ ...at(i), y: losses[i]! })
      })
    }
  if (smooth.length === 0) return undefined
  return {
    title: 'Training loss per step',
    description: `Training loss of every arm by ${unitSince('steps', runs)}: single steps pale, their moving average as a line.${alignment(runs, 'steps')}`,
    svg: await lineChart({
      arms: armNames(runs).map(armTitle),
      points: smooth,
      raw,
      x: unitSince('steps', runs),
      y: 'training loss (log)',
      logarithmic: true,
      format: '.2~g',
      marks: false,
      height: 320,
    }),
  }
}

/** Does any arm start from another one? */
export const grows = (runs: readonly RunRecord[]): boolean =>
  runs.some((run) => run.arms.some((arm) => arm.initial !== undefined))
const unitSince = (unit: string, runs: readonly RunRecord[]): string =>
  grows(runs) ? `${unit} since growth` : unit
const alignment = (runs: readonly RunRecord[], unit: string): string =>
  grows(runs) ? ` The students start at 0; the teacher's own ${unit} lie left of it.` : ''

interface LineChart {
  readonly arms: readonly string[]
  readonly points: readonly Point[]
  readonly raw?: readonly Point[]
  readonly x: string
  readonly y: string
  readonly logarithmic: boolean
  readonly format: string
  readonly marks: boolean
  readonly height: number
}

async function lineChart(chart: LineChart): Promise<string> {
  const { arms, points, raw } = chart
  const several = new Set(points.map((point) => point.run)).size > 1
  const encoding = {
    x: { field: 'x', type: 'quantitative', title: chart.x, axis: { tickMinStep: 1 } },
    y: {
      field: 'y',
      type: 'quantitative',
      title: chart.y,
      scale: chart.logarithmic ? { type: 'log', nice: false } : { zero: false },
      axis: { format: chart.format, tickCount: 6 },
    },
    color: {
      field: 'arm',
      type: 'nominal',
      scale: { domain: arms, range: arms.map((_, i) => seriesColour(i)) },
      legend: null,
    },
    detail: { field: 'run', type: 'nominal' },
  }
  const dash = {
    field: 'arm',
    type: 'nominal',
    scale: { domain: arms, range: arms.map((_, i) => dashOf(i)) },
    legend: null,
  }
  const shape = {
    field: 'arm',
    type: 'nominal',
    scale: { domain: arms, range: arms.map((_, i) => shapes[i % shapes.length]!) },
    legend: null,
  }
  const layers: Unit[] = [
    {
      data: { values: [{ x: 0 }] },
      mark: { type: 'rule', color: 'var(--line-strong)', strokeDash: [2, 3] },
      encoding: { x: { field: 'x', type: 'quantitative' } },
    },
  ]
  if (raw)
    layers.push({
      data: { values: raw },
      mark: { type: 'point', filled: true, size: 8, opacity: 0.3 },
      encoding,
    })
  layers.push({
    data: { values: points },
    mark: { type: 'line', strokeWidth: several ? 1.1 : 2, opacity: several ? 0.55 : 1 },
    encoding: { ...encoding, strokeDash: dash },
  })
  if (several)
    layers.push({
      data: { values: meansOf(points) },
      mark: { type: 'line', strokeWidth: 2.6 },
      encoding: { ...encoding, strokeDash: dash },
    })
  if (chart.marks)
    layers.push({
      data: { values: several ? meansOf(points) : points },
      mark: { type: 'point', filled: true, size: 46, opacity: 1 },
      encoding: { ...encoding, shape },
    })
  return await renderChart({
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    width: 640,
    height: chart.height,
    layer: layers,
    config: chartConfig,
  } as unknown as TopLevelSpec)
}

/** The mean over runs at each x that all runs of an arm have. */
function meansOf(points: readonly Point[]): Point[] {
  const groups = new Map<string, Point[]>()
  for (const point of points) {
    const key = `${point.arm}\n${point.x}`
    groups.set(key, [...(groups.get(key) ?? []), point])
  }
  return [...groups.values()].map((group) => ({
    ...group[0]!,
    run: 'mean',
    y: mean(group.map((point) => point.y)),
  }))
}

export const chartConfig = {
  background: 'transparent',
  font: 'inherit',
  padding: { left: 4, right: 12, top: 8, bottom: 4 },
  view: { stroke: null },
  axis: {
    labelColor: 'var(--muted)',
    titleColor: 'var(--muted)',
    titleFontWeight: 500,
    titleFontSize: 12,
    titlePadding: 8,
    labelFontSize: 11.5,
    gridColor: 'var(--line)',
    domainColor: 'var(--line-strong)',
    tickColor: 'var(--line-strong)',
  },
} as const

/** Loaded when the first chart is drawn: the command line starts without them. */
export async function renderChart(spec: TopLevelSpec): Promise<string> {
  const [{ compile }, vega] = await Promise.all([import('vega-lite'), import('vega')])
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** The mark of an arm in the legend: its dash, its colour, its shape. */
export function legendMark(index: number): string {
  const dash = dashOf(index).join(' ')
  const colour = seriesColour(index)
  return `<svg class="key" viewBox="0 0 30 12" width="30" height="12" aria-hidden="true"><line x1="1" x2="29" y1="6" y2="6" style="stroke:${colour};stroke-width:2;stroke-dasharray:${dash === '1 0' ? 'none' : dash}"/><path d="${shapePaths[index % shapes.length]}" transform="translate(15 6)" style="fill:${colour}"/></svg>`
}

/** Vega's symbols, at the legend's size. */
const shapePaths = [
  'M-3.8 0a3.8 3.8 0 1 0 7.6 0a3.8 3.8 0 1 0-7.6 0',
  'M-3.4-3.4H3.4V3.4H-3.4z',
  'M0-4.4 4.2 3.4H-4.2z',
  'M0-4.8 3.6 0 0 4.8-3.6 0z',
  'M0 4.4 4.2-3.4H-4.2z',
  'M-1.4-4.2H1.4V-1.4H4.2V1.4H1.4V4.2H-1.4V1.4H-4.2V-1.4H-1.4z',
  'M4.4 0-3.4 4.2V-4.2z',
  'M-4.4-.9H4.4V.9H-4.4z',
] as const
