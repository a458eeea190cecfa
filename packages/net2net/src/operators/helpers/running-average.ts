/** Running averages, as statistics of normalizations are: old ← momentum·old + (1 − momentum)·batch. */
import type { RunningAverage } from '../contract/facets.ts'
import type { Emitter } from '../contract/gradient.ts'
import { formula } from './formula.ts'

/** The next value of the average. */
export function averaged(
  emitter: Emitter,
  old: string,
  { batch, momentum }: RunningAverage,
): string {
  const { add, mul } = formula(emitter, batch)
  return add(mul(old, momentum), mul(batch, 1 - momentum))
}
