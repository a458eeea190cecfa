/** Where the units of one variable are on the axes of the constants that layers read. */
import { type AxisMap, type AxisRole, sizeWith } from '../growth-plan.ts'
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

/** Every axis with units of a variable; an axis that is a product of the variable with itself, once for each of these factors. */
export function unitsAxes(
  solution: Solution,
  variable: number,
  size: number,
): readonly UnitsAxis[] {
  const id = 'units'
  const projection = new Projection(solution, [{ variable, id, to: size }])
  return [...solution.relations.readings.keys()].flatMap((reading) =>
    reading.tensor.dims.flatMap((_, axis) => {
      const projected = projection.parameter(reading, axis)
      if (!projected) return []
      const { map, role, noise } = projected
      return evaluate(map, size, role).map((units) => ({ reading, axis, ...units, noise }))
    }),
  )
}

type Units = Pick<UnitsAxis, 'unit' | 'split'>

/** The units on an axis: by each factor that holds some, one after the other. */
function evaluate(map: AxisMap, size: number, role: AxisRole): readonly Units[] {
  if ('keep' in map) return []
  if ('units' in map)
    return [
      {
        unit: Int32Array.from({ length: size }, (_, i) => i),
        split: new Uint8Array(size).fill((map.role ?? role) === 'split' ? 1 : 0),
      },
    ]
  const parts = ('sum' in map ? map.sum : map.product).map((part) => ({
    length: sizeWith(part, () => size),
    found: evaluate(part, size, role),
  }))
  if ('sum' in map)
    return Array.from({ length: Math.max(...parts.map(({ found }) => found.length)) }, (_, k) => {
      const own = parts.map(({ length, found }) => found[k] ?? noUnits(length))
      return {
        unit: Int32Array.from(own.flatMap(({ unit }) => [...unit])),
        split: Uint8Array.from(own.flatMap(({ split }) => [...split])),
      }
    })
  const length = parts.reduce((product, part) => product * part.length, 1)
  let outer = 1
  return parts.flatMap((part) => {
    outer *= part.length
    const inner = length / outer
    const at = (i: number) => Math.floor(i / inner) % part.length
    return part.found.map(({ unit, split }) => ({
      unit: Int32Array.from({ length }, (_, i) => unit[at(i)]!),
      split: Uint8Array.from({ length }, (_, i) => split[at(i)]!),
    }))
  })
}

const noUnits = (length: number): Units => ({
  unit: new Int32Array(length).fill(-1),
  split: new Uint8Array(length),
})
