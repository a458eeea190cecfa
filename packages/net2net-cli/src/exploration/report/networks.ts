/** What the report of an exploration is drawn from: each network with where it stands, what it cost, and how it grew. */
import type { GrowthStep } from 'net2net'
import type { Cost } from 'net2net/exploring'
import type { ExplorationResults, RungRecord, TrialRecord } from '../results.ts'
import { stepText } from '../words.ts'

/** Where a network stood after training so much. */
export interface Moment {
  /** Multiply-adds of forward and backward passes that were spent on it and on those that it grew from. */
  readonly compute: number
  readonly valLoss: number
}

export interface DrawnNetwork {
  readonly network: number
  readonly title: string
  readonly parent: number | null
  /** How it grew; empty for the first network. */
  readonly growth: string
  readonly moments: readonly Moment[]
  readonly rungs: readonly RungRecord[]
  readonly reason: string | undefined
  readonly isOnFront: boolean
}

/** A training step computes the forward pass and, for the backward pass, about twice as much. */
const passes = 3

/** @param batchSize samples in a training step */
export function drawnNetworks(
  { trials, front }: Pick<ExplorationResults, 'front' | 'trials'>,
  batchSize: number,
): readonly DrawnNetwork[] {
  const best = new Set(front.map(({ network }) => network))
  const byNumber = new Map(trials.map((trial) => [trial.network, trial]))
  const moments = new Map<number, readonly Moment[]>()
  const momentsOf = (trial: TrialRecord): readonly Moment[] => {
    const known = moments.get(trial.network)
    if (known) return known
    const parent = trial.parent === null ? undefined : byNumber.get(trial.parent)
    const before = parent && momentsOf(parent)[trial.parentRung! + startOf(parent)]
    const found: Moment[] = before ? [before] : []
    let [compute, steps] = [before?.compute ?? 0, stepsAt(parent, trial.parentRung)]
    for (const rung of trial.rungs) {
      compute += (rung.steps - steps) * batchSize * passes * (rung.multiplyAdds ?? 0)
      steps = rung.steps
      found.push({ compute, valLoss: rung.valLoss })
    }
    moments.set(trial.network, found)
    return found
  }
  return trials.map((trial) => ({
    network: trial.network,
    title: titleOf(trial.network),
    parent: trial.parent,
    growth: trial.grown ? stepText(trial.grown) : '',
    moments: momentsOf(trial),
    rungs: trial.rungs,
    reason: trial.reason,
    isOnFront: best.has(trial.network),
  }))
}

export const titleOf = (network: number): string =>
  network === 0 ? 'the first network' : `network ${network}`

/** A grown network's moments begin with its parent's. */
const startOf = ({ parent }: TrialRecord): number => (parent === null ? 0 : 1)

const stepsAt = (trial: TrialRecord | undefined, rung: number | null): number =>
  trial?.rungs.find((record) => record.rung === rung)?.steps ?? 0

/** The growths that lead to a network, the first one first. */
export function lineage(
  trials: readonly TrialRecord[],
  network: number,
): readonly { readonly network: number; readonly step: GrowthStep }[] {
  const trial = trials.find((each) => each.network === network)
  if (!trial?.grown || trial.parent === null) return []
  return [...lineage(trials, trial.parent), { network, step: trial.grown }]
}

export const costTitles: Readonly<Record<Cost, string>> = {
  parameters: 'parameters',
  multiplyAdds: 'multiply-adds',
  latency: 'latency (ms)',
  size: 'size (bytes)',
}
