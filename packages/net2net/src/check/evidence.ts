/**
 * Evidence that two models compute the same function, whatever their inputs reach. Every region in
 * which they differ (see cut.ts) runs in both on random borders: gates that stay shut, outputs that
 * saturate and tokens that never occur hide nothing of it. Then every weight that differs is changed
 * a little: only where the compared values move with it, a mistake in it would have been seen.
 */
import type { Model } from '../model/model.ts'
import { inSinglePrecision } from '../passes/single-precision.ts'
import type { Feeds, Runtime } from '../runtime/runtime.ts'
import { type ChangedLayer, type Cut, Cutter } from './cut.ts'
import { type EvidenceOptions, failure, Laboratory, nothing, type Trial } from './laboratory.ts'
import { hasManyChanges } from './out-of-core/segments.ts'
import type { Outcome } from './point-comparison.ts'
import { sideOf } from './side.ts'

export interface Evidence {
  /** Do all regions compute the same, and would a mistake in any changed layer have been seen? */
  readonly isComplete: boolean
  /** The layers in which a mistake could have been overlooked. */
  readonly notExercised: readonly string[]
}

const trials: readonly Trial[] = [
  { sizes: [1, -1e3, 1e3], share: 2 ** -6 },
  { sizes: [1, -1e3, 1e3], share: 2 ** -6, isAmplified: true },
  ...[1, -1, 1e3, -1e3, 1e-3, 1e6, 1e-6, 1e9, 1e12].map((size) => ({
    sizes: [size, -size],
    share: 1,
  })),
]

/** The same for half precision, whose largest number is 65,504. */
const halfTrials: readonly Trial[] = [
  { sizes: [1, -32, 32], share: 2 ** -4 },
  { sizes: [1, -32, 32], share: 2 ** -4, isAmplified: true },
  ...[1, -1, 32, -32, 2 ** -5].map((size) => ({ sizes: [size, -size], share: 1 })),
]

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
  const outputs = new Set(b.graph.outputs.map(({ name }) => name))
  const excluded = new Set<string>()
  /** Points that have differed: when they do again, it is not for their own borders. */
  const tried = new Set<string>()
  let examination = new Examination(await cutter.cut(excluded), ways)
  for (let round = 0; ; round++) {
    const { cut } = examination
    const outcome = await examination.examine(laboratory)
    const failed = examination
      .failedIn(outcome)
      .filter((point) => outputs.has(point) || !excluded.has(point))
    const differing = failed.filter((point) => !excluded.has(point))
    // What differs is no border: its consumers join the region. But at first its own borders may be why it differs: a
    // mean, drawn at random, is not that of the values whose variance follows.
    let noBorders = differing
      .filter((point) => !tried.has(point))
      .flatMap((point) => cut.entangledWith(point))
    for (const point of differing) tried.add(point)
    if (noBorders.length === 0) noBorders = differing
    if (noBorders.length === 0) noBorders = failed.flatMap((point) => cut.pointsBefore(point))
    if (noBorders.length > 0 && round < ROUNDS && outcome !== failure) {
      for (const name of noBorders) excluded.add(name)
      examination = new Examination(await cutter.cut(excluded), ways)
      continue
    }
    if (failed.length === 0 && cut.open.length === 0) {
      // Values inside differ, and nothing that is compared does: does it depend on them?
      const hidden = await laboratory.hidden(examination.part, outcome)
      if (hidden !== undefined) return lacking(cut.layersBefore(hidden), [hidden])
      if (examination.isEnough) return complete
      if (outcome !== failure && examination.goOn()) continue
    }
    const { missing } = examination
    const blind = missing.length > 0 ? missing : failed.flatMap((point) => cut.layersBefore(point))
    return lacking(blind, [...failed, ...cut.open])
  }
}

/** The trials of the regions of one cut, one after the other, and what they have shown together. */
class Examination {
  readonly cut: Cut
  readonly #ways: readonly Trial[]
  #attempt = 0
  /** The first trial is made in parts, where these are not those of the whole, and then in the whole. */
  #isInParts: boolean
  #part: Cut
  /** Weights of which a change was seen. */
  readonly #seen = new Set<string>()
  /** Those of which a small change is seen; where it takes a large one, all trials must agree. */
  readonly #sensitive = new Set<string>()
  /** Points that differ for some borders show nothing where they agree for others. */
  readonly #differed = new Set<string>()
  /** Points that were equal for some borders: others may make them overflow, from which nothing follows. */
  readonly #agreed = new Set<string>()

  constructor(cut: Cut, ways: readonly Trial[]) {
    this.cut = cut
    this.#part = cut
    this.#ways = ways
    const weights = new Set(cut.layers.map(({ weight }) => weight))
    this.#isInParts = hasManyChanges(cut.b.graph, (name) => weights.has(name))
  }

  /** What the next trial examines. */
  get part(): Cut {
    return this.#part
  }

  /** Makes the next trial. */
  async examine(laboratory: Laboratory): Promise<Outcome> {
    const trial = { ...this.#ways[this.#attempt]!, isInParts: this.#isInParts }
    const outcome =
      this.#part.points.length > 0
        ? await laboratory.examine(this.#part, trial, this.#attempt, this.#seen)
        : nothing
    for (const point of outcome.differing.keys()) this.#differed.add(point)
    for (const point of outcome.agreeing) this.#agreed.add(point)
    for (const weight of outcome.exercised(this.#differed)) {
      this.#seen.add(weight)
      if (trial.share < 1) this.#sensitive.add(weight)
    }
    return outcome
  }

  /** Points that differ in this trial, or that no trial has shown to be equal. */
  failedIn(outcome: Outcome): readonly string[] {
    return this.cut.points.filter(
      (point) => outcome === failure || outcome.differing.has(point) || !this.#agreed.has(point),
    )
  }

  /** Layers in which no change was seen so far. */
  get missing(): readonly ChangedLayer[] {
    return this.cut.layers.filter(({ weight }) => weight === undefined || !this.#seen.has(weight))
  }

  /** Was a change of every layer seen: a small one, or else a large one after all trials? */
  get isEnough(): boolean {
    if (this.missing.length > 0) return false
    const isLast = this.#attempt + 1 === this.#ways.length
    return isLast || this.cut.layers.every(({ weight }) => this.#sensitive.has(weight!))
  }

  /** Goes on to the next trial, if there is one. */
  goOn(): boolean {
    if (this.#attempt + 1 === this.#ways.length) return false
    if (this.#ways[this.#attempt]!.share < 1) this.#part = this.#insensitivePart()
    if (this.#isInParts) this.#isInParts = false
    else this.#attempt++
    return true
  }

  /** The regions of layers of which no small change was seen: what the others give was compared already. */
  #insensitivePart(): Cut {
    const { cut } = this
    const isInsensitive = ({ weight }: ChangedLayer) =>
      weight === undefined || !this.#sensitive.has(weight)
    return cut.towards(cut.points.filter((point) => cut.layersBefore(point).some(isInsensitive)))
  }
}

const complete: Evidence = { isComplete: true, notExercised: [] }

/** Names the layers that lack evidence, or the values where no layer has a weight that differs. */
const lacking = (layers: readonly ChangedLayer[], values: readonly string[]): Evidence => ({
  isComplete: false,
  notExercised: [...new Set(layers.length > 0 ? layers.map(({ label }) => label) : values)],
})
