/**
 * Extension: new entries behind the old ones of an axis that the world sees. New classes or values of an output,
 * tokens of a vocabulary, positions of a learned table, channels or features of an input. The new units are
 * no copies: they begin as they are told, and whatever else reads them does so with weights of zero. So what was
 * computed before stays to the bit, but for what a softmax over the axis makes of it (see unlikely.ts).
 */
import { mustBeOneOf, refusedError, usageError } from '../../errors.ts'
import { classesOf } from '../../model/classes.ts'
import { type Model, requiredInputs } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import type { Axis } from '../../operators/contract/axis.ts'
import { movesElements } from '../../operators/helpers/scaling.ts'
import type { AddedStart, AxisMap, DeclaredAxis, GrowthPlan, Insertion } from '../growth-plan.ts'
import type { Facts, Reading } from '../solve/facts.ts'
import { type Solution, solutionOf, solveExtension } from '../solve/index.ts'
import { type Extended, type Extension, extendedAxes } from './extended-axes.ts'
import { planInputSizes } from './input-sizes.ts'
import { planUnits } from './plan-units.ts'
import { Projection } from './project.ts'
import type { Replicated } from './replicate.ts'
import { type Unlikely, unlikelyEntries } from './unlikely.ts'

export type ExtensionStart = 'zero' | 'random' | 'mean' | `like:${number}`

export interface ExtendOptions {
  /** Seed of random weights (default 0). */
  readonly seed?: number
  /**
   * What the weights and the bias of new entries are: zeros, random numbers with the deviation of the old ones, the mean
   * of the old ones, or those of the entry with this index. Default: `zero`, and `mean` where they start unlikely
   * and for tables that are looked up.
   */
  readonly start?: ExtensionStart
  /**
   * Do the new entries of outputs start so far below the old ones that a softmax over all of them gives the old ones what
   * it gave before? Default: where the model has that softmax itself.
   */
  readonly unlikely?: boolean
  /** Names of the new classes, where the model names its classes. */
  readonly classes?: readonly string[]
}

/**
 * Plans to extend outputs, inputs, the vocabulary or the positions of a model, or to give its inputs other sizes.
 *
 * @param from A model, or what has been solved of it.
 * @throws Net2NetError (usage) for unknown names and numbers that there are not; (refused) where an axis cannot be
 *   extended, with the node and the reason
 */
export function planExtend(
  from: Model | Solution,
  extension: Extension,
  options: ExtendOptions = {},
): GrowthPlan {
  const { facts } = solutionOf(from)
  const { seed = 0, classes } = options
  if (extension.sizes) return planSizesAlone(facts, extension, extension.sizes, options)
  const { kind, like } = startOf(options.start)
  const solution = solveExtension(facts, inputsOf(facts.model, extension))
  const extended = extendedAxes(solution, extension)
  mustKeepOld(solution, extended)
  const starts = new Map<number, AddedStart>()
  const unlikely: Unlikely[] = []
  for (const each of extended) {
    const found =
      each.what === 'output' || each.what === 'vocabulary'
        ? unlikelyEntries(solution, each, { unlikely: options.unlikely, start: kind })
        : undefined
    if (found) unlikely.push(found)
    const byDefault =
      found || each.what === 'vocabulary' || each.what === 'positions' ? 'mean' : 'zero'
    starts.set(each.variable, each.what === 'input' ? 'mean' : (kind ?? byDefault))
  }
  const grown = extended.map((each) => unitsOf(solution, each, like))
  const addedOf = (reading: Reading) => {
    const start = startAt(solution, reading, starts)
    const shift = unlikely.find(({ bias }) => bias === reading)?.shift
    return start && { added: { start, ...(shift !== undefined && { shift }) } }
  }
  const noise = { kind: 'none', relative: 0 } as const
  const units = planUnits(solution, grown, noise, addedOf)
  const declared = declaredAxes(solution, grown, extended)
  return {
    version: 3,
    seed,
    ...units,
    inserted: unlikely.flatMap(({ insertion }): Insertion[] => (insertion ? [insertion] : [])),
    declared,
    ...classNames(facts.model, declared, classes),
  }
}

/** Nothing is new at other sizes, so that no option of new entries goes with them. */
function planSizesAlone(
  facts: Facts,
  { sizes: _, ...entries }: Extension,
  sizes: NonNullable<Extension['sizes']>,
  { seed = 0, ...starts }: ExtendOptions,
): GrowthPlan {
  const isGiven = (value: unknown) => value !== undefined
  if ([...Object.values(entries), ...Object.values(starts)].some(isGiven))
    throw usageError(
      'Sizes of inputs change by themselves: new entries, and how these start, are a step of their own.',
    )
  return planInputSizes(solveExtension(facts, new Set(Object.keys(sizes))), sizes, seed)
}

/** The inputs whose axes are open. */
const inputsOf = ({ graph }: Model, { inputs = {} }: Extension): ReadonlySet<string> =>
  new Set(
    requiredInputs(graph)
      .map(({ name }) => name)
      .filter((name) => Object.keys(inputs).some((given) => name.includes(given))),
  )

function startOf(start: ExtensionStart | undefined): {
  readonly kind?: AddedStart
  readonly like?: number
} {
  if (start === undefined) return {}
  const like = /^like:(\d+)$/.exec(start)?.[1]
  if (like !== undefined) return { kind: 'copy', like: Number(like) }
  const known = ['zero', 'random', 'mean'] as const
  if (!known.some((each) => each === start))
    throw usageError(`start must be one of ${known.join(', ')} and like:INDEX, not ${start}.`)
  mustBeOneOf('start', start, known)
  return { kind: start as (typeof known)[number] }
}

/** An identity on the old units; what the new ones begin with is their parameters' affair. */
function unitsOf(solution: Solution, each: Extended, like: number | undefined): Replicated {
  const { variable, id, from, to, offset } = each
  const members = solution.groups.layersOf(variable).map((layer) => layer.name)
  const source = like === undefined ? 0 : like - offset
  if (like !== undefined && each.what !== 'input' && !(source >= 0 && source < from))
    throw usageError(
      `${each.label} has no entry ${like} to begin like: there are those from ${offset} to ${offset + from - 1}.`,
    )
  const old = Math.max(0, Math.min(source, from - 1))
  const map = Array.from({ length: to }, (_, i) => (i < from ? i : old))
  const split = map.map((_, i) => (i < from ? 1 : 0))
  return { variable, id, to, units: { id, members, from, to, init: 'added', map, split } }
}

/**
 * What the new entries of a constant begin with. Weights, tables and biases begin as they are told; by other
 * constants units may be divided, so that these never begin with zero.
 */
function startAt(
  { facts, axes, relations }: Solution,
  reading: Reading,
  starts: ReadonlyMap<number, AddedStart>,
): AddedStart | undefined {
  const found = relations.readings.get(reading)
  const variables = found?.axes.flatMap((axis, k) =>
    found.contracted[k] ? [] : axes.leaves(axis).filter((leaf) => starts.has(leaf)),
  )
  const start = starts.get(variables?.[0] ?? -1)
  if (start === undefined || start === 'copy') return start
  const operator = facts.operatorOf(reading.node)
  const isDirect =
    facts.layers.some(({ node }) => node === reading.node) ||
    operator?.growth?.bias === true ||
    movesElements(operator)
  return isDirect ? start : 'mean'
}

/** Does every node leave what it computed of the old entries as it was, whatever the new ones hold? */
function mustKeepOld(solution: Solution, extended: readonly Extended[]): void {
  const { facts, axes, relations } = solution
  const { nodes } = facts.model.graph
  for (const { variable, label } of extended) {
    const has = (axis: Axis) => axes.leaves(axis).includes(variable)
    const refuse = (at: number, reason: string) => {
      const node = describeNode(nodes[at]!)
      throw refusedError(
        `${label} cannot be extended: its entries reach ${node}, which ${reason}.`,
        {
          where: node,
        },
      )
    }
    for (const { axis, reason, at } of relations.balanced) if (has(axis)) refuse(at, reason)
    const sums = new Set(
      relations.contractions.flatMap(({ node, axis }) => (has(axis) ? [node] : [])),
    )
    const lookups = new Set(
      axes.sources.flatMap(({ variable: id, at, extends: kind }) =>
        kind === 'entries' && has({ kind: 'variable', id, size: null }) ? [at] : [],
      ),
    )
    nodes.forEach((node, at) => {
      const operator = facts.operatorOf(node)
      if (sums.has(node) || lookups.has(at) || movesElements(operator)) return
      if (operator?.reads?.shapes || facts.isAlone(node)) return
      const reads = node.inputs.some((name, i) => {
        if (operator?.reads?.numbers?.includes(i)) return false
        const reading = facts.readingAt(node, i)
        const own = (reading && relations.readings.get(reading)?.axes) ?? relations.axes.get(name)
        return own?.some(has)
      })
      const gives = node.outputs.some((name) => relations.axes.get(name)?.some(has))
      if (reads && !gives) refuse(at, 'reduces them')
    })
  }
}

/** The axes of the graph's inputs and outputs that grow; new entries must lie behind the old ones. */
function declaredAxes(
  solution: Solution,
  grown: readonly Replicated[],
  extended: readonly Extended[],
): readonly DeclaredAxis[] {
  const { facts, relations } = solution
  const projection = new Projection(solution, grown)
  const { inputs, outputs, initializers } = facts.model.graph
  const given = inputs.filter(({ name }) => !initializers.has(name))
  const axesOf = (kind: DeclaredAxis['kind'], { name }: { readonly name: string }) =>
    (relations.axes.get(name) ?? []).flatMap((expression, axis): DeclaredAxis[] => {
      const from = facts.values.get(name)?.shape?.[axis]
      const map = projection.map(expression, typeof from === 'number' ? from : null)
      if (!map || typeof from !== 'number') return []
      if (!isAppended(map))
        throw refusedError(
          `${extended[0]!.label} cannot be extended: the new entries would come between old ones of the ${kind} "${name}" (axis ${axis}).`,
          { where: name },
        )
      const why = extended.find((each) => each.name === name && each.axis === axis)?.why
      return [{ kind, name, axis, from, to: projection.sizeOf(map), ...(why && { why }) }]
    })
  return [
    ...given.flatMap((each) => axesOf('input', each)),
    ...outputs.flatMap((each) => axesOf('output', each)),
  ]
}

/** Are the new entries of an axis those behind all old ones? */
function isAppended(map: AxisMap): boolean {
  if ('units' in map) return true
  if ('keep' in map) return false
  if ('sum' in map)
    return map.sum.every((part, i) =>
      i === map.sum.length - 1 ? isAppended(part) : 'keep' in part,
    )
  const [first, ...others] = map.product
  return first !== undefined && isAppended(first) && others.every((part) => 'keep' in part)
}

function classNames(
  model: Model,
  declared: readonly DeclaredAxis[],
  given: readonly string[] | undefined,
): Pick<GrowthPlan, 'classes'> {
  const known = classesOf(model)
  const counts = declared.flatMap(({ kind, from, to }) =>
    kind === 'output' && from === known?.length ? [to - from] : [],
  )
  const count = counts[0]
  if (count === undefined) {
    if (given)
      throw usageError(
        known
          ? `The model names its ${known.length} classes, and no output of that size is extended: leave the names out.`
          : 'The model has no names of classes, to which these could be added.',
      )
    return {}
  }
  if (!given)
    throw usageError(
      `The model names its ${known!.length} classes: name the ${count === 1 ? 'new one' : `${count} new ones`} as well.`,
      { hint: 'Give them with --names a,b,c (in JavaScript: classes).' },
    )
  if (given.length !== count)
    throw usageError(`There are ${count} new classes, but ${given.length} names.`)
  const repeated = given.find((name, i) => known!.includes(name) || given.indexOf(name) !== i)
  if (repeated !== undefined) throw usageError(`There would be two classes "${repeated}".`)
  return { classes: given }
}
