/** What a model predicted and what was true, of every prediction: what metrics are computed from. */

import type { Tensor } from '../../tensor/tensor.ts'
import { around, floats, sigmoid } from '../run/probabilities.ts'

/** Predictions of one of several classes. */
export interface ClassOutcomes {
  readonly kind: 'classes'
  /** Number of predictions. */
  readonly count: number
  /** Number of classes. */
  readonly classes: number
  readonly targets: Int32Array
  /** The most probable class. */
  readonly predicted: Int32Array
  /** How many classes are more probable than the true one: 0 where the prediction is right. */
  readonly ranks: Int32Array
  /** −log of the probability of the true class. */
  readonly losses: Float64Array
  /** Probabilities [count, classes], where a metric needs them. */
  readonly scores?: Float32Array
}

/** Predictions of several labels that do not exclude one another. */
export interface LabelOutcomes {
  readonly kind: 'labels'
  readonly count: number
  readonly labels: number
  /** 0 or 1: [count, labels] */
  readonly targets: Uint8Array
  /** Probabilities [count, labels] */
  readonly scores: Float32Array
  /** Mean binary cross-entropy of each prediction's labels. */
  readonly losses: Float64Array
}

/** Predictions of quantities. */
export interface ValueOutcomes {
  readonly kind: 'values'
  readonly count: number
  /** Numbers of one prediction. */
  readonly width: number
  /** [count, width] */
  readonly targets: Float64Array
  readonly predictions: Float64Array
}

export type Outcomes = ClassOutcomes | LabelOutcomes | ValueOutcomes

export interface OutcomesOptions {
  /** What makes probabilities of the predictions; undefined for quantities. */
  readonly activation?: 'softmax' | 'sigmoid' | undefined
  /** The axis of the classes, for a softmax. */
  readonly axis?: number | undefined
  /** A label whose predictions do not count. */
  readonly ignored?: number | undefined
  /** Keep the probabilities of all classes. */
  readonly scores: boolean
}

/** Collects outcomes, batch by batch. */
export interface OutcomesCollector {
  /**
   * @param prediction logits or values
   * @param target class indices without the axis of the classes, or numbers of the prediction's shape
   * @param weights one for each prediction, where there are any: those with 0 are left out
   */
  add(prediction: Tensor, target: Tensor, weights?: ArrayLike<number | bigint>): void
  outcomes(): Outcomes
}

export function collectOutcomes(options: OutcomesOptions): OutcomesCollector {
  if (options.activation === 'softmax') return classesCollector(options)
  return options.activation === 'sigmoid' ? labelsCollector(options) : valuesCollector()
}

function classesCollector({
  axis = 1,
  ignored,
  scores: keepScores,
}: OutcomesOptions): OutcomesCollector {
  const targets = new Growing(Int32Array)
  const predicted = new Growing(Int32Array)
  const ranks = new Growing(Int32Array)
  const losses = new Growing(Float64Array)
  const scores = new Growing(Float32Array)
  let classes = 0
  return {
    add(prediction, target, weights) {
      const z = floats(prediction)
      const { outer, size, inner } = around(prediction.dims, axis)
      classes = size
      const isOneHot = target.data.length === z.length
      const t = target.data
      const row = new Float64Array(size)
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) {
          const start = o * size * inner + i
          if (weights && Number(weights[o * inner + i]) === 0) continue
          if (!isOneHot && ignored !== undefined && Number(t[o * inner + i]) === ignored) continue
          let best = 0
          for (let c = 0; c < size; c++) {
            row[c] = z[start + c * inner]!
            if (row[c]! > row[best]!) best = c
          }
          const most = row[best]!
          let sum = 0
          for (let c = 0; c < size; c++) sum += Math.exp(row[c]! - most)
          const logarithm = most + Math.log(sum)
          let truth = 0
          let loss = 0
          if (isOneHot)
            for (let c = 0; c < size; c++) {
              const share = Number(t[start + c * inner])
              if (share > Number(t[start + truth * inner])) truth = c
              loss += share * (logarithm - row[c]!)
            }
          else {
            truth = Number(t[o * inner + i])
            loss = logarithm - row[truth]!
          }
          let rank = 0
          for (let c = 0; c < size; c++)
            if (row[c]! > row[truth]! || (row[c] === row[truth] && c < truth)) rank++
          targets.push(truth)
          predicted.push(best)
          ranks.push(rank)
          losses.push(loss)
          if (keepScores) for (let c = 0; c < size; c++) scores.push(Math.exp(row[c]! - logarithm))
        }
    },
    outcomes: () => ({
      kind: 'classes',
      count: targets.length,
      classes,
      targets: targets.values(),
      predicted: predicted.values(),
      ranks: ranks.values(),
      losses: losses.values(),
      ...(keepScores ? { scores: scores.values() } : {}),
    }),
  }
}

/** One number for yes or no counts as two classes. */
function labelsCollector({ scores: keepScores }: OutcomesOptions): OutcomesCollector {
  const targets = new Growing(Uint8Array)
  const scores = new Growing(Float32Array)
  const losses = new Growing(Float64Array)
  let [count, labels] = [0, 1]
  return {
    add(prediction, target, weights) {
      const z = floats(prediction)
      const t = floats(target)
      const rows = prediction.dims[0] ?? 1
      labels = z.length / rows
      for (let row = 0; row < rows; row++) {
        if (isMasked(weights, row, rows)) continue
        count++
        let loss = 0
        for (let k = 0; k < labels; k++) {
          const at = row * labels + k
          targets.push(t[at]! > 0.5 ? 1 : 0)
          scores.push(sigmoid(z[at]!))
          loss += Math.max(z[at]!, 0) - z[at]! * t[at]! + Math.log1p(Math.exp(-Math.abs(z[at]!)))
        }
        losses.push(loss / labels)
      }
    },
    outcomes() {
      const [ones, shares] = [targets.values(), scores.values()]
      if (labels > 1)
        return {
          kind: 'labels',
          count,
          labels,
          targets: ones,
          scores: shares,
          losses: losses.values(),
        }
      const predicted = Int32Array.from(shares, (p) => (p > 0.5 ? 1 : 0))
      return {
        kind: 'classes',
        count,
        classes: 2,
        targets: Int32Array.from(ones),
        predicted,
        ranks: predicted.map((c, i) => (c === ones[i] ? 0 : 1)),
        losses: losses.values(),
        ...(keepScores
          ? {
              scores: Float32Array.from({ length: 2 * count }, (_, i) =>
                i % 2 === 1 ? shares[i >> 1]! : 1 - shares[i >> 1]!,
              ),
            }
          : {}),
      }
    },
  }
}

function valuesCollector(): OutcomesCollector {
  const targets = new Growing(Float64Array)
  const predictions = new Growing(Float64Array)
  let [count, width] = [0, 1]
  return {
    add(prediction, target, weights) {
      const [y, t] = [floats(prediction), floats(target)]
      const rows = prediction.dims[0] ?? 1
      width = y.length / rows
      for (let row = 0; row < rows; row++) {
        if (isMasked(weights, row, rows)) continue
        count++
        for (let i = row * width; i < (row + 1) * width; i++) {
          predictions.push(y[i]!)
          targets.push(t[i]!)
        }
      }
    },
    outcomes: () => ({
      kind: 'values',
      count,
      width,
      targets: targets.values(),
      predictions: predictions.values(),
    }),
  }
}

/** Whether nothing of a sample counts. */
function isMasked(
  weights: ArrayLike<number | bigint> | undefined,
  row: number,
  rows: number,
): boolean {
  if (!weights) return false
  const each = weights.length / rows
  for (let i = row * each; i < (row + 1) * each; i++) if (Number(weights[i]) !== 0) return false
  return true
}

type Numbers = Int32Array | Uint8Array | Float32Array | Float64Array

/** A typed array that grows. */
class Growing<T extends Numbers> {
  length = 0
  #data: T
  readonly #type: new (
    length: number,
  ) => T

  constructor(type: new (length: number) => T) {
    this.#type = type
    this.#data = new type(1024)
  }

  push(value: number): void {
    if (this.length === this.#data.length) {
      const larger = new this.#type(2 * this.length)
      larger.set(this.#data)
      this.#data = larger
    }
    this.#data[this.length++] = value
  }

  values(): T {
    return this.#data.slice(0, this.length) as T
  }
}
