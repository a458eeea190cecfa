/**
 * Evidence that two models compute the same function, whatever their inputs reach. Every region in
 * which they differ (see cut.ts) runs in both on random borders: gates that stay shut, outputs that
 * saturate and tokens that never occur hide nothing of it. Then every weight that differs is changed
 * a little: only where the compared values move with it, a mistake in it would have been seen.
 */
import { Net2NetError } from '../errors.ts'
import { tensorDeclaration } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { isNonNegative } from '../operators/sign.ts'
import { inSinglePrecision } from '../passes/single-precision.ts'
import type { Feeds, Runtime } from '../runtime/runtime.ts'
import { isFloat } from '../tensor/dtype.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, isNumeric, Tensor, toNumbers } from '../tensor/tensor.ts'
import { changed, normals } from './change.ts'
import {
  type ChangedLayer,
  type Cut,
  Cutter,
  pointName,
  pointOf,
  type Side,
  sideOf,
} from './cut.ts'
import { DifferenceMeter } from './difference.ts'
import { type Computation, outOfCoreSession, runTogether } from './out-of-core/segmented-session.ts'

export interface Evidence {
  /** Do all regions compute the same, and would a mistake in any changed layer have been seen? */
  readonly isComplete: boolean
  /** The layers in which a mistake could have been overlooked. */
  readonly notExercised: readonly string[]
}

export interface EvidenceOptions {
  /** The relative difference that counts as rounding, where somebody has said it. */
  readonly tolerance?: number | undefined
  readonly seed?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** How regions are examined, until every changed layer is exercised. */
interface Trial {
  /**
   * The sizes of the random borders, one for each sample. Large numbers leave saturation and open gates,
   * small ones keep steep functions from saturating. With a number comes its negative, so that a
   * rectifier passes one of the two.
   */
  readonly sizes: readonly number[]
  /** By how much weights change, as a share of themselves: rounding hides a little. */
  readonly share: number
}

const trials: readonly Trial[] = [
  { sizes: [1, -1e3, 1e3], share: 2 ** -6 },
  ...[1, -1, 1e3, -1e3, 1e-3, 1e6, 1e-6, 1e9, 1e12].map((size) => ({
    sizes: [size, -size],
    share: 1,
  })),
]
/** The same for half precision, whose largest number is 65,504. */
const halfTrials: readonly Trial[] = [
  { sizes: [1, -32, 32], share: 2 ** -4 },
  ...[1, -1, 32, -32, 2 ** -5].map((size) => ({ sizes: [size, -size], share: 1 })),
]

/** Regions with so many bytes of weights have no third sample: they take time, and many rows each. */
const LARGE = 2 ** 25
const shorter = ({ sizes, share }: Trial): Trial => ({ sizes: sizes.slice(0, 2), share })
const isLarge = ({ graph }: Model): boolean => {
  let bytes = 0
  for (const { tensor } of graph.initializers.values()) bytes += tensor.byteLength
  return bytes > LARGE
}

/** Differences within a region that always count as rounding, and those of half precision. */
const LIMIT = 1e-5
const HALF_LIMIT = 2 ** -8
/** One other rounding shows how much there is, not the most that there can be. */
const ROUNDING_FACTOR = 8
/** Where rounding moves a value by more than this, it shows nothing. */
const MAX_ROUNDING = 1e-2
/** A weight is exercised if values move by more than so many limits where it changes. */
const MOVES = 3
/** Regions are enlarged no more often than this. */
const ROUNDS = 24

/** @throws input where the models do not run */
export async function evidenceOf(
  runtime: Runtime,
  a: Model,
  b: Model,
  feeds: Feeds,
  options: EvidenceOptions = {},
): Promise<Evidence> {
  const sides = [sideOf(a, feeds), sideOf(b, feeds)] as const
  const isHalf = inSinglePrecision(a) !== undefined
  const ways = isHalf ? halfTrials : trials
  const cutter = new Cutter(...sides, options.signal)
  const laboratory = new Laboratory(runtime, sides[0], feeds, isHalf, options)
  const excluded = new Set<string>()
  let seen = new Set<string>()
  /** Those of which a small change is seen; where it takes a large one, all trials must agree. */
  let sensitive = new Set<string>()
  /** Points that differ for some borders show nothing where they agree for others. */
  let differed = new Set<string>()
  let attempt = 0
  for (let round = 0; ; round++) {
    const cut = await cutter.cut(excluded)
    const outcome =
      cut.points.length > 0 ? await laboratory.examine(cut, ways[attempt]!, attempt) : nothing
    for (const point of outcome.differing.keys()) differed.add(point)
    for (const weight of outcome.exercised(differed)) {
      seen.add(weight)
      if (attempt === 0) sensitive.add(weight)
    }
    const outputs = new Set(b.graph.outputs.map(({ name }) => name))
    const failed = cut.points.filter(
      (point) => !outcome.agreeing.has(point) && (outputs.has(point) || !excluded.has(point)),
    )
    const missing = cut.layers.filter(({ weight }) => weight === undefined || !seen.has(weight))
    const differing = failed.filter((point) => !excluded.has(point))
    // What still differs may depend on several borders at once, which are not what they are by chance: a value and its mean.
    const unequal =
      differing.length > 0
        ? differing
        : [...new Set(failed.flatMap((point) => cut.pointsBefore(point)))]
    if (unequal.length > 0 && round < ROUNDS && outcome !== failure) {
      // What is not equal is no border: its consumers join the region.
      for (const name of unequal) excluded.add(name)
      seen = new Set()
      sensitive = new Set()
      differed = new Set()
      attempt = 0
      continue
    }
    const isSettled = failed.length === 0 && cut.open.length === 0
    if (isSettled) {
      // Values inside differ, and nothing that is compared does: does it depend on them?
      const hidden = await laboratory.hidden(cut, outcome)
      if (hidden !== undefined) return lacking(cut.layersBefore(hidden), [hidden])
      const isDone =
        missing.length === 0 && cut.layers.every(({ weight }) => sensitive.has(weight!))
      if (isDone || (missing.length === 0 && attempt + 1 === ways.length)) return complete
      if (outcome !== failure && attempt + 1 < ways.length) {
        attempt++
        continue
      }
    }
    const blind = missing.length > 0 ? missing : failed.flatMap((point) => cut.layersBefore(point))
    return lacking(blind, [...failed, ...cut.open])
  }
}

const complete: Evidence = { isComplete: true, notExercised: [] }

/** Names the layers that lack evidence, or the values where no layer has a weight that differs. */
const lacking = (layers: readonly ChangedLayer[], values: readonly string[]): Evidence => ({
  isComplete: false,
  notExercised: [...new Set(layers.length > 0 ? layers.map(({ label }) => label) : values)],
})

interface Outcome {
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
const nothing: Outcome = {
  samples: [],
  differing: new Map(),
  agreeing: new Set(),
  limits: new Map(),
  exercised: () => [],
}
/** The regions could not be run. */
const failure: Outcome = { ...nothing }

/** Runs regions on random borders. */
class Laboratory {
  readonly #runtime: Runtime
  readonly #side: Side
  readonly #inputs: Feeds
  readonly #isHalf: boolean
  readonly #limits: Limits
  readonly #options: EvidenceOptions
  /** Values of the first model on the given inputs, where random ones would make no sense. */
  readonly #captured = new Map<string, Tensor>()

  constructor(
    runtime: Runtime,
    side: Side,
    inputs: Feeds,
    isHalf: boolean,
    options: EvidenceOptions,
  ) {
    this.#runtime = runtime
    this.#side = side
    this.#inputs = inputs
    this.#isHalf = isHalf
    const rounding = isHalf ? HALF_LIMIT : LIMIT
    this.#limits = { rounding, agreement: Math.max(options.tolerance ?? 0, rounding) }
    this.#options = options
  }

  async examine(cut: Cut, trial: Trial, attempt: number): Promise<Outcome> {
    const { sizes, share } = isLarge(cut.b) ? shorter(trial) : trial
    for (const isRandom of [true, false])
      try {
        const samples = await this.#samples(
          cut,
          isRandom ? sizes : sizes.slice(0, 1),
          isRandom,
          attempt,
        )
        return await this.#run(cut, samples, share)
      } catch (cause) {
        const isRefused = cause instanceof Net2NetError && cause.kind === 'input'
        if (!isRefused || this.#options.signal?.aborted) throw cause
        // Some operators do not take every number: then the borders are as the inputs make them.
      }
    return failure
  }

  /** Few samples are run once: optimizing takes longer than it saves. */
  #session(model: Model, [sample]: readonly Feeds[]): Computation {
    const inputs = Object.entries(sample!).map(([name, { dtype, dims }]) =>
      tensorDeclaration(name, dtype, dims),
    )
    const graph = { ...model.graph, inputs }
    return outOfCoreSession(this.#runtime, { ...model, graph }, { optimization: 'basic' })
  }

  async #run(cut: Cut, samples: readonly Feeds[], share: number): Promise<Outcome> {
    const [a, b] = [this.#session(cut.a, samples), this.#session(cut.b, samples)]
    const { signal } = this.#options
    const movements: Movement[] = []
    const comparison = new PointComparison(samples.length, this.#limits)
    const values = this.#side.values
    await runTogether(a, b, samples, {
      signal,
      0: { onOutput: (name, tensors) => comparison.add(0, name, tensors) },
      1: {
        onOutput: (name, tensors) => comparison.add(1, name, tensors),
        probe: {
          sample: 0,
          share,
          weights: new Set(cut.layers.flatMap(({ weight }) => weight ?? [])),
          changes: (name) => {
            if (cut.borders.has(name)) return false
            const dtype = values.get(name)?.dtype
            return dtype === undefined || isFloat(dtype)
          },
          onMovement: (from, to, by) => movements.push({ from, to, by }),
        },
      },
    })
    if (comparison.doubtful.size > 0) {
      const rounding = this.#isHalf ? 2 ** -11 : 2 ** -20
      const rounded = (tensor: Tensor, name: string) =>
        isFloat(tensor.dtype) ? changed(tensor, rounding, `rounding of ${name}`) : tensor
      const moved = samples.map((feeds) =>
        Object.fromEntries(
          Object.entries(feeds).map(([name, tensor]) => [name, rounded(tensor, name)]),
        ),
      )
      await this.#session(cut.a, samples).run(moved, {
        signal,
        onOutput: (name, tensors) => comparison.addJittered(name, tensors),
      })
    }
    return { samples, ...comparison.outcome(cut, movements) }
  }

  /**
   * A point at which the models differ although nothing that is compared would change if they did not:
   * the second model computes the same from the first one's value. Then what is compared is blind to it.
   */
  async hidden(cut: Cut, { samples, differing, limits }: Outcome): Promise<string | undefined> {
    for (const [point, tensors] of differing) {
      const given = withGiven(cut.b, point)
      if (!given) continue
      const comparison = new PointComparison(samples.length, this.#limits)
      const patched = samples.map((feeds, i) => ({ ...feeds, [point]: tensors[i]! }))
      const take = (model: 0 | 1) => (name: string, found: readonly Tensor[]) => {
        if (name !== pointName(point)) comparison.add(model, name, found)
      }
      const { signal } = this.#options
      await this.#session(cut.b, samples).run(samples, { signal, onOutput: take(0) })
      try {
        await this.#session(given, patched).run(patched, { signal, onOutput: take(1) })
      } catch (cause) {
        // A size, say, with which the second model cannot compute at all.
        if (cause instanceof Net2NetError && cause.kind === 'input' && !signal?.aborted) continue
        throw cause
      }
      if (!comparison.exceeds(limits)) return point
    }
    return undefined
  }

  async #samples(
    cut: Cut,
    sizes: readonly number[],
    isRandom: boolean,
    attempt: number,
  ): Promise<readonly Feeds[]> {
    const names = [...cut.borders]
    await this.#capture(names.filter((name) => !this.#isKnown(name, isRandom)))
    return sizes.map((size, i) =>
      Object.fromEntries(
        names.map((name) => [name, this.#border(name, { size, sample: i, isRandom, attempt })]),
      ),
    )
  }

  /** Can a border be drawn without running the model? */
  #isKnown(name: string, isRandom: boolean): boolean {
    if (this.#inputs[name] || this.#captured.has(name)) return true
    const { dtype, shape } = this.#side.values.get(name) ?? {}
    const isDrawn = dtype !== undefined && (isFloat(dtype) || dtype === 'bool')
    return (
      isRandom &&
      isDrawn &&
      shape?.every((dim) => typeof dim === 'number') === true &&
      !isList(shape)
    )
  }

  #border(name: string, { size, sample, isRandom, attempt }: BorderOptions): Tensor {
    const given = this.#inputs[name]
    const known = given ?? this.#captured.get(name)
    const { dtype, dims } = known ?? {
      dtype: this.#side.values.get(name)!.dtype!,
      dims: this.#side.values.get(name)!.shape as readonly number[],
    }
    const seed = this.#options.seed ?? 0
    if (isRandom && isNumeric(dtype) && isFloat(dtype) && (given || !isList(dims))) {
      const random = randomStream(seed, 'border', name, attempt)
      const { producers, values } = this.#side
      return normals(dtype, dims, size, random, isNonNegative(name, producers, values))
    }
    if (isRandom && dtype === 'bool' && !given) {
      const random = randomStream(seed, 'border', name, attempt)
      // What is shut in one sample is open in the next.
      const data = Uint8Array.from(
        { length: elementCount(dims) },
        () => (random.below(2) + sample) % 2,
      )
      return new Tensor('bool', dims, data)
    }
    return known!
  }

  /** Runs the first model for values that are not drawn: indices, and what has unknown sizes. */
  async #capture(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    const { model } = this.#side
    const outputs = names.map((name) => tensorDeclaration(name, undefined, undefined))
    const session = this.#session({ ...model, graph: { ...model.graph, outputs } }, [this.#inputs])
    const [found] = await session.run([this.#inputs], { signal: this.#options.signal })
    for (const name of names) this.#captured.set(name, found![name]!)
  }
}

interface BorderOptions {
  readonly size: number
  /** Number of the sample. */
  readonly sample: number
  readonly isRandom: boolean
  /** Number of the trial: each draws other numbers. */
  readonly attempt: number
}

/** The regions with a point given instead of computed; undefined where nothing depends on it. */
function withGiven(model: Model, point: string): Model | undefined {
  const { graph } = model
  const nodes = graph.nodes.filter(({ outputs }) => !outputs.includes(point))
  if (nodes.length === graph.nodes.length) return undefined
  return { ...model, graph: { ...graph, nodes } }
}

/** Few numbers in a row are sizes, scales or bounds rather than what neurons say. */
const isList = (dims: readonly unknown[]): boolean =>
  dims.length === 0 || (dims.length === 1 && typeof dims[0] === 'number' && dims[0] <= 8)

interface Movement {
  readonly from: string
  readonly to: string
  readonly by: number
}

interface Limits {
  /** Relative differences that are rounding. */
  readonly rounding: number
  /** Those that count as none: no less, and no less than the tolerance that somebody has given. */
  readonly agreement: number
}

/** The points of both models, as far as they have come, and how far they are apart. */
class PointComparison {
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
          : Math.max(this.#limits.agreement, ROUNDING_FACTOR * rounding)
    })
  }

  /** Is some point further apart than this in some sample? */
  exceeds(limits: Outcome['limits']): boolean {
    return [...limits].some(([name, ofSamples]) =>
      this.#differences.get(name)?.some(({ by }, i) => by > ofSamples[i]!),
    )
  }

  outcome(cut: Cut, movements: readonly Movement[]): Omit<Outcome, 'samples'> {
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
      const known = new Map<string, boolean>()
      const isSeen = (name: string): boolean => {
        const found = known.get(name)
        if (found !== undefined) return found
        const seen = (reach.get(name) ?? []).some(({ to, by }) => {
          const threshold = thresholds.get(to)
          if (threshold !== undefined && but.has(pointOf(to))) return false
          return threshold === undefined
            ? by >= MOVES * this.#limits.rounding && isSeen(to)
            : by >= threshold
        })
        known.set(name, seen)
        return seen
      }
      return cut.layers.flatMap(({ weight }) => weight ?? []).filter(isSeen)
    }
    return { agreeing, limits, differing, exercised }
  }
}

/** Numbers from here on come close to the largest in single precision. */
const HUGE = 2 ** 100
const isModerate = (tensor: Tensor): boolean =>
  toNumbers(tensor).every((value) => Math.abs(value) < HUGE)

function distance(a: Tensor, b: Tensor): number {
  const meter = new DifferenceMeter()
  meter.add(a, b)
  return meter.result().maxRel
}
