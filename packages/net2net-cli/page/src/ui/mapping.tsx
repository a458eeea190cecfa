import type { GrownUnits } from 'net2net'
import { t } from '../text/text.ts'

/** More units than these are a blur: every so many is drawn. */
const mostUnits = 240

/** Which unit came from where: the old units above, the new ones below, a line per copy. */
export function Mapping({ units }: { units: GrownUnits }) {
  const width = 260
  const height = 66
  const position = (i: number, of: number) => ((i + 0.5) / of) * width
  const copies = new Array<number>(units.from).fill(0)
  for (const old of units.map) copies[old]!++
  const most = copies.reduce((a, b) => Math.max(a, b), 0)
  const every = (of: number) => Math.max(1, Math.ceil(of / mostUnits))
  const drawn = (of: number) =>
    Array.from({ length: Math.ceil(of / every(of)) }, (_, i) => i * every(of))
  const [shownOld, shownNew] = [drawn(units.from), drawn(units.to)]
  const replicated = copies.filter((n) => n > 1).length
  const random = units.init === 'random-pad'
  const dot = Math.min(3, Math.max(0.8, (width / shownNew.length) * 0.38))
  const text = random
    ? t('{0} units are kept, {1} are new and random.', units.from, units.to - units.from)
    : t(
        '{0} units become {1}: {2} of them have copies, at most {3} each.',
        units.from,
        units.to,
        replicated,
        most,
      )
  return (
    <figure class="mapping">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={text}>
        {shownNew.map((i) => {
          const old = units.map[i]!
          return i >= units.from && random ? null : (
            <path
              key={i}
              class={i < units.from ? 'kept' : 'copy'}
              d={`M${position(old, units.from)} 8C${position(old, units.from)} ${height / 2} ${position(i, units.to)} ${height / 2} ${position(i, units.to)} ${height - 8}`}
            />
          )
        })}
        {shownOld.map((i) => (
          <circle key={i} cx={position(i, units.from)} cy="6" r={dot} class="kept" />
        ))}
        {shownNew.map((i) => (
          <circle
            key={i}
            cx={position(i, units.to)}
            cy={height - 6}
            r={dot}
            class={i < units.from ? 'kept' : 'copy'}
          />
        ))}
      </svg>
      <figcaption class="small muted">{text}</figcaption>
    </figure>
  )
}
