/** Growths that are measured together, so that one network serves for many of them. */
import { Net2NetError } from '../errors.ts'
import type { GrowthPlan, GrowthStep } from '../growth/index.ts'

/** A growth that could be made. */
export interface Candidate {
  readonly step: GrowthStep
  readonly plan: GrowthPlan
  /** The layers that grow, behind which one is inserted, or of which the copied block is made. */
  readonly layers: readonly string[]
}

/** What was measured of a growth. */
export type Gain =
  | {
      readonly gain: number
      /** That of each new unit, the largest first, where units are measured one by one. */
      readonly units?: readonly number[]
    }
  | { readonly reason: string }

export interface Round<T extends Candidate> {
  readonly members: readonly T[]
  /** How often it goes through the samples. */
  readonly passes: number
  /** The gains of its members, or of some of them, in their order. */
  measure(members: readonly T[]): Promise<readonly Gain[]>
}

/** A gain of zero says that nothing depends on what is new. */
export const gainOf = (gain: number, units?: readonly number[]): Gain =>
  gain > 0
    ? { gain, ...(units && { units }) }
    : { reason: 'no gradient of the loss reaches what is new' }

/**
 * Measures all rounds, one after the other. What is refused for several growths together may be possible for each of them.
 *
 * @throws what the rounds throw, but for what is refused: that is a reason
 */
export async function measureRounds<T extends Candidate>(
  rounds: readonly Round<T>[],
): Promise<ReadonlyMap<T, Gain>> {
  const found = new Map<T, Gain>()
  const measure = async (round: Round<T>, members: readonly T[]): Promise<void> => {
    try {
      const gains = await round.measure(members)
      members.forEach((member, i) => {
        found.set(member, gains[i]!)
      })
    } catch (error) {
      if (!(error instanceof Net2NetError && error.kind === 'refused')) throw error
      if (members.length === 1) found.set(members[0]!, { reason: reasonOf(error) })
      else for (const member of members) await measure(round, [member])
    }
  }
  for (const round of rounds) await measure(round, round.members)
  return found
}

/** What an error says, as a part of a sentence. */
export const reasonOf = ({ message }: Error): string => message.replace(/\.$/, '')
