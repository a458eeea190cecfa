/** Which units to grow, and to what size, so that a layer gets a wanted width. */
import { refusedError, usageError } from '../../errors.ts'
import { describeNode } from '../../model/names.ts'
import { type Axis, partsOf } from '../../operators/contract/axis.ts'
import type { AxisMap } from '../growth-plan.ts'
import type { Groups } from '../solve/channel-groups.ts'
import type { Layer, Solution } from '../solve/relate.ts'
import { axisMapOf, sizeWith } from './project.ts'

/** A width, or a factor: `x2`, `x1.5`. */
export type WidthTarget = number | string

/** Sizes of the units that grow, by unit. */
export type GrownSizes = Map<number, number>

/** A plan writes down every unit: more than any layer has, and still a list that fits in memory. */
const largestWidth = 2 ** 24

/** Reads a width as a user writes it: 128, '128' or 'x2'. */
export function parseWidth(
  text: WidthTarget,
  layer: string,
): { width: number } | { factor: number } {
  if (typeof text === 'string' && /^[x×]\d*\.?\d+$/i.test(text)) {
    const factor = Number(text.slice(1))
    if (factor > 1) return { factor }
    throw usageError(`The factor ${text} for ${layer} does not make it larger.`, { where: layer })
  }
  const width = Number(text)
  if (text === '' || !Number.isSafeInteger(width) || width <= 0)
    throw usageError(
      `"${text}" is not a width for ${layer}; give a whole number, or a factor as x2.`,
      {
        where: layer,
      },
    )
  return { width }
}

/** The width of a layer when units have grown. */
export function grownWidth(
  { algebra }: Solution,
  layer: Layer,
  sizes: ReadonlyMap<number, number>,
): number | null {
  const ids = new Map([...sizes.keys()].map((unit) => [unit, String(unit)]))
  const map = axisMapOf(algebra, layer.axis, layer.width, ids)
  return map ? sizeWith(map, (id) => sizes.get(Number(id))!) : layer.width
}

/** One unit of a layer that can grow. */
interface Candidate {
  readonly unit: number
  readonly from: number
  /** Sizes must be multiples of this. */
  readonly step: number
}

/**
 * Grows units in `sizes` until the layer has the wanted width. Of a product the outermost free
 * factor grows (whole groups first), then the next; parts of a sum grow in proportion.
 *
 * @throws Net2NetError (usage) for a width that is not larger or that cannot be reached, with the
 * widths that can; (refused) where the layer cannot grow at all.
 */
export function growToWidth(
  solution: Solution,
  groups: Groups,
  layer: Layer,
  target: { width: number } | { factor: number },
  sizes: GrownSizes,
): void {
  const label = describeNode(layer.node)
  const refusal = groups.refusal(layer)
  if (refusal !== undefined)
    throw refusedError(`${label} cannot be widened: ${refusal}.`, { where: label })
  const free = groups.freeUnits(layer.axis)
  const map = axisMapOf(
    solution.algebra,
    layer.axis,
    layer.width,
    new Map(free.map((unit) => [unit, String(unit)])),
  )
  const candidates = candidatesOf(solution, groups, layer, free)
  const first = candidates[0]
  if (!map || !first || layer.width === null)
    throw refusedError(`${label} cannot be widened: the model does not say its width.`, {
      where: label,
    })
  const current = new Map(candidates.map(({ unit, from }) => [unit, sizes.get(unit) ?? from]))
  const widthWith = (unit?: number, size?: number) =>
    sizeWith(map, (id) => (Number(id) === unit ? size! : current.get(Number(id))!))
  const now = widthWith()
  const touched = candidates.some(({ unit }) => sizes.has(unit))

  const wanted =
    'factor' in target
      ? Math.max(layer.width + 1, Math.round(layer.width * target.factor))
      : target.width
  if (wanted > largestWidth)
    throw usageError(
      `${label} cannot get width ${wanted}; the largest is ${largestWidth.toLocaleString('en')}.`,
      { where: label },
    )
  if ('factor' in target) {
    if (touched && now >= wanted) return
    const size = smallest((candidate) => widthWith(first.unit, candidate), wanted, first, current)
    sizes.set(first.unit, size)
    return
  }
  const { width } = target
  if (touched && now === width) return
  if (width <= layer.width)
    throw usageError(
      `${label} has width ${layer.width}; the new width must be larger, not ${width}.`,
      { where: label },
    )
  if (touched && now > width)
    throw usageError(
      `${label} grows together with another layer to ${now}; it cannot have width ${width}.`,
      { where: label },
    )
  const inProportion = proportional(candidates, width / layer.width)
  if (
    !touched &&
    isSum(solution.algebra.expand(layer.axis)) &&
    inProportion &&
    sizeWith(map, (id) => inProportion.get(Number(id))!) === width
  ) {
    for (const [unit, size] of inProportion) sizes.set(unit, size)
    return
  }
  for (const candidate of candidates) {
    const grow = (size: number) => widthWith(candidate.unit, size)
    const size = smallest(grow, width, candidate, current)
    if (grow(size) === width) {
      sizes.set(candidate.unit, size)
      return
    }
  }
  throw unreachable(label, map, candidates, now, width, widthWith, current, groups)
}

function candidatesOf(
  { algebra }: Solution,
  groups: Groups,
  layer: Layer,
  free: readonly number[],
): readonly Candidate[] {
  const sizes = new Map<number, number>()
  const visit = (axis: Axis): void => {
    if (axis.kind === 'unit') {
      if (typeof axis.size === 'number') sizes.set(axis.id, axis.size)
    } else for (const part of partsOf(axis)) visit(part)
  }
  const expanded = algebra.expand(layer.axis)
  visit(expanded)
  if (expanded.kind === 'unit' && layer.width !== null) sizes.set(expanded.id, layer.width)
  return free.flatMap((unit) => {
    const from = sizes.get(unit)
    if (from === undefined) return []
    return [{ unit, from, step: groups.equalCopies(unit) === undefined ? 1 : from }]
  })
}

const isSum = (axis: Axis): boolean => axis.kind === 'sum'

/** All units by one factor, where that gives whole numbers. */
function proportional(
  candidates: readonly Candidate[],
  factor: number,
): ReadonlyMap<number, number> | undefined {
  const sizes = new Map(candidates.map(({ unit, from }) => [unit, Math.round(from * factor)]))
  const fits = candidates.every(
    ({ unit, from, step }) => sizes.get(unit)! > from && sizes.get(unit)! % step === 0,
  )
  return fits ? sizes : undefined
}

/** The smallest allowed size of a unit at which the width is at least `wanted`. */
function smallest(
  widthAt: (size: number) => number,
  wanted: number,
  { step }: Candidate,
  current: ReadonlyMap<number, number>,
): number {
  let low = 1
  let high = Math.ceil((wanted + Math.max(...current.values())) / step)
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (widthAt(middle * step) >= wanted) high = middle
    else low = middle + 1
  }
  return low * step
}

function unreachable(
  label: string,
  map: AxisMap,
  candidates: readonly Candidate[],
  now: number,
  width: number,
  widthWith: (unit?: number, size?: number) => number,
  current: ReadonlyMap<number, number>,
  groups: Groups,
) {
  const steps = candidates.map(({ unit, step }) => widthWith(unit, current.get(unit)! + step) - now)
  const step = Math.min(...steps)
  const choice = now % step === 0 ? `a multiple of ${step}` : `${now} plus a multiple of ${step}`
  const equal = candidates.map(({ unit }) => groups.equalCopies(unit)).find((why) => why)
  const why = equal === undefined ? '' : ` (every unit needs equally many copies: ${equal})`
  const parts = 'units' in map ? '' : ' because its units come in groups'
  return usageError(
    `${label} cannot have width ${width}${equal === undefined ? parts : why}; choose ${choice}.`,
    { where: label },
  )
}
