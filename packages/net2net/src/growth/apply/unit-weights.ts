/**
 * Where a plan's units have their in-weights and out-weights: for each unit, old or added, the places in the grown parameters.
 * Entries that two added units share (what one computes from another) are of neither.
 */
import { elementCount } from '../../tensor/tensor.ts'
import type { AxisMap, AxisRole, GrowthPlan, ParameterChange } from '../growth-plan.ts'

/** Entries of one parameter: `start + offset` for each of both, in row-major order. */
export interface Entries {
  readonly parameter: string
  readonly starts: readonly number[]
  readonly offsets: Uint32Array
}

export interface UnitWeights {
  /** Of the parameters that say what the unit computes from other values: where added units begin with numbers of their own. */
  readonly inWeights: readonly Entries[]
  /** What is split along the unit: zero where it is added. */
  readonly outWeights: readonly Entries[]
}

/** The units of one group, the old ones first. */
export interface GroupWeights {
  readonly id: string
  /** How many of the units are old. */
  readonly from: number
  readonly units: readonly UnitWeights[]
}

/** The groups of a plan to which units are added. */
export function groupWeights(plan: GrowthPlan): readonly GroupWeights[] {
  const groups = new Map<string, Group>()
  let first = 0
  for (const { id, init, from, to } of plan.units) {
    if (init !== 'added') continue
    const units = Array.from({ length: to }, () => ({ inWeights: [], outWeights: [] }))
    groups.set(id, { id, from, units, first })
    first += to
  }
  const all = [...groups.values()].flatMap(({ units }) => units)
  for (const change of plan.parameters) collect(change, groups, all)
  return [...groups.values()].map(({ id, from, units }) => ({ id, from, units }))
}

/** What added units compute from one another: entries of each parameter that are of two of them. */
export function sharedEntries(plan: GrowthPlan): readonly Entries[] {
  const groups = addedGroups(plan)
  return plan.parameters.flatMap(({ to: parameter, after, axes }) => {
    const placed = axes.map(({ axis, map, role }) => ({ axis, ...placesOn(map, groups, role) }))
    return placed.flatMap(({ axis, added }, k): Entries[] => {
      const stride = elementCount(after.slice(axis + 1))
      const starts = indicesOf(added).map((index) => index * stride)
      return placed.slice(k + 1).map((other) => {
        const isShared = (i: number, dim: number) => dim !== other.axis || other.added[i] === 1
        return { parameter, starts, offsets: offsetsBeside(axis, after, isShared) }
      })
    })
  })
}
/** All entries of a plan's added units, those that two of them share once. */
export function addedEntries(plan: GrowthPlan): readonly Entries[] {
  const groups = addedGroups(plan)
  return plan.parameters.flatMap(({ to: parameter, after, axes }) => {
    const placed = axes.map(({ axis, map, role }) => ({ axis, ...placesOn(map, groups, role) }))
    return placed.map(({ axis, added }, k): Entries => {
      const stride = elementCount(after.slice(axis + 1))
      const isCounted = (i: number, other: number) =>
        placed.slice(0, k).some((each) => each.axis === other && each.added[i] === 1)
      return {
        parameter,
        starts: indicesOf(added).map((index) => index * stride),
        offsets: offsetsBeside(axis, after, (i, other) => !isCounted(i, other)),
      }
    })
  })
}

/** The groups to which units are added, as far as axes need them. */
const addedGroups = (plan: GrowthPlan): Groups =>
  new Map(
    plan.units
      .filter(({ init }) => init === 'added')
      .map(({ id, from, to }) => [
        id,
        { id, from, first: 0, units: Array.from({ length: to }, () => nothing) },
      ]),
  )
const nothing = { inWeights: [], outWeights: [] }
const indicesOf = (flags: Uint8Array): number[] =>
  [...flags.keys()].filter((index) => flags[index] === 1)

interface Group extends GroupWeights {
  readonly units: readonly { readonly inWeights: Entries[]; readonly outWeights: Entries[] }[]
  /** The number of its first unit among all. */
  readonly first: number
}
type Groups = ReadonlyMap<string, Group>

/** For each index of an axis. */
interface Places {
  /** The unit's number, or -1 where the index is of none. */
  readonly unit: Int32Array
  readonly added: Uint8Array
  readonly split: Uint8Array
}

function collect(
  { to: parameter, after, axes, added }: ParameterChange,
  groups: Groups,
  units: Group['units'],
): void {
  const placed = axes.map(({ axis, map, role }) => ({ axis, ...placesOn(map, groups, role) }))
  for (const { axis, unit, split } of placed) {
    const stride = elementCount(after.slice(axis + 1))
    const isOld = (i: number, other: number) =>
      placed.find((each) => each.axis === other)?.added[i] !== 1
    const offsets = offsetsBeside(axis, after, isOld)
    const found = new Map<number, { starts: number[]; isSplit: boolean }>()
    unit.forEach((number, index) => {
      if (number < 0) return
      const known = found.get(number) ?? { starts: [], isSplit: split[index] === 1 }
      if (known.isSplit !== (split[index] === 1)) {
        // Of one unit, the entries for queries are split and those for keys are copied.
        const entries = { parameter, starts: [index * stride], offsets }
        put(units[number]!, entries, split[index] === 1, added)
        return
      }
      known.starts.push(index * stride)
      found.set(number, known)
    })
    for (const [number, { starts, isSplit }] of found)
      put(units[number]!, { parameter, starts, offsets }, isSplit, added)
  }
}

function put(
  unit: Group['units'][number],
  entries: Entries,
  isSplit: boolean,
  added: ParameterChange['added'],
): void {
  if (isSplit) unit.outWeights.push(entries)
  else if (added?.start === 'random') unit.inWeights.push(entries)
}

/** Offsets of all combinations of indices on the other axes that are wanted there. */
function offsetsBeside(
  axis: number,
  dims: readonly number[],
  isWanted: (index: number, axis: number) => boolean,
): Uint32Array {
  let offsets = [0]
  dims.forEach((dim, k) => {
    if (k === axis) return
    const stride = elementCount(dims.slice(k + 1))
    const indices = Array.from({ length: dim }, (_, i) => i).filter((i) => isWanted(i, k))
    offsets = offsets.flatMap((offset) => indices.map((i) => offset + i * stride))
  })
  return Uint32Array.from(offsets)
}

function placesOn(map: AxisMap, groups: Groups, role: AxisRole): Places {
  if ('units' in map) {
    const group = groups.get(map.units)
    const size = group?.units.length ?? 0
    const split = (map.role ?? role) === 'split' ? 1 : 0
    return {
      unit: Int32Array.from({ length: size }, (_, i) => group!.first + i),
      added: Uint8Array.from({ length: size }, (_, i) => (i < group!.from ? 0 : 1)),
      split: new Uint8Array(size).fill(split),
    }
  }
  if ('keep' in map)
    return {
      unit: new Int32Array(map.keep).fill(-1),
      added: new Uint8Array(map.keep),
      split: new Uint8Array(map.keep),
    }
  const parts = ('sum' in map ? map.sum : map.product).map((part) => placesOn(part, groups, role))
  return 'sum' in map ? sideBySide(parts) : parts.reduce(product)
}

const sideBySide = (parts: readonly Places[]): Places => ({
  unit: Int32Array.from(parts.flatMap(({ unit }) => [...unit])),
  added: Uint8Array.from(parts.flatMap(({ added }) => [...added])),
  split: Uint8Array.from(parts.flatMap(({ split }) => [...split])),
})

/** Row-major; of two factors only one is of units that grow. */
function product(outer: Places, inner: Places): Places {
  const size = inner.unit.length
  const length = outer.unit.length * size
  const of = (merge: (i: number, j: number) => number) =>
    Array.from({ length }, (_, k) => merge(Math.floor(k / size), k % size))
  return {
    unit: Int32Array.from(of((i, j) => Math.max(outer.unit[i]!, inner.unit[j]!))),
    added: Uint8Array.from(of((i, j) => outer.added[i]! | inner.added[j]!)),
    split: Uint8Array.from(of((i, j) => outer.split[i]! | inner.split[j]!)),
  }
}
