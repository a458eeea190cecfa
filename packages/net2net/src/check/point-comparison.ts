/** Points of two models on the same borders: how far they are apart, and what moves them. */
import type { Feeds } from '../runtime/runtime.ts'
import { isFloat } from '../tensor/dtype.ts'
import { type Tensor, toNumbers } from '../tensor/tensor.ts'
import { type Cut, pointName, pointOf } from './cut.ts'
import { DifferenceMeter } from './difference.ts'

/** A few other roundings show how much there is, not the most that there can be. */
const ROUNDING_FACTOR = 8

/** Where rounding moves a value by more than this, it shows nothing. */
const MAX_ROUNDING = 1e-2

/** A weight is exercised if values move by more than so many limits where it changes. */
const MOVES = 3

/** What an examination has found. */
export interface Outcome {
  readonly samples: readonly Feeds[]
  /** Points at which the models differ, as the first has them for each sample. */
  readonly differing: ReadonlyMap<string, readonly Tensor[]>
  /** Points at which both models agree. */
  readonly agreeing: ReadonlySet<string>
  /** What counts as rounding at such points, by the name that they are given under, and sample. */
  readonly limits: ReadonlyMap<string, readonly number[]>
  /** Weights whose change is seen at such points, `but` for some. */
  readonly exercised: (but: ReadonlySet<string>) => readonly string[]
}

export interface Movement {
  readonly from: string
  readonly to: string
  readonly by: number
}

export interface Limits {
  /** Relative differences that are rounding. */
  readonly rounding: number
  /** Those that count as none: no less, and no less than the tolerance that somebody has given. */
  readonly agreement: number
}

/** The points of both models, as far as they have come, and how far they are apart. */
export class PointComparison {
  readonly #samples: number
  readonly #limits: Limits
  readonly #waiting: readonly Map<string, readonly Tensor[]>[] = [new Map(), new Map()]
  /** By point and sample: the difference, and the largest that counts as rounding. */
  readonly #differences = new Map<string, readonly { by: number; limit: number }[]>()
  readonly #floats = new Set<string>()
  /** Points that differ: as the first model has them. */
  readonly doubtful = new Map<string, readonly Tensor[]>()

  constructor(samples: number, limits: Limits) {
    this.#samples = samples
    this.#limits = limits
  }

  add(model: 0 | 1, name: string, tensors: readonly Tensor[]): void {
    const others = this.#waiting[1 - model]!.get(name)
    if (!others) {
      this.#waiting[model]!.set(name, tensors)
      return
    }
    this.#waiting[1 - model]!.delete(name)
    const [before, after] = model === 0 ? [tensors, others] : [others, tensors]
    const limit = this.#limits.agreement
    const differences = before.map((tensor, i) => {
      const by = distance(tensor, after[i]!)
      // Where the first model itself overflows (or nearly) on borders that nobody asked for, nothing follows.
      const isTelling = Number.isFinite(by) || isModerate(tensor)
      return { by, limit: isTelling ? limit : Number.POSITIVE_INFINITY }
    })
    this.#differences.set(name, differences)
    if (isFloat(before[0]!.dtype)) this.#floats.add(name)
    if (differences.some(({ by }) => by > limit)) this.doubtful.set(name, before)
  }

  /** The same points of the first model, where its borders are rounded otherwise. */
  addJittered(name: string, tensors: readonly Tensor[]): void {
    const before = this.doubtful.get(name)
    if (!before) return
    this.#differences.get(name)!.forEach((difference, i) => {
      if (difference.limit === Number.POSITIVE_INFINITY) return
      const rounding = distance(before[i]!, tensors[i]!)
      difference.limit =
        rounding > MAX_ROUNDING
          ? Number.POSITIVE_INFINITY
          : Math.max(difference.limit, ROUNDING_FACTOR * rounding)
    })
  }

  /** Do the models differ somewhere by more than what counts as rounding so far? */
  get differs(): boolean {
    return [...this.doubtful.keys()].some((name) =>
      this.#differences.get(name)!.some(({ by, limit }) => by > limit),
    )
  }

  /** Is some point further apart than this in some sample? */
  exceeds(limits: Outcome['limits']): boolean {
    return [...limits].some(([name, ofSamples]) =>
      this.#differences.get(name)?.some(({ by }, i) => by > ofSamples[i]!),
    )
  }

  /**
   * @param share By how much values on the way to points were changed: points move with them by less, the less these move.
   *   Without it, what moves a value by more than rounding moves what follows.
   */
  outcome(cut: Cut, movements: readonly Movement[], share?: number): Omit<Outcome, 'samples'> {
    const agreeing = new Set<string>()
    const limits = new Map<string, readonly number[]>()
    const differing = new Map<string, readonly Tensor[]>()
    /** How far a point must move for the movement to be more than rounding. */
    const thresholds = new Map<string, number>()
    for (const point of cut.points) {
      const name = pointName(point)
      const differences = this.#differences.get(name)
      if (differences?.length !== this.#samples) continue
      const telling = differences.filter(({ limit }) => Number.isFinite(limit))
      if (telling.some(({ by, limit }) => by > limit))
        differing.set(point, this.doubtful.get(name)!)
      if (telling.length === 0 || differing.has(point)) continue
      agreeing.add(point)
      limits.set(
        name,
        differences.map(({ limit }) => limit),
      )
      const { limit } = differences[0]!
      const { agreement, rounding } = this.#limits
      // A number that is not a float moves by leaps or not at all.
      if (this.#floats.has(name))
        thresholds.set(name, MOVES * (limit > agreement ? limit : rounding))
    }
    const reach = new Map<string, Movement[]>()
    for (const movement of movements) {
      const list = reach.get(movement.from)
      if (list) list.push(movement)
      else reach.set(movement.from, [movement])
    }
    const exercised = (but: ReadonlySet<string>) => {
      const known = new Map<string, number>()
      /** How far some point moves where this changes, in thresholds of the point. */
      const effectOf = (name: string): number => {
        const found = known.get(name)
        if (found !== undefined) return found
        const effects = (reach.get(name) ?? []).map(({ to, by }) => {
          const threshold = thresholds.get(to)
          if (threshold !== undefined) return but.has(pointOf(to)) ? 0 : by / threshold
          if (by < MOVES * this.#limits.rounding) return 0
          return (share === undefined ? 1 : Math.min(1, by / share)) * effectOf(to)
        })
        const effect = Math.max(0, ...effects)
        known.set(name, effect)
        return effect
      }
      return cut.layers
        .flatMap(({ weight }) => weight ?? [])
        .filter((weight) => effectOf(weight) >= 1)
    }
    return { agreeing, limits, differing, exercised }
  }
}

/** Numbers from here on come close to the largest in single precision. */
const HUGE = 2 ** 100

const isModerate = (tensor: Tensor): boolean =>
  toNumbers(tensor).every((value) => Math.abs(value) < HUGE)

function distance(a: Tensor, b: Tensor): number {
  const meter = new DifferenceMeter('points')
  meter.add(a, b)
  return meter.result().maxRel
}
