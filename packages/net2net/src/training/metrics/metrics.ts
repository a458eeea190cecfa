/** Metrics: how good predictions are, as one number. */
import { nearestName } from '../../arguments.ts'
import { mustBeOneOf, usageError } from '../../errors.ts'
import type { ClassOutcomes, LabelOutcomes, Outcomes, ValueOutcomes } from './outcomes.ts'

/** How often each prediction counts; everyone once, where missing. A resample of the data is such a list. */
export type Weights = ArrayLike<number> | undefined

export interface Metric {
  readonly name: string
  /** Which of two models is the better one. */
  readonly better: 'higher' | 'lower'
  /**
   * How its 95% interval is computed: Wilson's for a share of right predictions, the normal one for a mean
   * (of what `each` gives), and by resampling for all others, the default.
   */
  readonly interval?: 'wilson' | 'normal' | 'bootstrap'
  /** What it is the mean of, for a normal interval: a number for each prediction. */
  each?(outcomes: Outcomes): Float64Array
  /** Whether it reads the probabilities of all classes: they take memory. */
  readonly scores?: boolean
  /** @throws usage where these outcomes are not of its kind */
  measure(outcomes: Outcomes, weights?: Weights): number
}

/** One class or label: predicted right, predicted wrongly, overlooked. */
export interface ClassCounts {
  readonly truePositives: number
  readonly falsePositives: number
  readonly falseNegatives: number
}

/** For each class (or label) by itself. */
export function countsOf(
  outcomes: ClassOutcomes | LabelOutcomes,
  weights?: Weights,
): readonly ClassCounts[] {
  const size = outcomes.kind === 'classes' ? outcomes.classes : outcomes.labels
  const [right, wrong, missed] = [
    new Float64Array(size),
    new Float64Array(size),
    new Float64Array(size),
  ]
  for (let i = 0; i < outcomes.count; i++) {
    const weight = weights?.[i] ?? 1
    if (weight === 0) continue
    if (outcomes.kind === 'classes') {
      const [t, p] = [outcomes.targets[i]!, outcomes.predicted[i]!]
      if (t === p) right[t]! += weight
      else {
        wrong[p]! += weight
        missed[t]! += weight
      }
    } else
      for (let k = 0; k < size; k++) {
        const t = outcomes.targets[i * size + k] === 1
        const p = outcomes.scores[i * size + k]! > 0.5
        if (t && p) right[k]! += weight
        else if (p) wrong[k]! += weight
        else if (t) missed[k]! += weight
      }
  }
  return Array.from({ length: size }, (_, c) => ({
    truePositives: right[c]!,
    falsePositives: wrong[c]!,
    falseNegatives: missed[c]!,
  }))
}

/** a / b, and 0 where there is nothing to divide by, as scikit-learn has it. */
const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b)

export const precisionOf = ({ truePositives, falsePositives }: ClassCounts): number =>
  ratio(truePositives, truePositives + falsePositives)
export const recallOf = ({ truePositives, falseNegatives }: ClassCounts): number =>
  ratio(truePositives, truePositives + falseNegatives)
/** 2 P R / (P + R) */
export const f1Of = ({ truePositives, falsePositives, falseNegatives }: ClassCounts): number =>
  ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives)

/**
 * What becomes of the numbers of the classes. `macro`: their mean, over the classes that occur among targets or
 * predictions. `weighted`: their mean, each as often as it occurs among the targets. `micro`: the number of all
 * decisions together.
 */
export type Average = 'macro' | 'micro' | 'weighted'
const averages: readonly Average[] = ['macro', 'micro', 'weighted']

const averaged =
  (name: string, of: (counts: ClassCounts) => number) =>
  (average: Average = 'macro'): Metric => {
    mustBeOneOf('average', average, averages)
    return averagedMetric(average === 'macro' ? name : `${name}-${average}`, average, of)
  }

const averagedMetric = (
  name: string,
  average: Average,
  of: (counts: ClassCounts) => number,
): Metric => ({
  name,
  better: 'higher',
  measure(outcomes, weights) {
    const counts = countsOf(classified(name, outcomes), weights)
    if (average === 'micro')
      return of({
        truePositives: sum(counts.map(({ truePositives }) => truePositives)),
        falsePositives: sum(counts.map(({ falsePositives }) => falsePositives)),
        falseNegatives: sum(counts.map(({ falseNegatives }) => falseNegatives)),
      })
    const each = counts.map((count) => {
      const support = count.truePositives + count.falseNegatives
      const occurs = support + count.falsePositives > 0
      return { value: of(count), weight: average === 'weighted' ? support : Number(occurs) }
    })
    return ratio(
      sum(each.map(({ value, weight }) => value * weight)),
      sum(each.map(({ weight }) => weight)),
    )
  },
})

/** Share of what is predicted as a class that is of it: TP / (TP + FP). */
export const precision = averaged('precision', precisionOf)
/** Share of a class that is found: TP / (TP + FN). */
export const recall = averaged('recall', recallOf)
/** The harmonic mean of precision and recall of each class. */
export const f1 = averaged('f1', f1Of)

/** Share of right predictions (of labels: each by itself). */
export const accuracy = (): Metric => ({
  name: 'accuracy',
  better: 'higher',
  interval: 'wilson',
  measure(outcomes, weights) {
    const known = classified('accuracy', outcomes)
    const { count } = known
    if (known.kind === 'classes')
      return weightedMean(count, weights, (i) => Number(known.ranks[i] === 0))
    const { labels, targets, scores } = known
    return weightedMean(count, weights, (i) => {
      let right = 0
      for (let at = i * labels; at < (i + 1) * labels; at++)
        if (targets[at] === Number(scores[at]! > 0.5)) right++
      return right / labels
    })
  },
})

/** Share of predictions whose true class is among the k most probable ones. */
export function topK(k: number): Metric {
  if (!(Number.isInteger(k) && k >= 1))
    throw usageError(`k of top-k must be a whole number from 1 on, not ${k}.`)
  const name = `top-${k}`
  return {
    name,
    better: 'higher',
    interval: 'wilson',
    measure(outcomes, weights) {
      const { count, ranks } = ofClasses(name, outcomes)
      return weightedMean(count, weights, (i) => Number(ranks[i]! < k))
    },
  }
}

/** e to the mean of −log of the true class's probability. */
export const perplexity = (): Metric => ({
  name: 'perplexity',
  better: 'lower',
  measure(outcomes, weights) {
    const { count, losses } = ofClasses('perplexity', outcomes)
    return Math.exp(weightedMean(count, weights, (i) => losses[i]!))
  },
})

/**
 * Area under the receiver's operating curve: how probable it is that one of a class has a higher score for it than one that
 * is not, ties counting half (Mann and Whitney). Of two classes that of the second; of more the mean over
 * all, each against the rest, where there are both.
 */
export const auc = (): Metric => ({
  name: 'auc',
  better: 'higher',
  scores: true,
  measure(outcomes, weights) {
    const known = classified('auc', outcomes)
    const size = known.kind === 'classes' ? known.classes : known.labels
    const isPair = known.kind === 'classes' && size === 2
    const areas: number[] = []
    for (let c = isPair ? 1 : 0; c < size; c++) {
      const area = areaOf(known, c, size, weights)
      if (!Number.isNaN(area)) areas.push(area)
    }
    return areas.length === 0 ? Number.NaN : sum(areas) / areas.length
  },
})

/** The orders of predictions by their scores: resamples need the same again and again. */
const orders = new WeakMap<Outcomes, Map<number, Uint32Array>>()

function areaOf(
  outcomes: ClassOutcomes | LabelOutcomes,
  c: number,
  size: number,
  weights: Weights,
): number {
  const { count, scores, targets, kind } = outcomes
  if (!scores) throw usageError('auc needs the probabilities of the classes.')
  const score = (i: number) => scores[i * size + c]!
  const known = orders.get(outcomes) ?? new Map<number, Uint32Array>()
  orders.set(outcomes, known)
  let order = known.get(c)
  if (!order) {
    order = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => score(a) - score(b))
    known.set(c, order)
  }
  let [positive, negative, area] = [0, 0, 0]
  for (let at = 0; at < count; ) {
    const level = score(order[at]!)
    let [ones, zeros] = [0, 0]
    for (; at < count && score(order[at]!) === level; at++) {
      const i = order[at]!
      const weight = weights?.[i] ?? 1
      const isOne = kind === 'classes' ? targets[i] === c : targets[i * size + c] === 1
      if (isOne) ones += weight
      else zeros += weight
    }
    area += ones * (negative + zeros / 2)
    positive += ones
    negative += zeros
  }
  return area / (positive * negative)
}

/** Mean of |y − t|. */
export const meanAbsolute = (): Metric => ({
  name: 'mae',
  better: 'lower',
  interval: 'normal',
  measure: (outcomes, weights) => meanOfErrors('mae', outcomes, weights, Math.abs),
  each: (outcomes) => errorsOf(ofValues('mae', outcomes), Math.abs),
})

/** √ of the mean of (y − t)². */
export const rootMeanSquare = (): Metric => ({
  name: 'rmse',
  better: 'lower',
  measure: (outcomes, weights) =>
    Math.sqrt(meanOfErrors('rmse', outcomes, weights, (error) => error * error)),
})

/**
 * 1 − Σ (y − t)² / Σ (t − mean t)²: the share of the variance that is explained, at most 1. Of several numbers, the mean
 * over each.
 */
export const r2 = (): Metric => ({
  name: 'r2',
  better: 'higher',
  measure(outcomes, weights) {
    const { count, width, targets, predictions } = ofValues('r2', outcomes)
    const each = Array.from({ length: width }, (_, k) => {
      const mean = weightedMean(count, weights, (i) => targets[i * width + k]!)
      const square = (of: (at: number) => number) =>
        weightedMean(count, weights, (i) => of(i * width + k) ** 2)
      return (
        1 - square((at) => predictions[at]! - targets[at]!) / square((at) => targets[at]! - mean)
      )
    })
    return sum(each) / width
  },
})

function meanOfErrors(
  name: string,
  outcomes: Outcomes,
  weights: Weights,
  of: (error: number) => number,
): number {
  const errors = errorsOf(ofValues(name, outcomes), of)
  return weightedMean(errors.length, weights, (i) => errors[i]!)
}

/** A function of y − t, in the mean over the numbers of each prediction. */
export function errorsOf(
  { count, width, targets, predictions }: ValueOutcomes,
  of: (error: number) => number,
): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let total = 0
    for (let at = i * width; at < (i + 1) * width; at++)
      total += of(predictions[at]! - targets[at]!)
    return total / width
  })
}

function weightedMean(count: number, weights: Weights, of: (i: number) => number): number {
  let [total, weight] = [0, 0]
  for (let i = 0; i < count; i++) {
    const each = weights?.[i] ?? 1
    if (each === 0) continue
    total += each * of(i)
    weight += each
  }
  return total / weight
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

function classified(name: string, outcomes: Outcomes): ClassOutcomes | LabelOutcomes {
  if (outcomes.kind !== 'values') return outcomes
  throw usageError(`The metric ${name} is of classes, but the model predicts values.`, {
    hint: 'Of values there are mae, rmse and r2.',
  })
}

function ofClasses(name: string, outcomes: Outcomes): ClassOutcomes {
  const known = classified(name, outcomes)
  if (known.kind === 'classes') return known
  throw usageError(`The metric ${name} is of classes, but the labels do not exclude one another.`)
}

function ofValues(name: string, outcomes: Outcomes): ValueOutcomes {
  if (outcomes.kind === 'values') return outcomes
  throw usageError(`The metric ${name} is of values, but the model predicts classes.`, {
    hint: 'Of classes there are accuracy, top-K, precision, recall, f1, auc and perplexity.',
  })
}

const named: Readonly<Record<string, () => Metric>> = {
  accuracy,
  ...Object.fromEntries(
    Object.entries({ precision, recall, f1 }).flatMap(([name, make]) => [
      [name, () => make()],
      ...averages.map((average) => [`${name}-${average}`, () => make(average)] as const),
    ]),
  ),
  auc,
  perplexity,
  mae: meanAbsolute,
  rmse: rootMeanSquare,
  r2,
}

/** The names of metrics; besides, there are `top-1`, `top-2` and so on. */
export const metricNames: readonly string[] = Object.keys(named)

/** A metric, or the one of this name. @throws usage for a name that there is not */
export function metricOf(metric: Metric | string): Metric {
  if (typeof metric !== 'string') return metric
  const k = /^top-(\d+)$/.exec(metric)
  if (k) return topK(Number(k[1]))
  const make = Object.hasOwn(named, metric) ? named[metric] : undefined
  if (make) return make()
  const nearest = nearestName(metric, metricNames)
  throw usageError(
    `There is no metric "${metric}"${nearest ? `; did you mean "${nearest}"?` : '.'} Known: ${metricNames.join(', ')}, top-K.`,
  )
}

/** What is usually asked of predictions of this kind. */
export function usualMetrics(
  outcomes: Pick<Outcomes, 'kind'> & { readonly classes?: number },
): readonly Metric[] {
  if (outcomes.kind === 'values') return [meanAbsolute(), rootMeanSquare(), r2()]
  if (outcomes.kind === 'labels') return [accuracy(), precision(), recall(), f1(), auc()]
  const classes = outcomes.classes ?? 0
  return classes > 100
    ? [accuracy(), topK(5), perplexity()]
    : [accuracy(), ...(classes > 10 ? [topK(5)] : []), precision(), recall(), f1(), auc()]
}
