/**
 * The projection of axes onto what grows: an axis expression, written out in terms of the grown units.
 * Everything that a plan writes about axes comes from here.
 */
import { internalError, refusedError } from '../../errors.ts'
import { type Axis, type AxisVariable, joinSizes, partsOf } from '../../operators/contract/axis.ts'
import { type AxisMap, type AxisRole, rolesIn, sizeWith } from '../growth-plan.ts'
import type { SolvedAxes } from '../solve/axis-system.ts'
import type { Reading } from '../solve/facts.ts'
import type { Solution } from '../solve/index.ts'

/** A variable that grows, by its name in the plan. */
export interface GrownVariable {
  readonly variable: number
  readonly id: string
  readonly to: number
}

/** A part of an expression between grown ones: side by side such parts are one block. */
interface Part {
  /** Undefined for a block of parts that do not grow. */
  readonly axis: Axis | undefined
  size: number | null
}

export class Projection {
  readonly #solution: Solution
  readonly #axes: SolvedAxes
  readonly #ids = new Map<number, string>()
  readonly #sizes = new Map<string, number>()
  readonly #maps = new WeakMap<Axis, Map<number | null, AxisMap | undefined>>()

  constructor(solution: Solution, grown: readonly GrownVariable[]) {
    this.#solution = solution
    this.#axes = solution.axes
    for (const { variable, id, to } of grown) {
      this.#ids.set(variable, id)
      this.#sizes.set(id, to)
    }
  }

  /**
   * The axis in terms of the grown units, or undefined if none of them is in it. `size` is the
   * axis's size before growth where the model says it. Sizes that the model leaves open (c·H·W
   * with unknown H and W) follow from it where they lie side by side.
   *
   * @throws Net2NetError (refused) where a size is needed that does not follow.
   */
  map(axis: Axis, size: number | null): AxisMap | undefined {
    const bySize = this.#maps.get(axis) ?? new Map<number | null, AxisMap | undefined>()
    this.#maps.set(axis, bySize)
    if (!bySize.has(size))
      bySize.set(size, this.#grows(axis) ? this.#mapOf(this.#axes.expand(axis), size) : undefined)
    return bySize.get(size)
  }

  /** The size of an axis after the growth; `size` is the one before. */
  sizeAfter(axis: Axis, size: number): number {
    const map = this.map(axis, size)
    return map ? this.sizeOf(map) : size
  }

  sizeOf(map: AxisMap): number {
    return sizeWith(map, (id) => this.#sizes.get(id) ?? missing(id))
  }

  /** Axis k of a constant that is read, and whether its entries are copied or split; undefined if it stays. */
  parameter(reading: Reading, k: number): ProjectedAxis | undefined {
    const { relations, splits } = this.#solution
    const found = relations.readings.get(reading)
    const axis = found?.axes[k]
    const size = reading.tensor.dims[k]!
    const plain = axis && this.map(axis, size)
    if (!found || !plain) return undefined
    if (found.contracted[k]) return { map: plain, role: 'split', noise: 'contracted' }
    const marked = splits.axisOf(reading, k)
    const split = marked ? this.#splitIn(marked) : []
    if (!marked || split.length === 0) return { map: plain, role: 'copied' }
    const map = this.#mapOf(marked, size)
    const isMixed = rolesIn(map, 'copied').has('copied')
    return {
      ...(isMixed ? { map, role: 'copied' } : { map: withoutRoles(map), role: 'split' }),
      // Noise cannot follow split coefficients through a node that is not linear.
      ...(split.every((variable) => splits.allowsNoise(variable)) && { noise: 'before' }),
    }
  }

  /** The grown variables of an axis along which it is split. */
  #splitIn(axis: Axis): readonly number[] {
    if (axis.kind !== 'variable') return partsOf(axis).flatMap((part) => this.#splitIn(part))
    return axis.split && this.#ids.has(axis.id) ? [axis.id] : []
  }

  #grows(axis: Axis): boolean {
    return this.#axes.leaves(axis).some((leaf) => this.#ids.has(leaf))
  }

  /** Of an axis in terms of free variables. */
  #mapOf(axis: Axis, total: number | null): AxisMap {
    if (axis.kind === 'variable') return this.#mapOfVariable(axis, total)
    const neutral = axis.kind === 'sum' ? 0 : 1
    const parts = this.#partsOf(axis)
    const open = parts.filter((part) => part.size === null)
    if (open.length > 1 || (open.length === 1 && total === null)) throw unknownSize()
    if (open[0]) {
      const known = joinSizes(
        axis.kind,
        parts.map((part) => part.size ?? neutral),
      )!
      const size = axis.kind === 'sum' ? total! - known : total! / known
      if (!Number.isInteger(size) || size < 0)
        throw refusedError(`An axis of size ${total} is not made up of parts of size ${known}.`)
      open[0].size = size
    }
    const maps = parts.map((part) =>
      part.axis === undefined ? { keep: part.size! } : this.#mapOf(part.axis, part.size),
    )
    const kept = maps.filter((map) => !('keep' in map && map.keep === neutral))
    if (kept.length === 1) return kept[0]!
    return axis.kind === 'sum' ? { sum: kept } : { product: kept }
  }

  #mapOfVariable({ id, size, split }: AxisVariable, total: number | null): AxisMap {
    const units = this.#ids.get(id)
    if (units !== undefined) return split ? { units, role: 'split' } : { units }
    const keep = typeof size === 'number' ? size : total
    if (keep === null) throw unknownSize()
    return { keep }
  }

  #partsOf(axis: Exclude<Axis, AxisVariable>): Part[] {
    const parts: Part[] = []
    for (const child of partsOf(axis)) {
      const size = this.#axes.sizeOf(child)
      const last = parts.at(-1)
      if (this.#grows(child)) parts.push({ axis: child, size })
      else if (last && last.axis === undefined) last.size = joinSizes(axis.kind, [last.size, size])
      else parts.push({ axis: undefined, size })
    }
    return parts
  }
}

export interface ProjectedAxis {
  readonly map: AxisMap
  readonly role: AxisRole
  /** Noise may sum to zero along it: it is contracted, or its values are, with linear nodes in between. */
  readonly noise?: 'contracted' | 'before'
}

function withoutRoles(map: AxisMap): AxisMap {
  if ('units' in map) return { units: map.units }
  if ('keep' in map) return map
  return 'sum' in map
    ? { sum: map.sum.map(withoutRoles) }
    : { product: map.product.map(withoutRoles) }
}

const unknownSize = () =>
  refusedError('The model leaves sizes open that the growth needs; fix its input sizes first.')

function missing(id: string): never {
  throw internalError(`The size of the units "${id}" was not chosen.`)
}
