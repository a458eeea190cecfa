/**
 * Net2WiderNet on any graph: from wanted widths to a plan. Units of a layer are channel groups
 * that the solver found; everything that their growth touches is in the plan.
 */
import { mustBeOneOf, refusedError, usageError } from '../../errors.ts'
import type { Model } from '../../model/model.ts'
import { describeNode, NameSupply, valueNames } from '../../model/names.ts'
import type { GrownUnits, GrowthPlan, NoiseKind, WidenInit } from '../growth-plan.ts'
import { type Groups, groupsOf } from '../solve/channel-groups.ts'
import { type Layer, type Solution, solve } from '../solve/relate.ts'
import { planAttributes, planSizes } from './integers.ts'
import { planParameters } from './parameters.ts'
import { withHeldNumbers } from './pinned.ts'
import { axisMapOf } from './project.ts'
import { balancedMap, equalShares, randomMap, unequalShares } from './replicate.ts'
import { isPattern, selectLayers } from './select-layers.ts'
import { newSize, type Planning } from './variants.ts'
import { type GrownSizes, grownWidth, growToWidth, parseWidth, type WidthTarget } from './widths.ts'

/** What planning is done with, and what does not change the plan. */
export interface PlanningContext {
  /**
   * Gets the bytes that planning will take for the grown units, about, before it takes them. What it
   * throws ends the planning.
   */
  readonly onMemory?: (bytes: number) => void
}

export interface WidenOptions extends PlanningContext {
  /** Seed of the maps and of all noise (default 0). */
  readonly seed?: number
  /** Default `net2wider`. */
  readonly init?: WidenInit
  /** Default `zero-sum`, which is exact. */
  readonly noise?: NoiseKind
  /** Size of the noise, relative to the standard deviation of the out-weights; default 0.05. */
  readonly noiseSize?: number
}

/** Layer (name, part of a name, or pattern) → new width, or a factor as `'x2'`. */
export type Widths = Readonly<Record<string, WidthTarget>>

/** Measured from 1 to 16 million units: maps and shares, once in the plan and once for the tensors. */
const BYTES_PER_UNIT = 160

/** The seed experiment's 5%. */
const DEFAULT_NOISE_SIZE = 0.05

/**
 * Plans to widen layers and everything that must grow with them.
 *
 * A pattern (`conv*`) takes every layer that it fits and that can grow; a name takes exactly one.
 *
 * @throws Net2NetError (usage) for unknown layers and impossible widths; (refused) for a layer
 * that cannot grow, naming the node and the reason.
 */
export function planWiden(model: Model, widths: Widths, options: WidenOptions = {}): GrowthPlan {
  const solution = solve(model)
  const groups = groupsOf(solution)
  const sizes: GrownSizes = new Map()
  const wanted: [Layer, number][] = []
  const requests = Object.entries(widths)
  if (requests.length === 0) throw usageError('No layer to widen was given.')
  for (const [name, text] of requests) {
    const found = selectLayers(solution, name)
    const able = isPattern(name)
      ? found.filter((layer) => groups.refusal(layer) === undefined)
      : found
    if (able.length === 0)
      throw refusedError(
        `None of the layers that "${name}" fits can be widened: ${describeNode(found[0]!.node)}: ${groups.refusal(found[0]!)}.`,
        { where: name },
      )
    for (const layer of able) {
      const target = parseWidth(text, layer.name)
      growToWidth(solution, groups, layer, target, sizes)
      if ('width' in target) wanted.push([layer, target.width])
    }
  }
  for (const [layer, width] of wanted) {
    const found = grownWidth(solution, layer, sizes)
    if (found !== width)
      throw usageError(
        `${describeNode(layer.node)} cannot have width ${width}: it grows together with a layer that takes it to ${found}.`,
        { where: describeNode(layer.node) },
      )
  }
  return planGrowth(solution, groups, sizes, options)
}

/** The plan that grows the given units to the given sizes. */
export function planGrowth(
  solution: Solution,
  groups: Groups,
  sizes: GrownSizes,
  {
    seed = 0,
    init = 'net2wider',
    noise = 'zero-sum',
    noiseSize = DEFAULT_NOISE_SIZE,
    onMemory,
  }: WidenOptions,
): GrowthPlan {
  mustBeOneOf('init', init, ['net2wider', 'random-pad'])
  mustBeOneOf('noise', noise, ['zero-sum', 'paper', 'none'])
  if (!(noiseSize >= 0))
    throw usageError(`noiseSize must be a number that is not negative, not ${noiseSize}.`)
  onMemory?.(BYTES_PER_UNIT * [...sizes.values()].reduce((sum, size) => sum + size, 0))
  const noiseOf = init === 'random-pad' ? 'none' : noise
  const ids = new Map<number, string>()
  const units = [...sizes].map(([unit, to]): GrownUnits => {
    const members = groups.layersOf(unit).map((layer) => layer.name)
    const base = members[0] ?? `units ${unit}`
    const taken = [...ids.values()]
    let id = base
    for (let i = 2; taken.includes(id); i++) id = `${base}#${i}`
    ids.set(unit, id)
    const from = unitSize(solution, groups, unit)
    const map =
      groups.equalCopies(unit) === undefined
        ? randomMap(from, to, seed, id)
        : balancedMap(from, to, seed, id)
    const shares =
      noiseOf === 'zero-sum' && !groups.shares.allowsNoise(unit)
        ? unequalShares(map, noiseSize, seed, id)
        : equalShares(map)
    return { id, members, from, to, init, map, shares }
  })
  const sizeOfUnits = new Map(units.map((group) => [group.id, group.to]))
  const names = new NameSupply(valueNames(solution.model.graph))
  const { shares } = groups
  const context: Planning = { solution, shares, ids, sizeOfUnits, names, noise: noiseOf, noiseSize }
  const plan: GrowthPlan = {
    version: 1,
    seed,
    units,
    parameters: planParameters(context),
    sizes: planSizes(context),
    attributes: planAttributes(context),
    insertions: [],
  }
  return withHeldNumbers(solution, plan, (axis, size) => {
    const map = axisMapOf(solution.algebra, axis, size, ids)
    return map ? newSize(context, map) : size
  })
}
function unitSize({ algebra }: Solution, groups: Groups, unit: number): number {
  const size = algebra.sizeOf({ kind: 'unit', id: unit, size: null })
  const width = size ?? groups.layersOf(unit)[0]?.width
  if (typeof width !== 'number')
    throw refusedError(`The size of ${algebra.nameOf(unit)} is not known.`)
  return width
}
