import { armDash, armSeries } from '../train/arms.ts'

/** A line's colour and dash, beside its name. */
export const LineKey = ({ colour, dash }: { colour: string; dash: readonly number[] }) => (
  <svg class="arm-key" viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">
    <line
      x1="0"
      x2="26"
      y1="4"
      y2="4"
      stroke={`var(--${colour})`}
      stroke-width="2.4"
      stroke-dasharray={dash.join(' ')}
    />
  </svg>
)

export const ArmKey = ({ arm }: { arm: string }) => (
  <LineKey colour={`series-${armSeries(arm)}`} dash={armDash(arm)} />
)
