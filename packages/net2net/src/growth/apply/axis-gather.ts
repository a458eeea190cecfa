/**
 * From an axis map to indices: which old index each new one copies, and with which split coefficient.
 * Flatten, concat, heads and groups need nothing of their own.
 */
import { internalError } from '../../errors.ts'
import type { AxisMap, AxisRole, GrownUnits } from '../growth-plan.ts'

export type UnitsById = ReadonlyMap<string, GrownUnits>

function unitsOf(id: string, units: UnitsById): GrownUnits {
  const found = units.get(id)
  if (!found) throw internalError(`The plan names the units "${id}" but does not have them.`)
  return found
}

/** For every index of a grown axis: what it copies. */
export interface AxisGather {
  readonly from: number
  readonly to: number
  /** The old index that each new index copies. */
  readonly index: Uint32Array
  /** Product of the split coefficients of all units on the way that are split. */
  readonly split: Float64Array
  /** Product of the coefficients of the units that are copied: their gradients are split. */
  readonly copiedSplit: Float64Array
  /** New indices that are contracted together, as copies of the same split units, have one number. */
  readonly siblings: Uint32Array
  readonly families: number
  /** 1 where a copy of a split unit was added. */
  readonly added: Uint8Array
  /** 1 where the entry is random padding instead of a copy. */
  readonly padded: Uint8Array
  /** 1 where the entry is of an added unit. */
  readonly fresh: Uint8Array
  /** The number of the set that an entry is in: of entries which differ in units alone to which some are added; −1 for none. */
  readonly sets: Int32Array
  readonly setCount: number
}

/** An axis of a tensor, and how it grew. */
export interface GatheredAxis {
  readonly axis: number
  readonly gathered: AxisGather
}

/**
 * Evaluates an axis map: sums by offsets, products by mixed radix (row-major), coefficients multiplied.
 * `role` is that of the units that have none of their own.
 */
export function evaluateAxis(map: AxisMap, units: UnitsById, role: AxisRole = 'split'): AxisGather {
  if ('units' in map) {
    const group = unitsOf(map.units, units)
    const padding = group.init === 'random-pad'
    const isSplit = (map.role ?? role) === 'split'
    const index = Uint32Array.from(group.map)
    if (group.init === 'added') return withAdded(group, isSplit)
    const ones = new Float64Array(group.to).fill(1)
    const split = padding ? ones : Float64Array.from(group.split)
    return {
      from: group.from,
      to: group.to,
      index,
      split: isSplit ? split : ones,
      copiedSplit: isSplit ? ones : split,
      siblings: isSplit ? index : index.map((_, i) => i),
      families: isSplit ? group.from : group.to,
      added: Uint8Array.from({ length: group.to }, (_, i) => (isSplit && i >= group.from ? 1 : 0)),
      padded: Uint8Array.from({ length: group.to }, (_, i) => (padding && i >= group.from ? 1 : 0)),
      ...noneAdded(group.to),
    }
  }
  if ('keep' in map) return identityGather(map.keep)
  const parts = ('sum' in map ? map.sum : map.product).map((part) =>
    evaluateAxis(part, units, role),
  )
  return 'sum' in map ? concatenate(parts) : parts.reduce(multiply, identityGather(1))
}

/** Added units are nobody's copies, although they may begin with the numbers of an old one. */
function withAdded({ from, to, map, split }: GrownUnits, isSplit: boolean): AxisGather {
  const coefficients = Float64Array.from(split)
  return {
    ...identityGather(to),
    from,
    index: Uint32Array.from(map),
    split: isSplit ? coefficients : new Float64Array(to).fill(1),
    copiedSplit: isSplit ? new Float64Array(to).fill(1) : coefficients,
    fresh: Uint8Array.from({ length: to }, (_, i) => (i >= from ? 1 : 0)),
    sets: new Int32Array(to),
    setCount: 1,
  }
}

const noneAdded = (size: number) => ({
  fresh: new Uint8Array(size),
  sets: new Int32Array(size).fill(-1),
  setCount: 0,
})

const identityGather = (size: number): AxisGather => ({
  from: size,
  to: size,
  index: Uint32Array.from({ length: size }, (_, i) => i),
  split: new Float64Array(size).fill(1),
  copiedSplit: new Float64Array(size).fill(1),
  siblings: Uint32Array.from({ length: size }, (_, i) => i),
  families: size,
  added: new Uint8Array(size),
  padded: new Uint8Array(size),
  ...noneAdded(size),
})

function empty(from: number, to: number, families: number) {
  return {
    from,
    to,
    index: new Uint32Array(to),
    split: new Float64Array(to),
    copiedSplit: new Float64Array(to),
    siblings: new Uint32Array(to),
    families,
    added: new Uint8Array(to),
    padded: new Uint8Array(to),
    fresh: new Uint8Array(to),
    sets: new Int32Array(to).fill(-1),
  }
}

function concatenate(parts: readonly AxisGather[]): AxisGather {
  const result = empty(
    parts.reduce((size, part) => size + part.from, 0),
    parts.reduce((size, part) => size + part.to, 0),
    parts.reduce((size, part) => size + part.families, 0),
  )
  let before = 0
  let after = 0
  let families = 0
  let setCount = 0
  for (const part of parts) {
    result.index.set(
      part.index.map((i) => i + before),
      after,
    )
    result.siblings.set(
      part.siblings.map((i) => i + families),
      after,
    )
    result.split.set(part.split, after)
    result.copiedSplit.set(part.copiedSplit, after)
    result.added.set(part.added, after)
    result.padded.set(part.padded, after)
    result.fresh.set(part.fresh, after)
    result.sets.set(
      part.sets.map((set) => (set < 0 ? -1 : set + setCount)),
      after,
    )
    setCount += part.setCount
    before += part.from
    after += part.to
    families += part.families
  }
  return { ...result, setCount }
}

function multiply(outer: AxisGather, inner: AxisGather): AxisGather {
  if (outer.setCount > 0 && inner.setCount > 0)
    throw internalError('Units are added to two factors of one axis.')
  const isOuter = outer.setCount > 0
  const families = outer.families * inner.families
  const result = empty(outer.from * inner.from, outer.to * inner.to, families)
  for (let i = 0, k = 0; i < outer.to; i++)
    for (let j = 0; j < inner.to; j++, k++) {
      result.index[k] = outer.index[i]! * inner.from + inner.index[j]!
      result.split[k] = outer.split[i]! * inner.split[j]!
      result.copiedSplit[k] = outer.copiedSplit[i]! * inner.copiedSplit[j]!
      result.siblings[k] = outer.siblings[i]! * inner.families + inner.siblings[j]!
      result.added[k] = outer.added[i]! | inner.added[j]!
      result.padded[k] = outer.padded[i]! | inner.padded[j]!
      result.fresh[k] = outer.fresh[i]! | inner.fresh[j]!
      const [set, other] = isOuter ? [outer.sets[i]!, j] : [inner.sets[j]!, i]
      if (set >= 0) result.sets[k] = isOuter ? set * inner.to + other : other * inner.setCount + set
    }
  return { ...result, setCount: isOuter ? outer.setCount * inner.to : outer.to * inner.setCount }
}
