/**
 * The way back from growth, as far as it is exact.
 *
 * Units are merged that are copies of one another: whatever is copied in growth is equal for them, bit for bit. Their
 * activations are equal then, so one of them with the sum of what is split computes the same, whatever the coefficients and the noise of
 * a growth were. Units go of which all that is split is zero, or is only multiplied by zeros: nothing depends on them. Layers that compute the identity, and
 * residual blocks whose branches are zero, are taken out.
 */

import { capturedValues } from '../../model/links.ts'
import type { Model } from '../../model/model.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { elementCount, type LazyTensor, materialize, toNumbers } from '../../tensor/tensor.ts'
import type { GrownUnits, GrowthPlan } from '../growth-plan.ts'
import { type Solution, solutionOf } from '../solve/index.ts'
import { identities } from './identities.ts'
import type { Replicated } from './replicate.ts'
import { selectLayers } from './select-layers.ts'
import { UnitBounds } from './unit-bounds.ts'
import { type UnitsAxis, unitsAxes } from './units-on-axis.ts'
import { planOf } from './widen.ts'

/**
 * Plans to take away what the function does not need: first layers and blocks that compute the identity, and where there
 * are none, units. What of one plan follows from another takes another plan: see `grow`.
 *
 * @param from A model, or what has been solved of it.
 * @param layers Names, parts of names or patterns; default all.
 * @throws Net2NetError (usage) for unknown layers, (refused) where the model has none
 */
export function planShrink(from: Model | Solution, layers: readonly string[] = ['*']): GrowthPlan {
  const solution = solutionOf(from)
  const { facts, relations, groups } = solution
  const chosen = new Set(
    layers.flatMap((name) => selectLayers(facts.model, relations.layers, name)),
  )
  const removed = identities(solution, chosen)
  const options = { seed: 0, noise: 'none', noiseSize: 0 } as const
  if (removed.length > 0) return { ...planOf(solution, [], options), removed }
  const variables = new Set([...chosen].flatMap((layer) => groups.freeVariables(layer.axis)))
  const taken = new Set<string>()
  const merged = [...variables].flatMap((variable): Replicated[] => {
    const members = groups.layersOf(variable).map(({ name }) => name)
    const found = mergeOf(solution, variable)
    if (!found) return []
    let id = members[0] ?? `units ${variable}`
    for (let i = 2; taken.has(id); i++) id = `${members[0]}#${i}`
    taken.add(id)
    return [{ variable, id, to: found.to, units: { id, members, ...found } }]
  })
  return planOf(solution, merged, options)
}

/** Does a plan take nothing away? */
export const isNothing = ({ units, removed }: GrowthPlan): boolean =>
  units.length + (removed?.length ?? 0) === 0

type Merge = Omit<GrownUnits, 'id' | 'members'>

function mergeOf(solution: Solution, variable: number): Merge | undefined {
  const { axes, groups } = solution
  const from = axes.sizeOfVariable(variable) ?? groups.layersOf(variable)[0]?.width
  if (typeof from !== 'number' || from < 2) return undefined
  const found = unitsAxes(solution, variable, from)
  const slices = found.map((axis) => new Slices(axis, from))
  if (!slices.some((each) => each.holdsCopied)) return undefined
  const isBalanced = groups.balanced(variable) !== undefined
  const merged = new Int32Array(from).fill(-1)
  const map: number[] = []
  const needed =
    isBalanced || !isOnlySummed(solution, variable)
      ? undefined
      : neededUnits(slices, from, new UnitBounds(solution, variable, from, found))
  const alike = copies(slices, from, needed)
  const areSums = solution.splits.allowsNoise(variable)
  const classes = areSums ? alike : alike.flatMap((units) => multiples(slices, units))
  const share = isBalanced ? greatestCommonDivisor(classes.map(({ length }) => length)) : Infinity
  const groupsOfUnits = classes.flatMap((units) => chunks(units, Math.min(share, units.length)))
  groupsOfUnits.sort((a, b) => a[0]! - b[0]!)
  for (const units of groupsOfUnits) {
    for (const unit of units) merged[unit] = map.length
    map.push(units[0]!)
  }
  if (map.length === from) return undefined
  return {
    from,
    to: map.length,
    init: 'net2wider',
    map,
    split: map.map(() => 1),
    merged: [...merged],
  }
}

const singles = (count: number, needed: Uint8Array | undefined): readonly number[][] =>
  Array.from({ length: count }, (_, unit) => [unit]).filter(([unit]) => needed?.[unit!] !== 0)

const chunks = (units: readonly number[], size: number): number[][] =>
  Array.from({ length: units.length / size }, (_, i) => units.slice(i * size, (i + 1) * size))

const greatestCommonDivisor = (numbers: readonly number[]): number =>
  numbers.reduce((a, b) => {
    let [x, y] = [a, b]
    while (y > 0) [x, y] = [y, x % y]
    return x
  }, 0)

/** Units of which something that is split is not zero and meets values that may not be zero; at least one. */
function neededUnits(
  slices: readonly Slices[],
  count: number,
  bounds: UnitBounds,
): Uint8Array | undefined {
  const needed = new Uint8Array(count)
  if (slices.every((each) => !each.holdsSplit)) return undefined
  for (const each of slices)
    if (each.holdsSplit) each.markNonZero(needed, bounds.zerosAt(each.axis))
  if (!needed.includes(1)) needed[0] = 1
  return needed
}

/** Units in classes of copies, each in order. */
function copies(
  slices: readonly Slices[],
  count: number,
  needed: Uint8Array | undefined,
): readonly number[][] {
  let classes = [singles(count, needed).flat()]
  // Small constants tell most units apart.
  for (const each of [...slices].sort((a, b) => a.bytes - b.bytes))
    classes = classes.flatMap((units) => (units.length > 1 ? each.apart(units) : [units]))
  return classes
}

/**
 * Copies in classes whose split entries are positive multiples of one another: where these pass nodes that are not linear, such as a
 * Relu, f(αv) + f(βv) = f((α + β)v) holds for those alone.
 */
function multiples(slices: readonly Slices[], units: readonly number[]): number[][] {
  const classes: { readonly units: number[]; readonly entries: readonly number[] }[] = []
  for (const unit of units) {
    const entries = slices.flatMap((each) => each.splitEntries(unit))
    const own = classes.find((each) => arePositiveMultiples(each.entries, entries))
    if (own) own.units.push(unit)
    else classes.push({ units: [unit], entries })
  }
  return classes.map((each) => each.units)
}

/** Of the rounding of coefficients, again with each growth: some units in the last place of a float32. */
const ROUNDING = 2 ** -21

function arePositiveMultiples(a: readonly number[], b: readonly number[]): boolean {
  const largest = a.reduce((at, value, i) => (Math.abs(value) > Math.abs(a[at]!) ? i : at), 0)
  const factor = b[largest]! / a[largest]!
  return (
    factor > 0 &&
    a.every((value, i) => Math.abs(b[i]! - factor * value) <= ROUNDING * Math.abs(b[i]!))
  )
}

/** What one axis of one constant holds for each unit. */
class Slices {
  readonly holdsSplit: boolean
  readonly holdsCopied: boolean
  readonly bytes: number
  readonly axis: UnitsAxis
  /** For each unit its indices of either role, in their order. */
  readonly #copied: number[][]
  readonly #split: number[][]
  #values: readonly number[] | undefined

  constructor(axis: UnitsAxis, count: number) {
    this.axis = axis
    this.#copied = Array.from({ length: count }, () => [])
    this.#split = Array.from({ length: count }, () => [])
    axis.unit.forEach((unit, i) => {
      if (unit >= 0) (axis.split[i] ? this.#split : this.#copied)[unit]!.push(i)
    })
    this.holdsSplit = this.#split.some((indices) => indices.length > 0)
    this.holdsCopied = this.#copied.some((indices) => indices.length > 0)
    this.bytes = axis.reading.tensor.byteLength
  }

  get #tensor(): LazyTensor {
    return this.axis.reading.tensor
  }

  /** @param zeros Units whose values here are zero for every input. */
  markNonZero(needed: Uint8Array, zeros: (unit: number) => boolean): void {
    const values = toNumbers(this.#tensor)
    const [outer, length, inner] = this.#sizes
    this.#split.forEach((indices, unit) => {
      if (needed[unit] === 1 || zeros(unit)) return
      for (const index of indices)
        for (let o = 0; o < outer && needed[unit] === 0; o++) {
          const at = (o * length + index) * inner
          for (let i = 0; i < inner; i++) if (values[at + i] !== 0) needed[unit] = 1
        }
    })
  }

  /** The numbers that are split for a unit. */
  splitEntries(unit: number): number[] {
    const indices = this.#split[unit]!
    if (indices.length === 0) return []
    this.#values ??= toNumbers(this.#tensor)
    const values = this.#values
    const [outer, length, inner] = this.#sizes
    return Array.from({ length: outer }, (_, o) =>
      indices.map((index) => {
        const from = (o * length + index) * inner
        return values.slice(from, from + inner)
      }),
    ).flat(2)
  }

  /** The units in classes that hold the same bits where they are copied. */
  apart(units: readonly number[]): number[][] {
    if (this.#copied[units[0]!]!.length === 0) return [[...units]]
    const bytes = materialize(this.#tensor).read(0, this.bytes)
    const classes = new Map<number, number[][]>()
    for (const unit of units) {
      const sum = this.#hash(bytes, unit)
      const alike = classes.get(sum) ?? []
      classes.set(sum, alike)
      const own = alike.find(([first]) => this.#areEqual(bytes, first!, unit))
      if (own) own.push(unit)
      else alike.push([unit])
    }
    return [...classes.values()].flat()
  }

  get #sizes(): readonly [outer: number, length: number, inner: number] {
    const { dims } = this.#tensor
    const { axis } = this.axis
    return [elementCount(dims.slice(0, axis)), dims[axis]!, elementCount(dims.slice(axis + 1))]
  }

  /** The ranges of bytes that a unit holds. */
  *#ranges(unit: number): Generator<readonly [from: number, to: number]> {
    const [outer, length, inner] = this.#sizes
    const run = (inner * dtypes[this.#tensor.dtype].bits) / 8
    for (let o = 0; o < outer; o++)
      for (const index of this.#copied[unit]!) {
        const from = (o * length + index) * run
        yield [from, from + run]
      }
  }

  /** FNV-1a. */
  #hash(bytes: Uint8Array, unit: number): number {
    let hash = 0x811c9dc5
    for (const [from, to] of this.#ranges(unit))
      for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
    return hash
  }

  #areEqual(bytes: Uint8Array, a: number, b: number): boolean {
    const others = this.#ranges(b)
    for (const [from, to] of this.#ranges(a)) {
      const { value } = others.next()
      if (!value) return false
      for (let i = 0; i < to - from; i++) if (bytes[from + i] !== bytes[value[0] + i]) return false
    }
    return others.next().done === true
  }
}

/**
 * Does everything that reads values with units of a variable keep their axis, or sum over it? A maximum over all units, say,
 * is the same for copies, but not without a unit.
 */
function isOnlySummed({ facts, axes, relations }: Solution, variable: number): boolean {
  const countIn = (name: string) =>
    relations.axes.get(name)?.filter((axis) => axes.leaves(axis).includes(variable)).length ?? 0
  const most = (names: Iterable<string>) => Math.max(0, ...[...names].map(countIn))
  const sums = new Set(
    relations.contractions.flatMap(({ axis, node }) =>
      axes.leaves(axis).includes(variable) ? [node] : [],
    ),
  )
  return facts.model.graph.nodes.every(
    (node) =>
      sums.has(node) ||
      facts.operatorOf(node)?.reads?.shapes === true ||
      most([...node.inputs, ...capturedValues(node)]) <= most(node.outputs),
  )
}
