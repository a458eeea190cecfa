/** What a check found: the same function, another one, or that the inputs do not tell. */
import type { Check } from '../engine/protocol.ts'
import { tiny } from './format.ts'

export function Verdict({ check }: { check: Check }) {
  const { equal, outputs, tolerance, samples } = check
  const { tone, sign, words } = verdictOf(check)
  const worst = Math.max(0, ...outputs.map((output) => output.maxAbs))
  return (
    <span
      class={`badge check-badge ${tone}`}
      data-equal={String(equal)}
      title={`${explanationOf(check)} ${samples} random samples; tolerance ${tolerance}.`}
    >
      <span aria-hidden="true">{sign}</span>
      {words}: max |Δ| {tiny(worst)}
    </span>
  )
}

/** The verdict in words, for a screen reader too. */
export function verdictOf({ equal }: Check) {
  if (equal === null) return { tone: 'unsure', sign: '?', words: 'cannot tell' }
  return equal
    ? { tone: 'good', sign: '✓', words: 'same function' }
    : { tone: 'bad', sign: '≠', words: 'another function' }
}

function explanationOf({ equal, notExercised = [] }: Check): string {
  if (equal === null)
    return `The outputs agree, but a mistake in ${notExercised.join(', ')} could have been overlooked.`
  return equal ? 'A change in any grown or inserted layer would have been seen.' : ''
}
