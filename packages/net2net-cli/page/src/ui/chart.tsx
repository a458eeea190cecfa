/** Lines on a canvas, redrawn as they grow: uPlot, in the page's colours. Drag to zoom; every arm is read off at the pointer. */
import { type ReadonlySignal, type Signal, signal, useSignal } from '@preact/signals'
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import type uPlot from 'uplot'
import { t } from '../text/text.ts'
import type { ChartFormat } from './chart-formats.ts'
import { onChartKey, type Pointed } from './chart-keys.ts'
import { later } from './later.ts'
import { type Line, valuesAt } from './line.ts'
import { reaching } from './places.ts'
import type { Range } from './plot-options.ts'
import { saveAs } from './save.ts'
import { textScale } from './text-scale.ts'
import { colours } from './theme.tsx'

/** What draws charts, as soon as it is loaded. */
const drawing = signal<typeof import('./plot.ts') | undefined>(undefined)

async function loadDrawing(): Promise<void> {
  drawing.value ??= await import('./plot.ts')
}

interface ChartProps {
  readonly title: string
  readonly lines: readonly Line[]
  readonly xLabel: string
  /** What the x axis shows at least. */
  readonly span?: Range
  /** Whether the y axis is logarithmic at first; undefined where it never is. */
  readonly logarithmic?: boolean
  readonly format: ChartFormat
  /** What a screen reader says of it; the numbers are in the table. */
  readonly description: string
}

/** What a chart can be saved as. */
const savedKinds = ['png', 'svg', 'csv'] as const
type SavedKind = (typeof savedKinds)[number]

export function Chart(props: ChartProps) {
  const { title, lines, xLabel, span = [0, 1], format, description } = props
  const holder = useRef<HTMLDivElement>(null)
  const drawn = useRef<{ readonly key: string; readonly plot: uPlot } | undefined>(undefined)
  const logarithmic = useSignal(props.logarithmic === true)
  const zoom = useSignal<Range | undefined>(undefined)
  const pointed = useSignal<Pointed | undefined>(undefined)
  /** Not in a view that is hidden. */
  const isShown = useSignal(false)
  const data = useMemo(() => tableOf(lines), [lines])
  const shape = lines.map((line) => `${line.label}${line.end ?? ''}${line.raw ? 1 : 0}`).join()
  const key = `${shape} ${logarithmic.value} ${span} ${colours.value} ${textScale()} ${xLabel}`
  const whole = (): Range => reaching(span, data[0])
  // Taller on screens that have room for it.
  const height = () => Math.max(250 * textScale(), Math.min(0.24 * innerHeight, 500))
  const size = () => ({ width: Math.max(160, holder.current!.clientWidth), height: height() })

  const draw = () => {
    const element = holder.current!
    if (!drawing.value) return
    if (drawn.current?.key === key) {
      drawn.current.plot.setData(data)
      return
    }
    drawn.current?.plot.destroy()
    const chart = {
      lines,
      xLabel,
      span,
      logarithmic: logarithmic.value,
      format,
      ...size(),
      zoom: () => zoom.peek(),
      onZoom: (range: Range | undefined) => {
        zoom.value = range
      },
      onPoint: (x: number | undefined, left: number) => {
        pointed.value = x === undefined ? undefined : { x, right: left > element.clientWidth / 2 }
      },
    }
    drawn.current = { key, plot: drawing.value.plot(chart, data, element) }
  }
  // While its view is hidden, it stays as it was. (Cleanups of useEffect run after the next paint; by then a frame or a task has
  // asked for the element that is gone.)
  useLayoutEffect(
    () => (isShown.value ? later(draw) : undefined),
    [isShown.value, drawing.value, key, data, zoom.value],
  )
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      isShown.value = entry!.contentRect.width > 0
      if (!isShown.value) return
      void loadDrawing()
      drawn.current?.plot.setSize(size())
    })
    observer.observe(holder.current!)
    return () => {
      observer.disconnect()
      drawn.current?.plot.destroy()
      drawn.current = undefined
    }
  }, [])

  const save = async (kind: SavedKind) => {
    const { csvOf, pngOf, svgOf } = await import('./chart-export.ts')
    const chart = {
      title,
      xLabel,
      lines,
      x: zoom.value ?? whole(),
      logarithmic: logarithmic.value,
      format,
    }
    const name = `${title.toLowerCase().replaceAll(/\s+/g, '-')}.${kind}`
    if (kind === 'csv') saveAs(name, csvOf(chart), 'text/csv')
    else if (kind === 'svg') saveAs(name, svgOf(chart), 'image/svg+xml')
    else saveAs(name, await pngOf(svgOf(chart)), 'image/png')
  }

  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <ChartTools
          title={title}
          logarithmic={props.logarithmic === undefined ? undefined : logarithmic}
          isEmpty={lines.every(({ points }) => points.length === 0)}
          onSave={(kind) => void save(kind)}
        />
      </figcaption>
      <div
        ref={holder}
        class="chart-holder"
        role="img"
        aria-label={`${description} ${t('Arrow keys read values, plus and minus zoom, 0 shows all.')}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: its values are read by keys
        tabIndex={0}
        onKeyDown={(event) => onChartKey(event, { xs: data[0], whole: whole(), zoom, pointed })}
        onBlur={() => {
          pointed.value = undefined
        }}
      />
      {zoom.value === undefined ? null : (
        <button
          type="button"
          class="small quiet show-all"
          onClick={() => {
            zoom.value = undefined
          }}
        >
          {t('Show all')}
        </button>
      )}
      <Readout
        lines={lines}
        pointed={pointed}
        {...{ xLabel, format }}
        range={zoom.value ?? whole()}
      />
    </figure>
  )
}

/** Buttons above a chart. */
function ChartTools(props: {
  readonly title: string
  /** Whether the y axis is logarithmic; undefined where it never is. */
  readonly logarithmic: Signal<boolean> | undefined
  /** There is nothing to save. */
  readonly isEmpty: boolean
  readonly onSave: (kind: SavedKind) => void
}) {
  const { title, logarithmic, isEmpty, onSave } = props
  return (
    <span class="row chart-tools">
      {logarithmic === undefined ? null : (
        <button
          type="button"
          class="small quiet"
          aria-pressed={logarithmic.value}
          title={t('Logarithmic scale')}
          aria-label={`log: ${title}, ${t('Logarithmic scale')}`}
          onClick={() => {
            logarithmic.value = !logarithmic.value
          }}
        >
          log
        </button>
      )}
      {savedKinds.map((kind) => (
        <button
          key={kind}
          type="button"
          class="small quiet"
          aria-label={t('{1}: save {0}', title, kind.toUpperCase())}
          disabled={isEmpty}
          onClick={() => onSave(kind)}
        >
          {kind.toUpperCase()}
        </button>
      ))}
    </span>
  )
}

/** What every line says where the pointer is. */
function Readout(props: {
  readonly lines: readonly Line[]
  readonly pointed: ReadonlySignal<Pointed | undefined>
  readonly xLabel: string
  readonly format: ChartFormat
  readonly range: Range
}) {
  const { lines, pointed, xLabel, format, range } = props
  const at = pointed.value
  if (at === undefined) return null
  const values = valuesAt(lines, at.x, (range[1] - range[0]) / 30)
  if (values.length === 0) return null
  return (
    <div class={`readout ${at.right ? 'left' : ''}`} role="status">
      <p class="muted">
        {at.x.toLocaleString('en')} {xLabel}
      </p>
      <ul>
        {values.map(({ line, point }) => (
          <li key={`${line.label} ${line.end ?? ''}`}>
            <svg viewBox="0 0 18 8" width="18" height="8" aria-hidden="true">
              <line
                x2="18"
                y1="4"
                y2="4"
                stroke={`var(--${line.colour})`}
                stroke-width="2.4"
                stroke-dasharray={line.dash.join(' ')}
              />
            </svg>
            <span>{line.label}</span>
            <strong>{format(point[1])}</strong>
          </li>
        ))}
      </ul>
    </div>
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
