/** What a check found: the same function, the old one among new entries, another one, or that the inputs do not tell. */
import type { Check } from '../engine/protocol.ts'
import { t } from '../text/text.ts'
import { tiny } from './format.ts'

export function Verdict({ check }: { check: Check }) {
  const { tone, sign, words, explanation } = verdictOf(check)
  return (
    <span
      class={`badge check-badge ${tone}`}
      data-equal={String(check.equal)}
      title={`${words}: ${explanation}`}
    >
      <span aria-hidden="true">{sign}</span>
      {words}: max |Δ| {tiny(worstOf(check))}
    </span>
  )
}

export const worstOf = ({ outputs }: Pick<Check, 'outputs'>): number =>
  Math.max(0, ...outputs.map((output) => output.maxAbs))

export interface VerdictWords {
  readonly tone: 'good' | 'bad' | 'unsure'
  readonly sign: string
  readonly words: string
  /** Why, and what was measured: says nothing else than the words. */
  readonly explanation: string
}

/** The verdict in words, for a screen reader too. */
export function verdictOf(check: Check): VerdictWords {
  const { equal, notExercised = [], kept = [] } = check
  const measured = measuredText(check)
  switch (equal) {
    case null:
      return {
        tone: 'unsure',
        sign: '?',
        words: t('cannot tell'),
        explanation: `${t('The outputs agree, but a mistake in {0} could have been overlooked.', notExercised.join(', '))} ${measured}`,
      }
    case 'kept':
      return {
        tone: 'good',
        sign: '✓',
        words: t('old entries kept'),
        explanation: `${t('There are more entries of {0}; the old ones are computed as before.', [...new Set(kept.map(({ name }) => name))].join(', '))} ${measured}`,
      }
    case true:
      return {
        tone: 'good',
        sign: '✓',
        words: t('same function'),
        explanation: `${t('A change in any grown or inserted layer would have been seen.')} ${measured}`,
      }
    case false:
      return {
        tone: 'bad',
        sign: '≠',
        words: t('another function'),
        explanation: `${t('The outputs differ by more than the tolerance.')} ${measured}`,
      }
  }
}

function measuredText({ outputs, samples, tolerance, inputs }: Check): string {
  const on =
    inputs === undefined
      ? t('Compared on {0} random inputs', samples)
      : t('Compared on samples from {1}: {0}', samples, inputs)
  const list = (of: (output: Check['outputs'][number]) => number | undefined) =>
    outputs
      .flatMap((output) => {
        const value = of(output)
        return value === undefined ? [] : [`${output.name}: ${tiny(value)}`]
      })
      .join(', ')
  const problems = outputs.flatMap(({ name, problem }) =>
    problem === undefined ? [] : [`${name}: ${problem}`],
  )
  const rounding = list((output) => output.rounding)
  return [
    `${on};`,
    t(
      'relative differences beyond the last bits {0}, of which {1} would count as one.',
      list((output) => output.maxRel),
      tiny(tolerance),
    ),
    ...(rounding === ''
      ? []
      : [
          t(
            'Rounding alone moves what the network computes by {0}; four times that is no difference.',
            rounding,
          ),
        ]),
    ...problems,
  ].join(' ')
}
