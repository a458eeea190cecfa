import { armDash, armSeries } from '../train/arms.ts'

/** The colour and dash of an arm, beside its name. */
export const ArmKey = ({ arm }: { arm: string }) => (
  <svg class="arm-key" viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">
    <line
      x1="0"
      x2="26"
      y1="4"
      y2="4"
      stroke={`var(--series-${armSeries(arm)})`}
      stroke-width="2.4"
      stroke-dasharray={armDash(arm).join(' ')}
    />
  </svg>
)
