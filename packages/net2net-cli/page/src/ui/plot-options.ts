/** How uPlot draws a chart of ours. */
import type uPlot from 'uplot'
import type { Line } from './line.ts'
import { drawEnds, endRoom } from './line-ends.ts'
import { reaching } from './places.ts'
import { colour } from './theme.tsx'
import { logarithmicTicks } from './ticks.ts'

const wholeSteps = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000,
]

export function plotOptions(chart: {
  readonly lines: readonly Line[]
  readonly xLabel: string
  readonly span: readonly [number, number]
  readonly logarithmic: boolean
  readonly format: (value: number) => string
  readonly width: number
  readonly height: number
  /** Told what the pointer is at, and undefined where it is at nothing. */
  readonly onPoint: (text: string | undefined) => void
}): uPlot.Options {
  const { lines, xLabel, span, logarithmic, format, width, height, onPoint } = chart
  const font = '12px "Inter Variable", system-ui, sans-serif'
  const axis: uPlot.Axis = {
    stroke: colour('muted'),
    font,
    labelFont: font,
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 5 },
  }
  return {
    width,
    height,
    ...(lines.some(({ end }) => end !== undefined)
      ? { padding: [null, endRoom, null, null] as uPlot.Padding }
      : {}),
    cursor: { points: { size: 6 }, focus: { prox: 30 } },
    // The line that the pointer is at stands out.
    focus: { alpha: 0.35 },
    scales: {
      x: {
        time: false,
        // Not what uPlot suggests: of a single point at 0 it makes a hundred.
        range: ({ data: [xs] }) => reaching(span, xs),
      },
      y: logarithmic
        ? { distr: 3, log: 10, range: (_, low, high) => [(low ?? 0.1) / 1.2, (high ?? 1) * 1.2] }
        : { range: (_, low, high) => padded(low, high) },
    },
    axes: [
      {
        ...axis,
        label: xLabel,
        labelSize: 22,
        size: 34,
        // Steps and epochs are whole.
        incrs: [...wholeSteps],
      },
      {
        ...axis,
        size: 58,
        // uPlot's own never end where a logarithmic scale does not start at a power of ten.
        ...(logarithmic
          ? {
              splits: (_: uPlot, __: number, low: number, high: number) =>
                logarithmicTicks(low, high),
              filter: (_: uPlot, splits: number[]) => splits,
            }
          : {}),
        values: (_, values) => values.map((value) => (value === null ? '' : format(value))),
      },
    ],
    series: [
      { label: xLabel },
      ...lines.flatMap((line): uPlot.Series[] => {
        const stroke = colour(line.colour)
        const faint = colour(line.colour, 0.3)
        const value = (_: uPlot, y: number | null) => (y === null ? '' : format(y))
        const main: uPlot.Series = {
          label: line.label,
          stroke,
          width: 2,
          dash: [...line.dash],
          spanGaps: true,
          value,
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
          value,
          points: {
            show: true,
            size: 3,
            width: 0,
            fill: faint,
          },
        }
        return [raw, main]
      }),
    ],
    legend: { show: false },
    hooks: {
      draw: [drawGrowth, (plot) => drawEnds(plot, lines)],
      setCursor: [(plot) => onPoint(pointText(plot, xLabel, format))],
      setSeries: [(plot) => onPoint(pointText(plot, xLabel, format))],
    },
  }
}

function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1]
  const room = Math.max((high - low) * 0.08, 1e-6)
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

/** What the pointer is at, in words. */
function pointText(
  plot: uPlot,
  xLabel: string,
  format: (value: number) => string,
): string | undefined {
  const { idx } = plot.cursor
  // uPlot marks all lines as in focus where none is singled out.
  const focused = plot.series.flatMap((series, i) =>
    i > 0 && (series as { _focus?: boolean })._focus === true ? [i] : [],
  )
  if (typeof idx !== 'number' || focused.length !== 1) return undefined
  const [x, y] = [plot.data[0][idx], plot.data[focused[0]!]![idx]]
  if (x === undefined || typeof y !== 'number') return undefined
  return `${plot.series[focused[0]!]!.label}: ${format(y)} at ${x} ${xLabel}`
}
