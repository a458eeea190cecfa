/** What a sweep says: means over seeds, times to a loss, and comparisons of arms, seed by seed. */
import { type Estimate, estimate, excludesZero, pValue } from './statistics.ts'
import {
  type ExperimentPlan,
  type SweepPlan,
  type TrialFailure,
  type TrialResult,
  teacherArmName,
} from './trial.ts'

export interface SweepRecord {
  readonly plan: SweepPlan
  /** By the trials' identities. */
  readonly results: ReadonlyMap<string, TrialResult>
  readonly failures: ReadonlyMap<string, TrialFailure>
}

export interface Cost {
  readonly steps: number
  /** Processor time of training, validations left out: it does not depend on what else runs. */
  readonly seconds: number
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

export interface Comparison {
  readonly arms: readonly [string, string]
  readonly seeds: readonly number[]
  readonly sharedTeacher: boolean
  /** Final validation loss of the first minus that of the second. */
  readonly difference: Estimate | undefined
  readonly p: number | undefined
  readonly verdict: 'lower' | 'higher' | 'undecided' | 'one seed' | 'no data'
  /** The first arm's time until the second arm's final loss, of the same seed. */
  readonly untilItsFinalLoss: TimeToLoss
  /** The second arm's whole training. */
  readonly itsSteps: Estimate | undefined
  readonly itsSeconds: Estimate | undefined
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

const finalPoint = ({ outcome }: TrialResult) => outcome.curve.at(-1)

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
      estimate(results.map(([, result]) => value(result)).filter((each) => each !== undefined))
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
      finalAccuracy: over((result) => finalPoint(result)?.valAccuracy),
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
    const wanted = results.flatMap(([seed, result]) => {
      const loss = goal(seed)
      return loss === undefined ? [] : [{ result, cost: costUntil(result, loss) }]
    })
    const reached = wanted.flatMap(({ result, cost }) => (cost ? [{ result, cost }] : []))
    const counts = { reached: reached.length, of: wanted.length }
    const teachers = reached.map(({ result }) => this.#costBefore(result))
    if (reached.length < wanted.length || reached.length === 0) return counts
    const costs = reached.map(({ cost }) => cost)
    const times = {
      ...counts,
      steps: estimate(costs.map(({ steps }) => steps))!,
      seconds: estimate(costs.map(({ seconds }) => seconds))!,
    }
    const known = teachers.filter((teacher) => teacher !== undefined)
    if (known.length < teachers.length) return times
    return {
      ...times,
      stepsWithTeacher: estimate(costs.map(({ steps }, i) => steps + known[i]!.steps))!,
      secondsWithTeacher: estimate(costs.map(({ seconds }, i) => seconds + known[i]!.seconds))!,
    }
  }

  /** Of all that was trained before this trial could start; undefined where that is not known. */
  #costBefore({ spec: { parent } }: TrialResult): Cost | undefined {
    if (parent === undefined) return { steps: 0, seconds: 0 }
    const result = this.#record.results.get(parent)
    const before = result && this.#costBefore(result)
    if (!before) return undefined
    const { steps, seconds } = wholeCost(result)
    return { steps: before.steps + steps, seconds: before.seconds + seconds }
  }

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
    const plain = {
      arms: [a, b] as const,
      seeds: pairs.map(({ seed }) => seed),
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
        (seed) => this.#finalLoss(b, seed),
      ),
      itsSteps: estimate(seconds.map(({ outcome }) => outcome.steps)),
      itsSeconds: estimate(seconds.map((result) => wholeCost(result).seconds)),
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
      .map(([step, values]) => ({ step, ...estimate(values)! }))
    return { arm, points }
  }
}

const wholeCost = ({ outcome, cost }: TrialResult): Cost => ({
  steps: outcome.steps,
  seconds: cost.processorSeconds.at(-1) ?? 0,
})

/** Until the first validation at or below the loss; undefined where there is none. */
export function costUntil({ outcome, cost }: TrialResult, loss: number): Cost | undefined {
  const at = outcome.curve.findIndex(({ valLoss }) => valLoss <= loss)
  if (at < 0) return undefined
  return { steps: outcome.curve[at]!.step, seconds: cost.processorSeconds[at] ?? 0 }
}

function verdictOf(claim: Estimate | undefined): Comparison['verdict'] {
  if (!claim) return 'no data'
  if (claim.n < 2) return 'one seed'
  if (!excludesZero(claim)) return 'undecided'
  return claim.mean < 0 ? 'lower' : 'higher'
}

const number = (value: number) => value.toFixed(4)
const whole = (value: number) => Math.round(value).toLocaleString('en')

/** What the figures support, and no more. */
function sentenceOf(comparison: Omit<Comparison, 'sentence'>, claimLevel: number): string {
  const { arms, difference, verdict } = comparison
  const [a, b] = arms.map((arm) => `"${arm}"`)
  if (!difference) return `No seed has finished both ${a} and ${b}.`
  const { n, mean, low = Number.NaN, high = Number.NaN } = difference
  const sooner = soonerSentence(comparison)
  if (verdict === 'one seed')
    return `With one seed ${a} ended ${number(Math.abs(mean))} ${mean < 0 ? 'below' : 'above'} ${b} in validation loss; one seed supports no claim. ${sooner}`.trim()
  const interval = `95% interval of the difference: ${number(low)} to ${number(high)}`
  if (verdict === 'undecided')
    return `Over ${n} seeds the data do not say whether ${a} or ${b} ends at the lower validation loss (${interval}). ${sooner}`.trim()
  const level =
    claimLevel > 0.95
      ? `; so does the interval of ${(100 * claimLevel).toFixed(1)}% leave out 0`
      : ''
  return `Over ${n} seeds ${a} ended ${number(Math.abs(mean))} ${mean < 0 ? 'lower' : 'higher'} than ${b} in validation loss (${interval}${level}). ${sooner}`.trim()
}

function soonerSentence({
  untilItsFinalLoss: time,
  itsSteps,
}: Omit<Comparison, 'sentence'>): string {
  if (time.of === 0 || !itsSteps) return ''
  if (!time.steps)
    return `It reached the other's final loss in ${time.reached} of ${time.of} seeds.`
  const teacher =
    time.stepsWithTeacher && time.stepsWithTeacher.mean > time.steps.mean
      ? `, ${whole(time.stepsWithTeacher.mean)} with its teacher's training`
      : ''
  return `It reached the other's final loss after ${whole(time.steps.mean)} steps on average${teacher}; the other took ${whole(itsSteps.mean)}.`
}
