/** Replication: which old unit each new unit copies, and with which split coefficient. */
import { mustBeOneOf, refusedError, usageError } from '../../errors.ts'
import { isFloat } from '../../tensor/dtype.ts'
import { permutation, randomStream } from '../../tensor/random.ts'
import { type GrownUnits, growthChoices, type NoiseKind, type WidenInit } from '../growth-plan.ts'
import type { Solution } from '../solve/index.ts'
import type { GrownVariable } from './project.ts'
import { grownAlike } from './trained-as-one.ts'

export interface ReplicateOptions {
  /** Seed of the maps and of all noise (default 0). */
  readonly seed?: number
  /** Default `net2wider`. */
  readonly init?: ReplicaInit
  /** Default `zero-sum`, which is exact. */
  readonly noise?: NoiseKind
  /** Size of the noise, relative to the standard deviation of the out-weights; default 0.05. */
  readonly noiseSize?: number
}

/** How units start that need no samples. */
export type ReplicaInit = Exclude<WidenInit, 'gradmax'>
const replicaInits = growthChoices.widenInit.filter((init) => init !== 'gradmax')

/** The Keras example's 5%. */
const DEFAULT_NOISE_SIZE = 0.05

/**
 * The options with their defaults.
 *
 * @throws Net2NetError (usage) for values that there are not.
 */
export function replicateOptions({
  seed = 0,
  init = 'net2wider',
  noise = 'zero-sum',
  noiseSize = DEFAULT_NOISE_SIZE,
}: ReplicateOptions): Required<ReplicateOptions> {
  mustBeOneOf('init', init, replicaInits)
  mustBeOneOf('noise', noise, growthChoices.noise)
  if (!(noiseSize >= 0))
    throw usageError(`noiseSize must be a number that is not negative, not ${noiseSize}.`)
  return { seed, init, noise: init === 'random-pad' ? 'none' : noise, noiseSize }
}

/** The units of a grown variable. */
export interface Replicated extends GrownVariable {
  readonly units: GrownUnits
}

/** A variable that grows, with the layers whose width it is and its size before. */
export interface NamedUnits extends GrownVariable {
  readonly members: readonly string[]
  readonly from: number
}

/** The names that variables which grow to the given sizes have in a plan: each that of its first layer. */
export function namedUnits(
  { axes, groups }: Solution,
  sizes: ReadonlyMap<number, number>,
): readonly NamedUnits[] {
  const taken = new Set<string>()
  return [...sizes].map(([variable, to]) => {
    const members = groups.layersOf(variable).map((layer) => layer.name)
    const base = members[0] ?? `units ${variable}`
    let id = base
    for (let i = 2; taken.has(id); i++) id = `${base}#${i}`
    taken.add(id)
    const from = axes.sizeOfVariable(variable) ?? groups.layersOf(variable)[0]?.width
    if (typeof from !== 'number')
      throw refusedError(`The size of ${axes.nameOf(variable)} is not known.`)
    return { variable, id, members, from, to }
  })
}

/** Maps and split coefficients for variables that grow to the given sizes. */
export function replicate(
  solution: Solution,
  sizes: ReadonlyMap<number, number>,
  options: Required<ReplicateOptions>,
): readonly Replicated[] {
  const { axes, groups, splits } = solution
  const named = namedUnits(solution, sizes)
  const likeOf = grownAlike(solution, sizes, (variable) =>
    [
      axes.sizeOfVariable(variable),
      groups.balanced(variable) === undefined,
      splits.allowsNoise(variable),
      splitsIntegers(solution, variable),
    ].join(),
  )
  const alike = new Map<number, readonly NamedUnits[]>()
  for (const each of named) {
    const like = likeOf(each.variable)
    alike.set(like, [...(alike.get(like) ?? []), each])
  }
  const unitsLike = new Map(
    [...alike].map(([like, each]) => [like, unitsOf(solution, each, options)]),
  )
  return named.map(({ variable, to }): Replicated => {
    const units = unitsLike.get(likeOf(variable))!
    return { variable, id: units.id, to, units }
  })
}

/** The units of variables that grow alike. */
function unitsOf(
  solution: Solution,
  alike: readonly NamedUnits[],
  { seed, init, noise, noiseSize }: Required<ReplicateOptions>,
): GrownUnits {
  const { groups, splits } = solution
  const { variable, id, from, to } = alike[0]!
  const members = [...new Set(alike.flatMap((each) => each.members))]
  if (groups.balanced(variable) !== undefined && to % from !== 0 && init !== 'random-pad') {
    const map = Array.from({ length: to }, (_, i) => (i < from ? i : 0))
    const split = map.map((_, i) => (i < from ? 1 : 0))
    return { id, members, from, to, init: 'added', map, split }
  }
  const map =
    groups.balanced(variable) === undefined || to % from !== 0
      ? randomMap(from, to, seed, id)
      : balancedMap(from, to, seed, id)
  const split = splitsIntegers(solution, variable)
    ? wholeSplit(map)
    : noise === 'zero-sum' && !splits.allowsNoise(variable)
      ? unequalSplit(map, noiseSize, seed, id)
      : equalSplit(map)
  return { id, members, from, to, init, map, split }
}

/**
 * The replication mapping g of Net2WiderNet (Chen et al., section 2.2): the identity on the first
 * `from` units; the rest are drawn uniformly with replacement from the old units. The stream is
 * keyed by (seed, 'map', name).
 */
export function randomMap(from: number, to: number, seed: number, name: string): number[] {
  const random = randomStream(seed, 'map', name)
  return Array.from({ length: to }, (_, i) => (i < from ? i : random.below(from)))
}

/** The same where every unit must have equally many copies: random permutations, one after another. */
export function balancedMap(from: number, to: number, seed: number, name: string): number[] {
  const random = randomStream(seed, 'map', name)
  const map = Array.from({ length: from }, (_, i) => i)
  while (map.length < to) map.push(...permutation(from, random))
  return map
}

/** Equal coefficients: one over the number of copies, so that the copies of each unit sum to one. */
export const equalSplit = (map: readonly number[]): number[] =>
  inProportion(
    map,
    map.map(() => 1),
  )

/** Is a constant of integers (a quantized weight) split along the variable? */
function splitsIntegers({ axes, relations, splits }: Solution, variable: number): boolean {
  for (const [reading, found] of relations.readings) {
    if (isFloat(reading.tensor.dtype)) continue
    for (const [k, axis] of found.axes.entries()) {
      const split = found.contracted[k] ? axis : splits.axisOf(reading, k)
      if (split && axes.leaves(split).includes(variable)) return true
    }
  }
  return false
}

/** All for the first copy of each unit, and nothing for the others: integers have no other parts. */
export const wholeSplit = (map: readonly number[]): number[] => {
  const seen = new Set<number>()
  return map.map((unit) => {
    if (seen.has(unit)) return 0
    seen.add(unit)
    return 1
  })
}

/**
 * Coefficients that break the symmetry between copies where noise cannot: behind a Relu, copies α·w and
 * β·w compute α and β times the same, but receive equal gradients. Proportional to exp(size · N(0, 1)),
 * so that they are positive; the stream is keyed by (seed, 'shares', name).
 */
export function unequalSplit(
  map: readonly number[],
  size: number,
  seed: number,
  name: string,
): number[] {
  const random = randomStream(seed, 'shares', name)
  return inProportion(
    map,
    map.map(() => Math.exp(size * random.normal())),
  )
}

/** Coefficients in proportion to weights, those of the copies of each unit summing to one. */
function inProportion(map: readonly number[], weights: readonly number[]): number[] {
  const totals = new Map<number, number>()
  map.forEach((unit, i) => {
    totals.set(unit, (totals.get(unit) ?? 0) + weights[i]!)
  })
  return map.map((unit, i) => weights[i]! / totals.get(unit)!)
}
