/** What is reported of a sweep while it runs. */
import type { Trial, TrialFailure, TrialProgress, TrialResult } from '../trial/trial.ts'

export type SweepEvent =
  | {
      readonly kind: 'plan'
      readonly trials: readonly Trial[]
      /** Of them, those that a former run has finished. */
      readonly finished: number
      readonly jobs?: number
    }
  | { readonly kind: 'start'; readonly trial: Trial }
  | { readonly kind: 'progress'; readonly trial: Trial; readonly progress: TrialProgress }
  | { readonly kind: 'finish'; readonly trial: Trial; readonly result: TrialResult }
  | { readonly kind: 'fail'; readonly trial: Trial; readonly failure: TrialFailure }
  /** Cannot run, for the trial that it starts from failed. */
  | { readonly kind: 'block'; readonly trial: Trial; readonly by: Trial }
  | { readonly kind: 'note'; readonly message: string }

export interface SweepOutcome {
  readonly finished: readonly string[]
  readonly failed: readonly TrialFailure[]
  readonly blocked: readonly string[]
}
