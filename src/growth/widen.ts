/**
 * Net2WiderNet on any graph: from wanted widths to a plan. Units of a layer are channel groups
 * that the solver found; everything that their growth touches is in the plan.
 */
import { mustBeOneOf, refusedError, usageError } from '../errors.ts'
import type { Model, Node } from '../model/model.ts'
import { describeNode, NameSupply, nodeLabel, valueNames } from '../model/names.ts'
import type { Axis } from '../operators/axis.ts'
import { operatorOf } from '../operators/index.ts'
import { axisMapOf, parameterMapOf, sizeWith } from './evaluate.ts'
import { type Groups, groupsOf } from './groups.ts'
import { withHeldNumbers } from './held.ts'
import { nodeKey, type ParameterUse } from './node-context.ts'
import type {
  AttributeChange,
  AxisMap,
  ConstantUse,
  GrownUnits,
  GrowthPlan,
  NoiseKind,
  ParameterChange,
  SizeChange,
  WidenInit,
} from './plan.ts'
import { balancedMap, equalShares, randomMap } from './replication.ts'
import { isPattern, selectLayers } from './select-layers.ts'
import type { Shares } from './shares.ts'
import { type Layer, type Solution, solve } from './solver.ts'
import { type GrownSizes, grownWidth, growToWidth, parseWidth, type WidthTarget } from './width.ts'

export interface WidenOptions {
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
  }: WidenOptions,
): GrowthPlan {
  mustBeOneOf('init', init, ['net2wider', 'random-pad'])
  mustBeOneOf('noise', noise, ['zero-sum', 'paper', 'none'])
  if (!(noiseSize >= 0))
    throw usageError(`noiseSize must be a number that is not negative, not ${noiseSize}.`)
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
    return { id, members, from, to, init, map, shares: equalShares(map) }
  })
  const sizeOfUnits = new Map(units.map((group) => [group.id, group.to]))
  const names = new NameSupply(valueNames(solution.model.graph))
  const noiseOf = init === 'random-pad' ? 'none' : noise
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

interface Planning {
  readonly solution: Solution
  readonly shares: Shares
  /** Grown units by number in the solver: their names in the plan. */
  readonly ids: ReadonlyMap<number, string>
  readonly sizeOfUnits: ReadonlyMap<string, number>
  readonly names: NameSupply
  readonly noise: NoiseKind
  readonly noiseSize: number
}

function unitSize({ algebra }: Solution, groups: Groups, unit: number): number {
  const size = algebra.sizeOf({ kind: 'unit', id: unit, size: null })
  const width = size ?? groups.layersOf(unit)[0]?.width
  if (typeof width !== 'number')
    throw refusedError(`The size of ${algebra.nameOf(unit)} is not known.`)
  return width
}

const newSize = (context: Planning, map: Parameters<typeof sizeWith>[0]): number =>
  sizeWith(map, (id) => context.sizeOfUnits.get(id)!)

/** Uses of a constant, by what they need: uses with equal needs can share one tensor. */
function partition<T>(
  { links, held }: Solution,
  name: string,
  isOutput: boolean,
  needs: ReadonlyMap<string, T>,
): { readonly shared: boolean; readonly variants: { need: T; uses: ConstantUse[] }[] } {
  const variants = new Map<string, { need: T; uses: ConstantUse[] }>()
  let unchanged = isOutput
  for (const { node, input } of links.uses.get(name) ?? []) {
    const need = needs.get(useKey(nodeKey(node), input))
    if (need === undefined) {
      // A node whose result is held may read what it will.
      if (!held.has(nodeKey(node))) unchanged = true
      continue
    }
    const text = JSON.stringify(need)
    const variant = variants.get(text) ?? { need, uses: [] }
    variant.uses.push({ node: nodeKey(node), input })
    variants.set(text, variant)
  }
  return { shared: unchanged, variants: [...variants.values()] }
}

const useKey = (node: string, input: number) => `${input}:${node}`

type Need = Pick<ParameterChange, 'axes' | 'padding'> & {
  readonly after: readonly number[]
  /** The axis along which noise may sum to zero. */
  readonly noiseAxis?: number
}

function planParameters(context: Planning): ParameterChange[] {
  const { parameters, model } = context.solution
  const byName = new Map<string, ParameterUse[]>()
  for (const use of parameters) {
    const list = byName.get(use.name)
    if (list) list.push(use)
    else byName.set(use.name, [use])
  }
  const outputs = new Set(model.graph.outputs.map((output) => output.name))
  const changes: ParameterChange[] = []
  for (const [name, uses] of byName) {
    const needs = new Map<string, Need>()
    for (const use of uses) {
      const need = needOf(context, use)
      if (need) needs.set(useKey(nodeKey(use.node), use.input), need)
    }
    if (needs.size === 0) continue
    const { shared, variants } = partition(context.solution, name, outputs.has(name), needs)
    variants.forEach(({ need, uses: rewired }, i) => {
      const cloned = shared || i > 0
      changes.push({
        name,
        to: cloned ? context.names.fresh(`${name}_grown`) : name,
        ...(cloned && { uses: rewired }),
        before: uses[0]!.tensor.dims,
        after: need.after,
        axes: need.axes,
        ...(need.padding !== undefined && { padding: need.padding }),
        ...(need.noiseAxis !== undefined &&
          context.noise !== 'none' && {
            noise: {
              kind: context.noise,
              relative: context.noiseSize,
              ...(need.noiseAxis !== firstSummed(need) && { axis: need.noiseAxis }),
            },
          }),
      })
    })
  }
  return changes
}

const firstSummed = ({ axes }: Need): number | undefined =>
  axes.find(({ map, role }) => role === 'summed' || isMixed(map))?.axis

/** Are some units of the axis summed, although the axis is not? */
const isMixed = (map: AxisMap): boolean => {
  if ('units' in map) return map.role === 'summed'
  return !('keep' in map) && ('sum' in map ? map.sum : map.product).some(isMixed)
}

/** What growth makes of one use of a parameter; undefined if it stays as it is. */
function needOf(context: Planning, use: ParameterUse): Need | undefined {
  const { shares, ids } = context
  const { algebra } = context.solution
  const after = [...use.tensor.dims]
  let noiseAxis: number | undefined
  const axes = use.axes.flatMap((axis, k) => {
    const size = use.tensor.dims[k]!
    const plain = axisMapOf(algebra, axis, size, ids)
    if (!plain) return []
    after[k] = newSize(context, plain)
    if (use.summed[k]) {
      noiseAxis ??= k
      return [{ axis: k, map: plain, role: 'summed' as const }]
    }
    const marked = shares.axisOf(use, k)
    const units = marked ? sharedUnits(marked).filter((unit) => ids.has(unit)) : []
    if (!marked || units.length === 0) return [{ axis: k, map: plain, role: 'carried' as const }]
    // Noise cannot follow shares through a node that is not linear.
    if (units.every((unit) => shares.allowsNoise(unit))) noiseAxis ??= k
    return [{ axis: k, ...parameterMapOf(algebra, marked, size, ids) }]
  })
  if (axes.length === 0) return undefined
  const padding = operatorOf(use.node)?.padding?.[use.input]
  return {
    axes,
    after,
    ...(padding !== undefined && { padding }),
    ...(noiseAxis !== undefined && { noiseAxis }),
  }
}

/** The units of an axis whose shares it takes. */
const sharedUnits = (axis: Axis): readonly number[] =>
  axis.kind === 'unit'
    ? axis.shares
      ? [axis.id]
      : []
    : (axis.kind === 'sum' ? axis.terms : axis.factors).flatMap(sharedUnits)

function planSizes(context: Planning): SizeChange[] {
  const { sizes, model, algebra } = context.solution
  const byName = new Map<
    string,
    Map<string, Map<number, { from: number; to: number; node: Node }>>
  >()
  for (const { origin, value, axis, node } of sizes) {
    const map = axisMapOf(algebra, axis, value, context.ids)
    const to = map ? newSize(context, map) : value
    const use = origin.use ?? { node: nodeKey(node), input: -1 }
    const key = useKey(use.node, use.input)
    const uses = byName.get(origin.name) ?? new Map()
    byName.set(origin.name, uses)
    const elements = uses.get(key) ?? new Map()
    uses.set(key, elements)
    const other = elements.get(origin.index)
    if (other && other.to !== to)
      throw refusedError(
        `Element ${origin.index} of "${origin.name}" is a size for both ${nodeLabel(other.node)} and ${nodeLabel(node)}, which now differ.`,
        { where: origin.name },
      )
    elements.set(origin.index, { from: value, to, node })
  }
  const outputs = new Set(model.graph.outputs.map((output) => output.name))
  const changes: SizeChange[] = []
  for (const [name, uses] of byName) {
    const needs = new Map<string, { index: number; from: number; to: number }[]>()
    for (const [key, elements] of uses) {
      const edits = [...elements].flatMap(([index, { from, to }]) =>
        from === to ? [] : [{ index, from, to }],
      )
      if (edits.length > 0) needs.set(key, edits)
    }
    if (needs.size === 0) continue
    const { shared, variants } = partition(context.solution, name, outputs.has(name), needs)
    variants.forEach(({ need, uses: rewired }, i) => {
      const clone = shared || i > 0 ? context.names.fresh(`${name}_grown`) : undefined
      for (const edit of need)
        changes.push({ constant: name, ...edit, ...(clone && { clone, uses: rewired }) })
    })
  }
  return changes
}

function planAttributes(context: Planning): AttributeChange[] {
  const { attributes, algebra } = context.solution
  const changes = new Map<string, AttributeChange>()
  for (const { node, attribute, index, axis, value } of attributes) {
    const map = axisMapOf(algebra, axis, value, context.ids)
    if (!map) continue
    const to = newSize(context, map)
    const key = JSON.stringify([nodeKey(node), attribute, index ?? null])
    const other = changes.get(key)
    if (other && other.to !== to)
      throw refusedError(
        `Attribute ${attribute} of ${describeNode(node)} would need two different values.`,
        { where: describeNode(node) },
      )
    changes.set(key, {
      node: nodeKey(node),
      attribute,
      ...(index !== undefined && { index }),
      from: value,
      to,
    })
  }
  return [...changes.values()]
}
