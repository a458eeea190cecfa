/** Lines on a canvas, redrawn as they grow: uPlot, in the page's colours. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Line } from './line.ts'
import { plotOptions } from './plot-options.ts'
import { colours } from './theme.tsx'

interface ChartProps {
  readonly title: string
  readonly lines: readonly Line[]
  readonly xLabel: string
  /** What the x axis shows at least. */
  readonly span?: readonly [number, number]
  readonly logarithmic?: boolean
  readonly format: (value: number) => string
  /** What a screen reader says of it; the numbers are in the table. */
  readonly description: string
}

export function Chart({
  title,
  lines,
  xLabel,
  span = [0, 1],
  logarithmic = false,
  format,
  description,
}: ChartProps) {
  const holder = useRef<HTMLDivElement>(null)
  const readout = useRef<HTMLParagraphElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const data = tableOf(lines)
  const key = `${lines.map((line) => `${line.label}${line.end ?? ''}${line.raw ? 1 : 0}`).join()} ${logarithmic} ${span} ${colours.value}`

  useLayoutEffect(() => {
    const element = holder.current!
    const size = () => ({ width: Math.max(160, element.clientWidth), height: 250 })
    const chart = new uPlot(
      plotOptions({
        lines,
        xLabel,
        span,
        logarithmic,
        format,
        ...size(),
        onPoint: (text) => {
          if (readout.current) readout.current.textContent = text ?? ''
        },
      }),
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
      <p ref={readout} class="readout" aria-hidden="true" />
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
