/** Lines on a canvas, redrawn as they grow: uPlot, in the page's colours. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { colour, colours } from './theme.tsx'
import { logarithmicTicks } from './ticks.ts'

export interface Line {
  readonly label: string
  /** Name of a colour variable. */
  readonly colour: string
  readonly dash: readonly number[]
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Single values behind the line. */
  readonly raw?: readonly (readonly [x: number, y: number])[]
  readonly marks?: boolean
}

interface ChartProps {
  readonly title: string
  readonly lines: readonly Line[]
  readonly xLabel: string
  readonly logarithmic?: boolean
  readonly format: (value: number) => string
  /** What a screen reader says of it; the numbers are in the table. */
  readonly description: string
}

export function Chart({
  title,
  lines,
  xLabel,
  logarithmic = false,
  format,
  description,
}: ChartProps) {
  const holder = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const data = tableOf(lines)
  const key = `${lines.map((line) => `${line.label}${line.raw ? 1 : 0}`).join()} ${logarithmic} ${colours.value}`

  useLayoutEffect(() => {
    const element = holder.current!
    const size = () => ({ width: Math.max(160, element.clientWidth), height: 250 })
    const chart = new uPlot(
      options({ lines, xLabel, logarithmic, format, ...size() }),
      data,
      element,
    )
    plot.current = chart
    const observer = new ResizeObserver(() => chart.setSize(size()))
    observer.observe(element)
    return () => {
      observer.disconnect()
      chart.destroy()
      plot.current = undefined
    }
  }, [key])

  useEffect(() => plot.current?.setData(data), [lines])

  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={holder} role="img" aria-label={description} />
    </figure>
  )
}

type Table = [number[], ...(number | null)[][]]

/** One x axis for all lines, as uPlot wants it. */
function tableOf(lines: readonly Line[]): Table {
  const columns = lines.flatMap((line) => (line.raw ? [line.raw, line.points] : [line.points]))
  const xs = [...new Set(columns.flatMap((column) => column.map(([x]) => x)))].sort((a, b) => a - b)
  const row = new Map(xs.map((x, i) => [x, i]))
  return [
    xs,
    ...columns.map((column) => {
      const values = new Array<number | null>(xs.length).fill(null)
      for (const [x, y] of column) values[row.get(x)!] = y
      return values
    }),
  ]
}

function options(chart: {
  readonly lines: readonly Line[]
  readonly xLabel: string
  readonly logarithmic: boolean
  readonly format: (value: number) => string
  readonly width: number
  readonly height: number
}): uPlot.Options {
  const { lines, xLabel, logarithmic, format, width, height } = chart
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
    cursor: { points: { size: 6 } },
    scales: {
      x: { time: false },
      y: logarithmic
        ? { distr: 3, log: 10, range: (_, low, high) => [(low ?? 0.1) / 1.2, (high ?? 1) * 1.2] }
        : { range: (_, low, high) => padded(low, high) },
    },
    axes: [
      { ...axis, label: xLabel, labelSize: 22, size: 34 },
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
        const value = (_: uPlot, y: number | null) => (y === null ? '' : format(y))
        const main: uPlot.Series = {
          label: line.label,
          stroke,
          width: 2,
          dash: [...line.dash],
          spanGaps: true,
          value,
          points: { show: line.marks === true, size: 7, fill: stroke },
        }
        if (!line.raw) return [main]
        const raw: uPlot.Series = {
          label: `${line.label}, single steps`,
          stroke: `${stroke}4d`,
          paths: () => null,
          value,
          points: {
            show: true,
            size: 3,
            width: 0,
            fill: `${stroke}4d`,
          },
        }
        return [raw, main]
      }),
    ],
    legend: { show: false },
    hooks: { draw: [drawGrowth] },
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
