/** How uPlot draws a chart of ours. */
import type uPlot from 'uplot'
import type { ChartFormat } from './chart-formats.ts'
import type { Line } from './line.ts'
import { drawEnds, endRoom } from './line-ends.ts'
import { reaching } from './places.ts'
import { textScale } from './text-scale.ts'
import { colour } from './theme.tsx'
import { logarithmicTicks, tickTexts } from './ticks.ts'

const wholeSteps = [1, 2, 5, 10, 20, 50].flatMap((step) => [1, 100, 1e4, 1e6].map((f) => step * f))
wholeSteps.sort((a, b) => a - b)

export type Range = readonly [number, number]

/** A chart as it is to be drawn. */
export interface PlottedChart {
  readonly lines: readonly Line[]
  readonly xLabel: string
  readonly span: Range
  readonly logarithmic: boolean
  readonly format: ChartFormat
  readonly width: number
  readonly height: number
  /** What of the x axis is shown; undefined: all. */
  readonly zoom: () => Range | undefined
  readonly onZoom: (range: Range | undefined) => void
  /** Told the x value that the pointer is at, and where that is; undefined where it is at nothing. */
  readonly onPoint: (x: number | undefined, left: number) => void
}

export function plotOptions(chart: PlottedChart): uPlot.Options {
  const { lines, xLabel, width, height } = chart
  return {
    width,
    height,
    ...(lines.some(({ end }) => end !== undefined)
      ? { padding: [null, endRoom, null, null] as uPlot.Padding }
      : {}),
    cursor: {
      points: { size: 6 },
      focus: { prox: 30 },
      drag: { x: true, y: false, setScale: false, dist: 6 },
      // uPlot's own way back from a zoom does not tell us.
      bind: {
        dblclick: () => () => {
          chart.onZoom(undefined)
          return null
        },
      },
    },
    // The line that the pointer is at stands out.
    focus: { alpha: 0.35 },
    scales: scalesOf(chart),
    axes: axesOf(chart),
    series: [{ label: xLabel }, ...lines.flatMap(seriesOf)],
    legend: { show: false },
    hooks: hooksOf(chart),
  }
}

const scalesOf = ({ span, logarithmic, zoom }: PlottedChart): uPlot.Scales => ({
  x: {
    time: false,
    // Not what uPlot suggests: of a single point at 0 it makes a hundred.
    range: ({ data: [xs] }) => {
      const [low, high] = zoom() ?? reaching(span, xs)
      return [low, high]
    },
  },
  y: logarithmic
    ? { distr: 3, log: 10, range: (_, low, high) => [(low ?? 0.1) / 1.2, (high ?? 1) * 1.2] }
    : { range: (_, low, high) => padded(low, high) },
})

function axesOf({ xLabel, logarithmic, format }: PlottedChart): uPlot.Axis[] {
  const scale = textScale()
  const font = `${12 * scale}px "Inter Variable", system-ui, sans-serif`
  const axis: uPlot.Axis = {
    stroke: colour('muted'),
    font,
    labelFont: font,
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 5 },
  }
  return [
    {
      ...axis,
      label: xLabel,
      labelSize: 22 * scale,
      size: 34 * scale,
      space: 55 * scale,
      // Steps, images and epochs are whole.
      incrs: wholeSteps,
      values: (_, values) => values.map((value) => (value === null ? '' : compact(value))),
    },
    {
      ...axis,
      size: 62 * scale,
      // uPlot's own never end where a logarithmic scale does not start at a power of ten.
      ...(logarithmic
        ? {
            splits: (_: uPlot, __: number, low: number, high: number) =>
              logarithmicTicks(low, high),
            filter: (_: uPlot, splits: number[]) => splits,
          }
        : {}),
      values: (_, values) => tickTexts(values, format),
    },
  ]
}

/** A line, and the single values behind it where it has any. */
function seriesOf(line: Line): readonly uPlot.Series[] {
  const stroke = colour(line.colour)
  const faint = colour(line.colour, 0.38)
  const main: uPlot.Series = {
    label: line.label,
    stroke,
    width: 2,
    dash: [...line.dash],
    spanGaps: true,
    points: {
      show: line.marks === true,
      size: 7,
      fill: line.hollow ? colour('surface') : stroke,
    },
  }
  if (!line.raw) return [main]
  const raw: uPlot.Series = {
    label: `${line.label}, single steps`,
    stroke: faint,
    paths: () => null,
    points: { show: true, size: 3.4, width: 0, fill: faint },
  }
  return [raw, main]
}

const hooksOf = ({ lines, onPoint, onZoom }: PlottedChart): uPlot.Hooks.Arrays => ({
  draw: [drawGrowth, (plot) => drawEnds(plot, lines)],
  setCursor: [
    ({ cursor: { idx, left = -1 }, data }) =>
      onPoint(typeof idx === 'number' && left >= 0 ? data[0][idx] : undefined, left),
  ],
  setSelect: [
    (plot) => {
      const { left, width: wide } = plot.select
      if (wide < 6) return
      const [low, high] = [plot.posToVal(left, 'x'), plot.posToVal(left + wide, 'x')]
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
      onZoom([low, high])
    },
  ],
})

/** 192,000 as 192k: long numbers run into one another. */
const compact = (value: number): string =>
  Math.abs(value) >= 10_000 && value % 100 === 0
    ? `${value / 1000}k`
    : String(Number(value.toPrecision(9)))

function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1]
  // Where values hardly differ, the axis has numbers of few digits all the same.
  const room = Math.max((high - low) * 0.08, 0.005 * Math.max(Math.abs(low), Math.abs(high)), 1e-6)
  return [low - room, high + room]
}

/** A line at 0: the moment of growth. */
function drawGrowth(plot: uPlot): void {
  const { min, max } = plot.scales.x!
  if (min === undefined || max === undefined || min >= 0 || max <= 0) return
  const x = Math.round(plot.valToPos(0, 'x', true))
  const { top, height } = plot.bbox
  plot.ctx.save()
  plot.ctx.strokeStyle = colour('line-strong')
  plot.ctx.setLineDash([3, 4])
  plot.ctx.beginPath()
  plot.ctx.moveTo(x, top)
  plot.ctx.lineTo(x, top + height)
  plot.ctx.stroke()
  plot.ctx.restore()
}
