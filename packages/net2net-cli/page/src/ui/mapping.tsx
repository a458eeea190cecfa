import type { GrownUnits } from 'net2net'

/** Which unit came from where: the old units above, the new ones below, a line per copy. */
export function Mapping({ units }: { units: GrownUnits }) {
  const width = 260
  const height = 66
  const position = (i: number, of: number) => ((i + 0.5) / of) * width
  const copies = new Array<number>(units.from).fill(0)
  for (const old of units.map) copies[old]!++
  const replicated = copies.filter((n) => n > 1).length
  const random = units.init === 'random-pad'
  const dot = Math.min(3, Math.max(0.8, (width / units.to) * 0.38))
  const text = random
    ? `${units.from} units are kept, ${units.to - units.from} are new and random.`
    : `${units.from} units become ${units.to}: ${replicated} of them have copies, at most ${Math.max(...copies)} each.`
  return (
    <figure class="mapping">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={text}>
        {units.map.map((old, i) =>
          i >= units.from && random ? null : (
            <path
              key={i}
              class={i < units.from ? 'kept' : 'copy'}
              d={`M${position(old, units.from)} 8C${position(old, units.from)} ${height / 2} ${position(i, units.to)} ${height / 2} ${position(i, units.to)} ${height - 8}`}
            />
          ),
        )}
        {copies.map((_, i) => (
          <circle key={i} cx={position(i, units.from)} cy="6" r={dot} class="kept" />
        ))}
        {units.map.map((_, i) => (
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
