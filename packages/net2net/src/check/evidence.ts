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
import { sideOf } from './side.ts'

export interface Evidence {
  /** Do all regions compute the same, and would a mistake in any changed layer have been seen? */
  readonly isComplete: boolean
  /** The layers in which a mistake could have been overlooked. */
  readonly notExercised: readonly string[]
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
  /** Points that were equal for some borders: others may make them overflow, from which nothing follows. */
  let agreed = new Set<string>()
  let attempt = 0
  let cut = await cutter.cut(excluded)
  /** What the next trial examines. */
  let part = cut
  for (let round = 0; ; round++) {
    const outcome =
      part.points.length > 0
        ? await laboratory.examine(part, ways[attempt]!, attempt, seen)
        : nothing
    for (const point of outcome.differing.keys()) differed.add(point)
    for (const point of outcome.agreeing) agreed.add(point)
    for (const weight of outcome.exercised(differed)) {
      seen.add(weight)
      if (attempt === 0) sensitive.add(weight)
    }
    const outputs = new Set(b.graph.outputs.map(({ name }) => name))
    const failed = cut.points.filter(
      (point) =>
        (outcome === failure || outcome.differing.has(point) || !agreed.has(point)) &&
        (outputs.has(point) || !excluded.has(point)),
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
      cut = await cutter.cut(excluded)
      part = cut
      seen = new Set()
      sensitive = new Set()
      differed = new Set()
      agreed = new Set()
      attempt = 0
      continue
    }
    const isSettled = failed.length === 0 && cut.open.length === 0
    if (isSettled) {
      // Values inside differ, and nothing that is compared does: does it depend on them?
      const hidden = await laboratory.hidden(part, outcome)
      if (hidden !== undefined) return lacking(cut.layersBefore(hidden), [hidden])
      const isDone =
        missing.length === 0 && cut.layers.every(({ weight }) => sensitive.has(weight!))
      if (isDone || (missing.length === 0 && attempt + 1 === ways.length)) return complete
      if (outcome !== failure && attempt + 1 < ways.length) {
        if (attempt === 0) part = partOf(cut, sensitive)
        attempt++
        continue
      }
    }
    const blind = missing.length > 0 ? missing : failed.flatMap((point) => cut.layersBefore(point))
    return lacking(blind, [...failed, ...cut.open])
  }
}

/** The regions of layers of which no small change was seen: what the others give was compared already. */
const partOf = (cut: Cut, sensitive: ReadonlySet<string>): Cut =>
  cut.towards(
    cut.points.filter((point) =>
      cut.layersBefore(point).some(({ weight }) => weight === undefined || !sensitive.has(weight)),
    ),
  )

const complete: Evidence = { isComplete: true, notExercised: [] }

/** Names the layers that lack evidence, or the values where no layer has a weight that differs. */
const lacking = (layers: readonly ChangedLayer[], values: readonly string[]): Evidence => ({
  isComplete: false,
  notExercised: [...new Set(layers.length > 0 ? layers.map(({ label }) => label) : values)],
})
