/** What a sweep says: means over seeds, times to a loss, and comparisons of arms, seed by seed. */

import { type ExperimentPlan, type TrialResult, teacherArmName } from '../trial/trial.ts'
import type {
  ArmSummary,
  Comparison,
  ExperimentSummary,
  MeanCurve,
  SweepRecord,
  SweepSummary,
} from './findings.ts'
import { sentenceOf, verdictOf } from './sentences.ts'
import { estimate, pValue, within } from './statistics.ts'
import {
  type Cost,
  costUntil,
  finalPoint,
  sum,
  type TimeToLoss,
  timeToLoss,
  wholeCost,
} from './time-to-loss.ts'

/** @param target validation loss for all experiments, in place of the sweep file's */
export function summarize(record: SweepRecord, target?: number): SweepSummary {
  const { plan, results, failures } = record
  return {
    name: plan.name,
    trials: plan.trials.length,
    finished: plan.trials.filter(({ id }) => results.has(id)).length,
    failures: plan.trials.flatMap(({ id, labels }) => {
      const failure = failures.get(id)
      if (!failure || results.has(id)) return []
      return labels.map(({ experiment, arm, seed }) => ({
        ...failure,
        title: `${experiment}/${arm}, seed ${seed}`,
      }))
    }),
    experiments: plan.experiments.map((experiment) =>
      new ExperimentAnalysis(record, experiment).summary(target ?? experiment.target),
    ),
  }
}

class ExperimentAnalysis {
  readonly #record: SweepRecord
  readonly #experiment: ExperimentPlan
  /** Arm → seed → identity. */
  readonly #ids = new Map<string, Map<number, string>>()

  constructor(record: SweepRecord, experiment: ExperimentPlan) {
    this.#record = record
    this.#experiment = experiment
    for (const { id, labels } of record.plan.trials)
      for (const { experiment: name, arm, seed } of labels)
        if (name === experiment.name)
          this.#ids.set(arm, (this.#ids.get(arm) ?? new Map<number, string>()).set(seed, id))
  }

  summary(target: number | string | undefined): ExperimentSummary {
    const { name, arms, compare, teacher } = this.#experiment
    const all = teacher === undefined ? arms : [teacherArmName, ...arms]
    const useful = compare.filter(([a, b]) => this.#pairs(a, b).length > 1).length
    const claimLevel = 1 - 0.05 / Math.max(1, useful)
    return {
      name,
      target,
      arms: all.map((arm) => this.#arm(arm, target)),
      comparisons: compare.map(([a, b]) => this.#compare(a, b, claimLevel)),
      claimLevel,
      curves: all.map((arm) => this.#curve(arm)),
    }
  }

  /** Results by seed. */
  #results(arm: string): ReadonlyMap<number, TrialResult> {
    return new Map(
      [...(this.#ids.get(arm) ?? [])].flatMap(([seed, id]) => {
        const result = this.#record.results.get(id)
        return result ? [[seed, result] as const] : []
      }),
    )
  }

  #arm(arm: string, target: number | string | undefined): ArmSummary {
    const results = [...this.#results(arm)]
    const over = (value: (result: TrialResult) => number | undefined) =>
      within(
        estimate(results.map(([, result]) => value(result)).filter((each) => each !== undefined)),
        0,
      )
    const first = results[0]?.[1]
    const goal = (seed: number) =>
      typeof target === 'number' ? target : this.#finalLoss(target, seed)
    return {
      arm,
      planned: this.#ids.get(arm)?.size ?? 0,
      parameters: first?.outcome.parameters,
      learningRate: first?.spec.learningRate,
      initialLoss: over(({ outcome }) => outcome.curve[0]?.valLoss),
      finalLoss: over((result) => finalPoint(result)?.valLoss),
      finalAccuracy: within(
        over((result) => finalPoint(result)?.valAccuracy),
        0,
        1,
      ),
      steps: over(({ outcome }) => outcome.steps),
      seconds: over((result) => wholeCost(result).seconds),
      ...(target === undefined ? {} : { target: this.#timeToLoss(results, goal) }),
    }
  }

  #finalLoss(arm: string | undefined, seed: number): number | undefined {
    const result = arm === undefined ? undefined : this.#results(arm).get(seed)
    return result && finalPoint(result)?.valLoss
  }

  #timeToLoss(
    results: readonly (readonly [number, TrialResult])[],
    goal: (seed: number) => number | undefined,
  ): TimeToLoss {
    return timeToLoss(
      results.map(([seed, result]) => ({
        result,
        loss: goal(seed),
        before: this.#costBefore(result),
      })),
    )
  }

  /** Of all that was trained before this trial could start; undefined where that is not known. */
  #costBefore({ spec: { parent } }: TrialResult): Cost | undefined {
    if (parent === undefined) return { steps: 0, seconds: 0 }
    const result = this.#record.results.get(parent)
    const before = result && this.#costBefore(result)
    return before && sum(before, wholeCost(result))
  }

  /** The seeds that were planned. */
  #seeds = (arm: string): readonly number[] => [...(this.#ids.get(arm)?.keys() ?? [])]

  /** The seeds that both arms have finished. */
  #pairs(a: string, b: string) {
    const theirs = this.#results(b)
    return [...this.#results(a)].flatMap(([seed, first]) => {
      const second = theirs.get(seed)
      return second ? [{ seed, first, second }] : []
    })
  }

  #compare(a: string, b: string, claimLevel: number): Comparison {
    const pairs = this.#pairs(a, b)
    const differences = pairs.map(
      ({ first, second }) => finalPoint(first)!.valLoss - finalPoint(second)!.valLoss,
    )
    const difference = estimate(differences)
    const claim = estimate(differences, claimLevel)
    const seconds = pairs.map(({ second }) => second)
    const goal = (seed: number) => this.#finalLoss(b, seed)
    const plain = {
      arms: [a, b] as const,
      seeds: pairs.map(({ seed }) => seed),
      planned: this.#seeds(a).filter((seed) => this.#seeds(b).includes(seed)).length,
      sharedTeacher:
        pairs.length > 0 &&
        pairs.every(
          ({ first, second }) =>
            first.spec.parent !== undefined && first.spec.parent === second.spec.parent,
        ),
      difference,
      p: pValue(differences),
      verdict: verdictOf(claim),
      untilItsFinalLoss: this.#timeToLoss(
        pairs.map(({ seed, first }) => [seed, first] as const),
        goal,
      ),
      itself: this.#timeToLoss(
        pairs.map(({ seed, second }) => [seed, second] as const),
        goal,
      ),
      itsSteps: within(estimate(seconds.map(({ outcome }) => outcome.steps)), 0),
      itsSeconds: within(estimate(seconds.map((result) => wholeCost(result).seconds)), 0),
      saved: savedOf(pairs),
    }
    return { ...plain, sentence: sentenceOf(plain, claimLevel) }
  }

  #curve(arm: string): MeanCurve {
    const bySteps = new Map<number, number[]>()
    const results = [...this.#results(arm).values()]
    for (const { outcome } of results)
      for (const { step, valLoss } of outcome.curve)
        bySteps.set(step, [...(bySteps.get(step) ?? []), valLoss])
    const points = [...bySteps]
      .filter(([, values]) => values.length === results.length)
      .sort(([one], [two]) => one - two)
      .map(([step, values]) => ({ step, ...within(estimate(values), 0)! }))
    return { arm, points }
  }
}

function savedOf(
  pairs: readonly { readonly first: TrialResult; readonly second: TrialResult }[],
): Comparison['saved'] {
  const costs = pairs.flatMap(({ first, second }) => {
    const loss = finalPoint(second)!.valLoss
    const [one, other] = [costUntil(first, loss), costUntil(second, loss)]
    return one && other ? [{ one, other }] : []
  })
  if (costs.length < pairs.length || costs.length === 0) return undefined
  return {
    steps: estimate(costs.map(({ one, other }) => other.steps - one.steps))!,
    seconds: estimate(costs.map(({ one, other }) => other.seconds - one.seconds))!,
  }
}
