/** How long arms train until a validation loss, with and without what was trained before them. */

import type { CurvePoint, TrialResult } from '../trial/trial.ts'
import { type Estimate, estimate, within } from './statistics.ts'

export interface Cost {
  readonly steps: number
  /** Processor time of training, validations left out: it does not depend on what else runs. */
  readonly seconds: number
}

export interface TimeToLoss {
  /** Of the seeds with a target, those that reached it. */
  readonly reached: number
  readonly of: number
  /** Means over the seeds, where all of them reached it; otherwise they would flatter. */
  readonly steps?: Estimate
  readonly seconds?: Estimate
  /** The same with all training of the networks that the arm starts from. */
  readonly stepsWithTeacher?: Estimate
  readonly secondsWithTeacher?: Estimate
}

/** A trial, the loss that it is to reach, and the cost of what it starts from, where that is known. */
export interface Race {
  readonly result: TrialResult
  readonly loss: number | undefined
  readonly before: Cost | undefined
}

export const finalPoint = ({ outcome }: TrialResult): CurvePoint | undefined => outcome.curve.at(-1)

export const wholeCost = ({ outcome, cost }: TrialResult): Cost => ({
  steps: outcome.steps,
  seconds: cost.processorSeconds.at(-1) ?? 0,
})

/** Until the first validation at or below the loss; undefined where there is none. */
export function costUntil({ outcome, cost }: TrialResult, loss: number): Cost | undefined {
  const at = outcome.curve.findIndex(({ valLoss }) => valLoss <= loss)
  if (at < 0) return undefined
  return { steps: outcome.curve[at]!.step, seconds: cost.processorSeconds[at] ?? 0 }
}

/** Over seeds. Trials without a loss to reach do not count. */
export function timeToLoss(races: readonly Race[]): TimeToLoss {
  const wanted = races.flatMap(({ result, loss, before }) =>
    loss === undefined ? [] : [{ cost: costUntil(result, loss), before }],
  )
  const costs = wanted.flatMap(({ cost }) => (cost ? [cost] : []))
  const counts = { reached: costs.length, of: wanted.length }
  if (costs.length < wanted.length || costs.length === 0) return counts
  const over = (value: (cost: Cost) => number, all: readonly Cost[]) =>
    within(estimate(all.map(value)), 0)!
  const steps = ({ steps: count }: Cost) => count
  const seconds = ({ seconds: time }: Cost) => time
  const times = { ...counts, steps: over(steps, costs), seconds: over(seconds, costs) }
  const whole = wanted.flatMap(({ before }, i) => (before ? [sum(before, costs[i]!)] : []))
  if (whole.length < costs.length) return times
  return {
    ...times,
    stepsWithTeacher: over(steps, whole),
    secondsWithTeacher: over(seconds, whole),
  }
}

export const sum = (a: Cost, b: Cost): Cost => ({
  steps: a.steps + b.steps,
  seconds: a.seconds + b.seconds,
})
