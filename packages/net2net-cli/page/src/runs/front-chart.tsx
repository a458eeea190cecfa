/** All networks of an exploration by what they cost and how good they are, with lines from each to those that grew from it; a press grows one. */
import { type Signal, useComputed } from '@preact/signals'
import type { Cost } from 'net2net/exploring'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { t } from '../text/text.ts'
import { asNumber } from '../ui/chart-formats.ts'
import { textScale } from '../ui/text-scale.ts'
import { equalTicks, logarithmicTicks, tickTexts } from '../ui/ticks.ts'
import { costTitle, type Dot, type DrawnNetwork } from './exploration-networks.ts'
import { growIt } from './model.ts'

const room = { left: 58, right: 16, top: 26, bottom: 44 }

interface Scale {
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
}

/** From values to places between two ends, by the values' logarithm where they all have one. */
function scaleOf(values: readonly number[], [from, to]: readonly [number, number]): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const isLogarithmic = low > 0
  const size = isLogarithmic ? Math.log : (value: number) => value
  const room = Math.max(0.04 * (size(high) - size(low)), 0.02 * Math.abs(size(high)), 1e-6)
  const [first, last] = [size(low) - room, size(high) + room]
  const ends = isLogarithmic
    ? ([Math.exp(first), Math.exp(last)] as const)
    : ([first, last] as const)
  return {
    at: (value) => from + ((size(value) - first) / (last - first)) * (to - from),
    ticks: isLogarithmic ? logarithmicTicks(...ends) : equalTicks(...ends),
  }
}

export function FrontChart(props: {
  readonly networks: readonly DrawnNetwork[]
  readonly cost: Cost
  /** What the quality is called. */
  readonly metric: string
  /** The network that is pointed at. */
  readonly pointed: Signal<number | undefined>
}) {
  const { networks, cost, metric, pointed } = props
  const holder = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      const wide = entry!.contentRect.width
      // While its tab is hidden, it stays as it was.
      if (wide > 0) setWidth(wide)
    })
    observer.observe(holder.current!)
    return () => observer.disconnect()
  }, [])
  const scale = textScale()
  const height = width < 480 ? 260 : Math.max(330, Math.min(0.45 * width, 0.32 * innerHeight))
  const margin = Object.fromEntries(
    Object.entries(room).map(([side, size]) => [side, size * scale]),
  ) as typeof room
  const x = (dot: Dot) => dot.costs[cost] ?? Number.NaN
  const isDrawn = (dot: Dot) => Number.isFinite(x(dot)) && Number.isFinite(dot.quality)
  const dots = networks.flatMap((network) => network.dots).filter(isDrawn)
  const description = t(
    'Validation of {0} trained networks over {1}; those of the front are in the table.',
    dots.length,
    costTitle(cost),
  )
  return (
    <div ref={holder} class="front-chart">
      {width === 0 || dots.length === 0 ? null : (
        <svg
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          role="img"
          aria-label={description}
        >
          {drawing()}
        </svg>
      )}
    </div>
  )

  function drawing() {
    const horizontal = scaleOf(dots.map(x), [margin.left, width - margin.right])
    const vertical = scaleOf(
      dots.map(({ quality }) => quality),
      [height - margin.bottom, margin.top],
    )
    const place = (dot: Dot) => [horizontal.at(x(dot)), vertical.at(dot.quality)] as const
    const byName = new Map(dots.map((dot) => [`${dot.network}:${dot.rung}`, dot]))
    const lines = networks.flatMap(({ dots: own, parent, parentRung }) => {
      const from = byName.get(`${parent}:${parentRung}`)
      const path = [...(from ? [from] : []), ...own.filter(isDrawn)]
      return path.length > 1 ? [path] : []
    })
    const front = dots.filter(({ isOnFront }) => isOnFront).sort((a, b) => x(a) - x(b))
    const xTicks = spaced(horizontal.ticks, (tick) => horizontal.at(tick), 52 * scale)
    const xTexts = tickTexts(xTicks, (value, digits) => compact(value, digits))
    const yTexts = tickTexts(vertical.ticks, asNumber)
    return (
      <>
        {xTicks.map((tick, i) => (
          <g key={tick} transform={`translate(${horizontal.at(tick)} 0)`}>
            <line class="grid" y1={margin.top} y2={height - margin.bottom} />
            <text y={height - margin.bottom + 16 * scale} text-anchor="middle">
              {xTexts[i]}
            </text>
          </g>
        ))}
        {vertical.ticks.map((tick, i) => (
          <g key={tick} transform={`translate(0 ${vertical.at(tick)})`}>
            <line class="grid" x1={margin.left} x2={width - margin.right} />
            <text x={margin.left - 8} y="4" text-anchor="end">
              {yTexts[i]}
            </text>
          </g>
        ))}
        <text class="axis" x={width - margin.right} y={height - 8} text-anchor="end">
          {costTitle(cost)}
        </text>
        <text class="axis" x="4" y={14 * scale}>
          {metric}
        </text>
        {lines.map((path) => (
          <Descent
            key={`${path[0]!.network}:${path.at(-1)!.network}`}
            network={path.at(-1)!.network}
            points={path.map((dot) => place(dot).join()).join(' ')}
            pointed={pointed}
          />
        ))}
        <path class="front" d={stepsThrough(front.map(place))} />
        {dots.map((dot) => {
          const [cx, cy] = place(dot)
          return <Mark key={`${dot.network}:${dot.rung}`} {...{ dot, cx, cy, pointed }} />
        })}
      </>
    )
  }
}

type PointedSignal = Signal<number | undefined>
/** Of all that is drawn only what is pointed at, and what was, is drawn anew. */
const usePointed = (pointed: PointedSignal, network: number): boolean =>
  useComputed(() => pointed.value === network).value

/** From a network to the one that grew from it. */
function Descent(props: {
  readonly network: number
  readonly points: string
  readonly pointed: PointedSignal
}) {
  const isPointed = usePointed(props.pointed, props.network)
  return <polyline class={`descent ${isPointed ? 'pointed' : ''}`} points={props.points} />
}

function Mark(props: {
  readonly dot: Dot
  readonly cx: number
  readonly cy: number
  readonly pointed: PointedSignal
}) {
  const { dot, cx, cy, pointed } = props
  const { network, rung, address, isOnFront } = dot
  const isPointed = usePointed(pointed, network)
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the table and the tree have buttons that do the same
    <g
      class={`dot ${isOnFront ? 'best' : ''} ${isPointed ? 'pointed' : ''} ${address ? 'kept' : ''}`}
      data-network={network}
      data-rung={rung}
      onPointerEnter={() => {
        pointed.value = network
      }}
      onClick={() => {
        if (address) growIt(address)
      }}
    >
      <circle class="reach" cx={cx} cy={cy} r="10" />
      <circle class="mark" cx={cx} cy={cy} r={isOnFront ? 5.5 : 4} />
    </g>
  )
}

/** Ticks that are so many pixels apart at least. */
function spaced(ticks: readonly number[], at: (tick: number) => number, least: number): number[] {
  const kept: number[] = []
  for (const tick of ticks)
    if (kept.length === 0 || at(tick) - at(kept.at(-1)!) >= least) kept.push(tick)
  return kept
}

/** 12000 as 12k, 3400000 as 3.4M. */
function compact(value: number, digits: number): string {
  const [unit, name] = value >= 1e6 ? [1e6, 'M'] : value >= 1e4 ? [1e3, 'k'] : [1, '']
  return `${Number((value / unit).toPrecision(digits))}${name}`
}

/** Whoever may spend so much gets the best of what costs less. */
const stepsThrough = (points: readonly (readonly [number, number])[]): string =>
  points.map(([x, y], i) => (i === 0 ? `M${x} ${y}` : `H${x}V${y}`)).join('')
