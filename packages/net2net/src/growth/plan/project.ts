/**
 * The one place that turns axis expressions into indices. `axisMapOf` writes an expression out in
 * terms of grown units; `evaluateAxis` says, for each new index, which old index it copies and
 * with which share. Flatten, concat, heads and groups need nothing of their own.
 */
import { internalError, refusedError } from '../../errors.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import type { AxisMap, AxisRole, GrownUnits } from '../growth-plan.ts'
import type { AxisAlgebra } from '../solve/unify.ts'

/**
 * The axis in terms of the grown units, or undefined if none of them is in it. `total` is the
 * axis's size before growth where the model says it. Sizes that the model leaves open (c·H·W
 * with unknown H and W) follow from the total where they lie side by side.
 *
 * @throws Net2NetError (refused) where a size is needed that does not follow.
 */
export function axisMapOf(
  algebra: AxisAlgebra,
  axis: Axis,
  total: number | null,
  grown: ReadonlyMap<number, string>,
): AxisMap | undefined {
  if (!algebra.leaves(axis).some((leaf) => grown.has(leaf))) return undefined
  return mapOf(algebra, algebra.expand(axis), total, grown)
}

/** The map of an axis of a parameter, and what its entries do (shares.ts marks the axis). */
export function parameterMapOf(
  algebra: AxisAlgebra,
  marked: Axis,
  total: number,
  grown: ReadonlyMap<number, string>,
): { readonly map: AxisMap; readonly role: AxisRole } {
  const map = mapOf(algebra, marked, total, grown)
  const isMixed = rolesIn(map, 'carried').has('carried')
  return isMixed ? { map, role: 'carried' } : { map: withoutRoles(map), role: 'summed' }
}

/** The roles of the units on an axis, which itself has the given one. */
export function rolesIn(map: AxisMap, role: AxisRole): ReadonlySet<AxisRole> {
  if ('units' in map) return new Set([map.role ?? role])
  if ('keep' in map) return new Set()
  return new Set(('sum' in map ? map.sum : map.product).flatMap((part) => [...rolesIn(part, role)]))
}

function withoutRoles(map: AxisMap): AxisMap {
  if ('units' in map) return { units: map.units }
  if ('keep' in map) return map
  return 'sum' in map
    ? { sum: map.sum.map(withoutRoles) }
    : { product: map.product.map(withoutRoles) }
}

/** A part of an expression between grown ones: side by side such parts are one block. */
interface Part {
  map: AxisMap | undefined
  size: number | null
}

function mapOf(
  algebra: AxisAlgebra,
  axis: Axis,
  total: number | null,
  grown: ReadonlyMap<number, string>,
): AxisMap {
  if (axis.kind === 'unit') {
    const id = grown.get(axis.id)
    if (id !== undefined) return axis.shares ? { units: id, role: 'summed' } : { units: id }
    const size = typeof axis.size === 'number' ? axis.size : total
    if (size === null) throw unknownSize()
    return { keep: size }
  }
  const isSum = axis.kind === 'sum'
  const join = (a: number, b: number) => (isSum ? a + b : a * b)
  const neutral = isSum ? 0 : 1
  const children = isSum ? axis.terms : axis.factors
  const parts: (Part & { axis: Axis | undefined })[] = []
  for (const child of children) {
    const size = algebra.sizeOf(child)
    const grows = algebra.leaves(child).some((leaf) => grown.has(leaf))
    const last = parts.at(-1)
    if (!grows && last && last.axis === undefined)
      last.size = last.size === null || size === null ? null : join(last.size, size)
    else parts.push({ map: undefined, size, axis: grows ? child : undefined })
  }
  const open = parts.filter((part) => part.size === null)
  if (open.length > 1 || (open.length === 1 && total === null)) throw unknownSize()
  if (open[0]) {
    const known = parts.reduce((size, part) => join(size, part.size ?? neutral), neutral)
    const size = isSum ? total! - known : total! / known
    if (!Number.isInteger(size) || size < 0)
      throw refusedError(`An axis of size ${total} is not made up of parts of size ${known}.`)
    open[0].size = size
  }
  const maps = parts.map((part) =>
    part.axis === undefined ? { keep: part.size! } : mapOf(algebra, part.axis, part.size, grown),
  )
  const kept = maps.filter((map) => !('keep' in map && map.keep === neutral))
  if (kept.length === 1) return kept[0]!
  return isSum ? { sum: kept } : { product: kept }
}

const unknownSize = () =>
  refusedError('The model leaves sizes open that the growth needs; fix its input sizes first.')

export type UnitsById = ReadonlyMap<string, GrownUnits>

/** Size of an axis when each unit has the size that `sizeOf` gives it. */
export function sizeWith(map: AxisMap, sizeOf: (units: string) => number): number {
  if ('units' in map) return sizeOf(map.units)
  if ('keep' in map) return map.keep
  if ('sum' in map) return map.sum.reduce((size, part) => size + sizeWith(part, sizeOf), 0)
  return map.product.reduce((size, part) => size * sizeWith(part, sizeOf), 1)
}

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
  /** Product of the shares of all summed units on the way. */
  readonly shares: Float64Array
  /** Product of the shares of the carried units on the way: of these the gradient is shared. */
  readonly carriedShares: Float64Array
  /** The new indices that are summed together, as copies of the same summed units, have one number. */
  readonly siblings: Uint32Array
  readonly families: number
  /** 1 where a copy of a summed unit was added. */
  readonly added: Uint8Array
  /** 1 where the entry is random padding instead of a copy. */
  readonly padded: Uint8Array
}

/**
 * Evaluates an axis map: sums by offsets, products by mixed radix (row-major), shares multiplied.
 * `role` is that of the units that have none of their own.
 */
export function evaluateAxis(
  map: AxisMap,
  units: UnitsById,
  role: AxisRole = 'summed',
): AxisGather {
  if ('units' in map) {
    const group = unitsOf(map.units, units)
    const padding = group.init === 'random-pad'
    const isSummed = (map.role ?? role) === 'summed'
    const index = Uint32Array.from(group.map)
    const ones = new Float64Array(group.to).fill(1)
    const shares = padding ? ones : Float64Array.from(group.shares)
    return {
      from: group.from,
      to: group.to,
      index,
      shares: isSummed ? shares : ones,
      carriedShares: isSummed ? ones : shares,
      siblings: isSummed ? index : index.map((_, i) => i),
      families: isSummed ? group.from : group.to,
      added: Uint8Array.from({ length: group.to }, (_, i) => (isSummed && i >= group.from ? 1 : 0)),
      padded: Uint8Array.from({ length: group.to }, (_, i) => (padding && i >= group.from ? 1 : 0)),
    }
  }
  if ('keep' in map) return identityGather(map.keep)
  const parts = ('sum' in map ? map.sum : map.product).map((part) =>
    evaluateAxis(part, units, role),
  )
  return 'sum' in map ? concatenate(parts) : parts.reduce(multiply, identityGather(1))
}

const identityGather = (size: number): AxisGather => ({
  from: size,
  to: size,
  index: Uint32Array.from({ length: size }, (_, i) => i),
  shares: new Float64Array(size).fill(1),
  carriedShares: new Float64Array(size).fill(1),
  siblings: Uint32Array.from({ length: size }, (_, i) => i),
  families: size,
  added: new Uint8Array(size),
  padded: new Uint8Array(size),
})

function empty(from: number, to: number, families: number) {
  return {
    from,
    to,
    index: new Uint32Array(to),
    shares: new Float64Array(to),
    carriedShares: new Float64Array(to),
    siblings: new Uint32Array(to),
    families,
    added: new Uint8Array(to),
    padded: new Uint8Array(to),
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
  for (const part of parts) {
    result.index.set(
      part.index.map((i) => i + before),
      after,
    )
    result.siblings.set(
      part.siblings.map((i) => i + families),
      after,
    )
    result.shares.set(part.shares, after)
    result.carriedShares.set(part.carriedShares, after)
    result.added.set(part.added, after)
    result.padded.set(part.padded, after)
    before += part.from
    after += part.to
    families += part.families
  }
  return result
}

function multiply(outer: AxisGather, inner: AxisGather): AxisGather {
  const families = outer.families * inner.families
  const result = empty(outer.from * inner.from, outer.to * inner.to, families)
  for (let i = 0, k = 0; i < outer.to; i++)
    for (let j = 0; j < inner.to; j++, k++) {
      result.index[k] = outer.index[i]! * inner.from + inner.index[j]!
      result.shares[k] = outer.shares[i]! * inner.shares[j]!
      result.carriedShares[k] = outer.carriedShares[i]! * inner.carriedShares[j]!
      result.siblings[k] = outer.siblings[i]! * inner.families + inner.siblings[j]!
      result.added[k] = outer.added[i]! | inner.added[j]!
      result.padded[k] = outer.padded[i]! | inner.padded[j]!
    }
  return result
}
