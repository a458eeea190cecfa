import type { ParameterStatistics, Statistics } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { count } from './format.ts'

const width = 260
const height = 72

/** Two distributions on one scale: before as a line, after as bars. Shares, not counts. */
export function Histogram({
  statistics,
  label,
}: {
  statistics: ParameterStatistics
  label: string
}) {
  const { range, before, after } = statistics
  const sides = [before, after].filter((side) => side !== undefined)
  if (sides.length === 0) return <p class="muted small">{t('No values to show.')}</p>
  const share = (side: Statistics, i: number) => side.bins[i]! / side.count
  const top = Math.max(...sides.flatMap((side) => side.bins.map((_, i) => share(side, i))))
  const bins = sides[0]!.bins.length
  const x = (i: number) => (i / bins) * width
  const y = (value: number) => height - (value / top) * (height - 4)
  const bars = after ?? before!
  const text = (side: Statistics) =>
    t('mean {0}, deviation {1}', side.mean.toPrecision(3), side.deviation.toPrecision(3))
  return (
    <figure class="histogram">
      <svg
        viewBox={`0 0 ${width} ${height + 16}`}
        role="img"
        aria-label={`${t('Histogram of {0}: {1} values from {2} to {3}', label, count(bars.count), range[0].toPrecision(3), range[1].toPrecision(3))}, ${text(bars)}`}
      >
        {bars.bins.map((_, i) => (
          <rect
            key={i}
            class="bar"
            x={x(i) + 0.4}
            width={width / bins - 0.8}
            y={y(share(bars, i))}
            height={height - y(share(bars, i))}
          />
        ))}
        {before && after ? (
          <path
            class="line"
            d={before.bins
              .map((_, i) => `${i === 0 ? 'M' : 'L'}${x(i)} ${y(share(before, i))}H${x(i + 1)}`)
              .join('')}
          />
        ) : null}
        <path class="axis" d={`M0 ${height}H${width}`} />
        <text x="0" y={height + 13}>
          {range[0].toPrecision(3)}
        </text>
        <text x={width} y={height + 13} text-anchor="end">
          {range[1].toPrecision(3)}
        </text>
      </svg>
      <figcaption class="small muted number">
        {before && after ? (
          <>
            {t('Before')}: {text(before)}
            <br />
            {t('After')}: {text(after)}
          </>
        ) : (
          text(bars)
        )}
      </figcaption>
    </figure>
  )
}
