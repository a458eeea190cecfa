/** Where the units of one variable are on the axes of the constants that layers read. */
import type { AxisMap, AxisRole } from '../growth-plan.ts'
import type { Reading } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'
import { Projection } from './project.ts'

/** An axis of a constant that holds units of a variable. */
export interface UnitsAxis {
  readonly reading: Reading
  readonly axis: number
  /** For each index its unit, or -1 where it is of none. */
  readonly unit: Int32Array
  /** For each index: are what it holds split (1) or copied? */
  readonly split: Uint8Array
  /** Is the axis the one that a node sums over, or one from which a sum follows? */
  readonly noise: 'contracted' | 'before' | undefined
}

/**
 * Every axis with units of a variable; undefined where units stand on one in no order that can be followed (a product of
 * a variable with itself).
 */
export function unitsAxes(
  solution: Solution,
  variable: number,
  size: number,
): readonly UnitsAxis[] | undefined {
  const id = 'units'
  const projection = new Projection(solution, [{ variable, id, to: size }])
  const found: UnitsAxis[] = []
  for (const reading of solution.relations.readings.keys())
    for (const axis of reading.tensor.dims.keys()) {
      const projected = projection.parameter(reading, axis)
      if (!projected) continue
      const { map, role, noise } = projected
      const units = evaluate(map, size, role)
      if (!units) return undefined
      found.push({ reading, axis, ...units, noise })
    }
  return found
}

type Units = Pick<UnitsAxis, 'unit' | 'split'>

function evaluate(map: AxisMap, size: number, role: AxisRole): Units | undefined {
  if ('units' in map)
    return {
      unit: Int32Array.from({ length: size }, (_, i) => i),
      split: new Uint8Array(size).fill((map.role ?? role) === 'split' ? 1 : 0),
    }
  if ('keep' in map)
    return { unit: new Int32Array(map.keep).fill(-1), split: new Uint8Array(map.keep) }
  const parts: Units[] = []
  for (const part of 'sum' in map ? map.sum : map.product) {
    const units = evaluate(part, size, role)
    if (!units) return undefined
    parts.push(units)
  }
  if ('sum' in map)
    return {
      unit: Int32Array.from(parts.flatMap(({ unit }) => [...unit])),
      split: Uint8Array.from(parts.flatMap(({ split }) => [...split])),
    }
  const holders = parts.filter(({ unit }) => unit.some((each) => each >= 0))
  if (holders.length > 1) return undefined
  return parts.reduce((outer, inner) => {
    const length = outer.unit.length * inner.unit.length
    const at = (i: number) => [Math.floor(i / inner.unit.length), i % inner.unit.length] as const
    const unit = Int32Array.from({ length }, (_, i) => {
      const [a, b] = at(i)
      return Math.max(outer.unit[a]!, inner.unit[b]!)
    })
    const split = Uint8Array.from({ length }, (_, i) => {
      const [a, b] = at(i)
      return outer.split[a]! | inner.split[b]!
    })
    return { unit, split }
  })
}
