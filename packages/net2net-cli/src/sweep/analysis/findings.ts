/** What a sweep says, as data: the record of its trials, and what follows from it. */

import type { SweepPlan, TrialFailure, TrialResult } from '../trial/trial.ts'
import type { Estimate } from './statistics.ts'
import type { TimeToLoss } from './time-to-loss.ts'

export interface SweepRecord {
  readonly plan: SweepPlan
  /** By the trials' identities. */
  readonly results: ReadonlyMap<string, TrialResult>
  readonly failures: ReadonlyMap<string, TrialFailure>
}

export interface ArmSummary {
  readonly arm: string
  /** Seeds that were planned; those that finished are `finalLoss.n`. */
  readonly planned: number
  readonly parameters: number | undefined
  readonly learningRate: number | undefined
  readonly initialLoss: Estimate | undefined
  readonly finalLoss: Estimate | undefined
  readonly finalAccuracy: Estimate | undefined
  readonly steps: Estimate | undefined
  readonly seconds: Estimate | undefined
  /** Until the target loss. */
  readonly target?: TimeToLoss
}

export interface Comparison {
  readonly arms: readonly [string, string]
  /** Those that both arms have finished. */
  readonly seeds: readonly number[]
  /** How many were planned for both. */
  readonly planned: number
  readonly sharedTeacher: boolean
  /** Final validation loss of the first minus that of the second. */
  readonly difference: Estimate | undefined
  readonly p: number | undefined
  readonly verdict: 'lower' | 'higher' | 'undecided' | 'one seed' | 'no data'
  /** The first arm's time until the second arm's final loss, of the same seed. */
  readonly untilItsFinalLoss: TimeToLoss
  /** The second arm's own time until its final loss: curves go up and down, so it may be there early. */
  readonly itself: TimeToLoss
  /** The second arm's whole training. */
  readonly itsSteps: Estimate | undefined
  readonly itsSeconds: Estimate | undefined
  /** Seed by seed, by how much sooner the first arm was there; where all of them were. */
  readonly saved: { readonly steps: Estimate; readonly seconds: Estimate } | undefined
  readonly sentence: string
}

export interface ExperimentSummary {
  readonly name: string
  readonly target: number | string | undefined
  readonly arms: readonly ArmSummary[]
  readonly comparisons: readonly Comparison[]
  /** Level of the intervals that claims rest on: 95% shared among all comparisons (Bonferroni). */
  readonly claimLevel: number
  readonly curves: readonly MeanCurve[]
}

export interface MeanCurve {
  readonly arm: string
  readonly points: readonly ({ readonly step: number } & Estimate)[]
}

export interface SweepSummary {
  readonly name: string
  readonly trials: number
  readonly finished: number
  readonly failures: readonly (TrialFailure & { readonly title: string })[]
  readonly experiments: readonly ExperimentSummary[]
}
