/** One parameter of a plan that merges units: the reverse of growth. What is split adds up; what is copied is one of the copies. */

import { byteLengthOf, isFloat } from '../../tensor/dtype.ts'
import { computedTensor, decode, encode, gather } from '../../tensor/lazy.ts'
import { elementCount, type LazyTensor } from '../../tensor/tensor.ts'
import {
  type AxisMap,
  type AxisRole,
  type GrownUnits,
  type GrowthPlan,
  type ParameterChange,
  sizeWith,
} from '../growth-plan.ts'

/** With which power of the gradient a slot scales: momentum 1, squared gradients 2. */
export type SlotPower = 0 | 1 | 2

export const unitsById = (plan: GrowthPlan): ReadonlyMap<string, GrownUnits> =>
  new Map(plan.units.map((units) => [units.id, units]))

const unitsIn = (map: AxisMap): readonly string[] => {
  if ('units' in map) return [map.units]
  if ('keep' in map) return []
  return ('sum' in map ? map.sum : map.product).flatMap(unitsIn)
}

/** Does the change merge units? */
export function isMerged(plan: GrowthPlan, change: ParameterChange): boolean {
  if (plan.units.every(({ merged }) => !merged)) return false
  const units = unitsById(plan)
  return change.axes.some(({ map }) => unitsIn(map).some((id) => units.get(id)?.merged))
}

export interface MergeOptions {
  /** Entries of which role add up; of the others, one stands for all. */
  readonly adds?: AxisRole
  /** The numbers scale like this power of what adds up. */
  readonly power?: SlotPower
}

/** The parameter with merged units. Read whole where something adds up. */
export function mergeTensor(
  plan: GrowthPlan,
  change: ParameterChange,
  tensor: LazyTensor,
  { adds = 'split', power = 1 }: MergeOptions = {},
): LazyTensor {
  const units = unitsById(plan)
  return change.axes.reduce((merged, { axis, map, role }) => {
    const target = targets(map, units, role, power === 0 ? undefined : adds)
    return mergeAxis(merged, axis, target, change.after[axis]!, power)
  }, tensor)
}

/** For each old index of an axis the new one into which it goes, or -1. */
function targets(
  map: AxisMap,
  units: ReadonlyMap<string, GrownUnits>,
  role: AxisRole,
  adds: AxisRole | undefined,
): Int32Array {
  if ('keep' in map) return Int32Array.from({ length: map.keep }, (_, i) => i)
  if ('units' in map) {
    const group = units.get(map.units)!
    const chosen = new Int32Array(group.from).fill(-1)
    group.map.forEach((unit, i) => {
      chosen[unit] = i
    })
    return (map.role ?? role) === adds && group.merged ? Int32Array.from(group.merged) : chosen
  }
  const sizeOf = (id: string) => units.get(id)!.to
  const parts = ('sum' in map ? map.sum : map.product).map(
    (part) => [targets(part, units, role, adds), sizeWith(part, sizeOf)] as const,
  )
  if ('product' in map)
    return parts.reduce(
      (outer, [inner, size]) =>
        Int32Array.from({ length: outer.length * inner.length }, (_, i) => {
          const [a, b] = [outer[Math.floor(i / inner.length)]!, inner[i % inner.length]!]
          return a < 0 || b < 0 ? -1 : a * size + b
        }),
      Int32Array.of(0),
    )
  const result = new Int32Array(parts.reduce((sum, [part]) => sum + part.length, 0))
  let [from, to] = [0, 0]
  for (const [part, size] of parts) {
    result.set(
      part.map((index) => (index < 0 ? -1 : index + to)),
      from,
    )
    from += part.length
    to += size
  }
  return result
}

function mergeAxis(
  tensor: LazyTensor,
  axis: number,
  target: Int32Array,
  size: number,
  power: SlotPower,
): LazyTensor {
  const { dtype } = tensor
  const index = new Uint32Array(size)
  const counts = new Uint32Array(size)
  target.forEach((to, from) => {
    if (to < 0) return
    if (counts[to]!++ === 0) index[to] = from
  })
  if (counts.every((count) => count <= 1) || !isFloat(dtype))
    return gather(tensor, [{ axis, index }])
  const dims = tensor.dims.with(axis, size)
  const [outer, inner] = [elementCount(dims.slice(0, axis)), elementCount(dims.slice(axis + 1))]
  return computedTensor(dtype, dims, byteLengthOf(dtype, elementCount(dims)), () => {
    const values = decode(dtype, tensor.read(0, tensor.byteLength))
    // The sum of nothing is -0: what is alone keeps its bits.
    const sums = new Float64Array(elementCount(dims)).fill(-0)
    for (let o = 0; o < outer; o++)
      target.forEach((to, from) => {
        if (to < 0) return
        const [at, of] = [(o * size + to) * inner, (o * target.length + from) * inner]
        for (let i = 0; i < inner; i++) {
          const value = values[of + i]!
          sums[at + i]! += power === 2 && counts[to]! > 1 ? Math.sqrt(value) : value
        }
      })
    if (power === 2)
      sums.forEach((sum, i) => {
        if (counts[Math.floor(i / inner) % size]! > 1) sums[i] = sum * sum
      })
    const bytes = new Uint8Array(byteLengthOf(dtype, sums.length))
    encode(dtype, sums, bytes)
    return bytes
  })
}
