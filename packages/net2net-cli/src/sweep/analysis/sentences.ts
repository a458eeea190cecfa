/** What comparisons support, in words, and no more. */
import type { Comparison } from './findings.ts'
import { type Estimate, excludesZero, fixed } from './statistics.ts'

/** @param claim difference of final losses with the interval that claims rest on */
export function verdictOf(claim: Estimate | undefined): Comparison['verdict'] {
  if (!claim) return 'no data'
  if (claim.n < 2) return 'one seed'
  if (!excludesZero(claim)) return 'undecided'
  return claim.mean < 0 ? 'lower' : 'higher'
}

const number = (value: number) => fixed(value, 4)
const whole = (value: number) => Math.round(value).toLocaleString('en')
const percent = (level: number) => `${(100 * level).toFixed(1)}%`

/** @param claimLevel level of the interval that the verdict rests on */
export function sentenceOf(comparison: Omit<Comparison, 'sentence'>, claimLevel: number): string {
  const { arms, difference, planned, verdict } = comparison
  const [a, b] = arms.map((arm) => `"${arm}"`)
  if (!difference) return `No seed has finished both ${a} and ${b}.`
  const { n, mean, low = Number.NaN, high = Number.NaN } = difference
  const interval = `95% interval of the difference: ${number(low)} to ${number(high)}`
  const isShared = claimLevel > 0.95
  // Seeds that failed, or are still to come, might have said something else.
  const seeds = n < planned ? `${n} of ${planned} seeds` : `${n} seeds`
  const say = (text: string) => [text, ...soonerSentence(comparison)].join(' ')
  if (verdict === 'one seed')
    return say(
      `With one seed${n < planned ? ` of ${planned}` : ''} ${a} ended ${number(Math.abs(mean))} ${mean < 0 ? 'below' : 'above'} ${b} in validation loss; one seed supports no claim.`,
    )
  if (verdict === 'undecided') {
    const but =
      isShared && excludesZero(difference)
        ? `; the ${percent(claimLevel)} interval that claims rest on here includes 0`
        : ''
    return say(
      `Over ${seeds} the data do not say whether ${a} or ${b} ends at the lower validation loss (${interval}${but}).`,
    )
  }
  const level = isShared ? `; so does the interval of ${percent(claimLevel)} leave out 0` : ''
  return say(
    `Over ${seeds} ${a} ended ${number(Math.abs(mean))} ${mean < 0 ? 'lower' : 'higher'} than ${b} in validation loss (${interval}${level}).`,
  )
}

function soonerSentence(comparison: Omit<Comparison, 'sentence'>): readonly string[] {
  const { untilItsFinalLoss: time, itself, itsSteps } = comparison
  if (time.of === 0 || !itself.steps || !itsSteps) return []
  const seeds = time.of === 1 ? '1 seed' : `${time.of} seeds`
  if (!time.steps) return [`It reached the other's final loss in ${time.reached} of ${seeds}.`]
  const teacher =
    time.stepsWithTeacher && time.stepsWithTeacher.mean > time.steps.mean
      ? `, ${whole(time.stepsWithTeacher.mean)} with its teacher's training`
      : ''
  return [
    `It reached the other's final loss after ${whole(time.steps.mean)} steps on average${teacher}; the other itself first after ${whole(itself.steps.mean)} of its ${whole(itsSteps.mean)}.`,
  ]
}
