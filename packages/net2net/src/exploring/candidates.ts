/** All growths of a model that the solver allows: what a search chooses from. */
import { Net2NetError, usageError } from '../errors.ts'
import { chosenLayers } from '../growing/chosen-layers.ts'
import { chooseSizes, type GrowthStep, inspect, type Solution, solve } from '../growth/index.ts'
import { residualBlocks } from '../growth/plan/residual-blocks.ts'
import { selectBlocks } from '../growth/plan/select-blocks.ts'
import { isPattern, namesOf } from '../growth/plan/select-layers.ts'
import { axesOf, measures } from '../growth/plan/sized-axes.ts'
import { attentionsOf } from '../growth/solve/attentions.ts'
import type { LayerSite } from '../growth/solve/facts.ts'
import { insertionsOf } from '../measuring/insertions.ts'
import { whyNoNewFunction } from '../measuring/linear-units.ts'
import type { Model } from '../model/model.ts'
import type { RandomStream } from '../tensor/random.ts'

export const growthOperations = ['widen', 'deepen', 'repeat', 'kernel'] as const
export type GrowthOperation = (typeof growthOperations)[number]

export const defaultFactors: readonly number[] = [1.25, 1.5, 2]

export interface CandidateOptions {
  /** Layers that may grow: names, parts of names or patterns. Default: all. */
  readonly layers?: readonly string[] | undefined
  /** Default: all. */
  readonly operations?: readonly GrowthOperation[] | undefined
  /** By which widths are multiplied; default 1.25, 1.5 and 2. */
  readonly factors?: readonly number[] | undefined
}

/**
 * Growths of one layer (with its group) or block each, and widenings of all layers at once, by operation. Whether a
 * candidate can be planned is known when it is planned: a width that cannot be reached, say, is refused then.
 *
 * @throws Net2NetError (usage) for layers that there are not
 */
export function growthCandidates(
  from: Model | Solution,
  {
    layers = ['*'],
    operations = growthOperations,
    factors = [1.25, 1.5, 2],
  }: CandidateOptions = {},
): Readonly<Record<GrowthOperation, readonly GrowthStep[]>> {
  const solution = 'facts' in from ? from : solve(from)
  const chosen = chosenLayers(solution, layers)
  const makers: Readonly<Record<GrowthOperation, () => readonly GrowthStep[]>> = {
    widen: () => widenings(solution, chosen, factors),
    deepen: () => insertions(solution, chosen),
    repeat: () => repetitions(solution, chosen),
    kernel: () =>
      [...chosen]
        .filter(
          ({ operator, weightDims }) =>
            operator.growth?.layer?.largerKernel && weightDims.length > 2,
        )
        .map(({ name, weightDims }) => ({
          kernel: { [name]: weightDims.slice(2).map((k) => k + 2) },
        })),
  }
  const of = (operation: GrowthOperation) =>
    operations.includes(operation) ? makers[operation]() : []
  return { widen: of('widen'), deepen: of('deepen'), repeat: of('repeat'), kernel: of('kernel') }
}

const isAmong = (layers: ReadonlySet<LayerSite>, name: string): boolean =>
  [...layers].some((layer) => layer.name === name)

/** Of each channel group, by one of its layers, and of all groups at once. */
function widenings(
  solution: Solution,
  chosen: ReadonlySet<LayerSite>,
  factors: readonly number[],
): readonly GrowthStep[] {
  const seen = new Set<string>()
  const groups = inspect(solution).layers.filter(({ name, widen, group }) => {
    if (widen !== true || !isAmong(chosen, name) || seen.has(name)) return false
    for (const each of [name, ...group]) seen.add(each)
    return true
  })
  const heads = headsOf(solution, chosen)
  const alone = groups
    .map(({ name }) => growthBy(solution, name))
    .filter(({ key }) => !heads.has(key))
  const names = [...alone, ...heads.values()]
    .filter((growth) => addsFunction(solution, growth))
    .map(({ name }) => [name])
  if (groups.length > 1) names.push(groups.map(({ name }) => name))
  return names.flatMap((group) =>
    factors.map((factor) => ({
      widen: Object.fromEntries(group.map((name) => [name, `x${factor}`])),
    })),
  )
}

/** Whether the network can compute more with more of these units, as far as that is known. */
function addsFunction(solution: Solution, { variables }: Growth): boolean {
  const reasons = variables.map((variable) => whyNoNewFunction(solution, variable))
  return reasons.length === 0 || reasons.includes(undefined)
}

/** Heads of attention and their sizes, where they can grow, by what grows of the network. */
function headsOf(solution: Solution, chosen: ReadonlySet<LayerSite>): ReadonlyMap<string, Growth> {
  const found = new Map<string, Growth>()
  for (const attention of attentionsOf(solution)) {
    if (!attention.layers.some(({ name }) => isAmong(chosen, name))) continue
    for (const measure of measures) {
      const name = `${attention.name}.${measure}`
      const isAble = axesOf(solution, attention, measure).every(({ refusal }) => !refusal)
      const growth = isAble ? growthBy(solution, name) : undefined
      if (growth?.key && !found.has(growth.key)) found.set(growth.key, growth)
    }
  }
  return found
}

/** What grows where something becomes twice as large. */
interface Growth {
  readonly name: string
  readonly variables: readonly number[]
  /** The same text for the same growth, and none where that is impossible. */
  readonly key: string
}

function growthBy(solution: Solution, name: string): Growth {
  try {
    const sizes = [...chooseSizes(solution, { [name]: 'x2' })].sort(([a], [b]) => a - b)
    const variables = sizes.map(([variable]) => variable)
    return { name, variables, key: sizes.length === 0 ? '' : JSON.stringify(sizes) }
  } catch (error) {
    if (error instanceof Net2NetError && error.kind !== 'internal')
      return { name, variables: [], key: '' }
    throw error
  }
}

/** Behind each layer, where what is inserted adds something to what the network can compute. */
const insertions = (solution: Solution, chosen: ReadonlySet<LayerSite>): readonly GrowthStep[] => {
  const names = new Set([...chosen].map(({ name }) => name))
  return insertionsOf(solution, 'deepen').flatMap(({ step, layers, reason }) =>
    reason === undefined && layers.every((name) => names.has(name)) ? [step] : [],
  )
}

/** Of each residual block, and of each module that is a chain of several. */
function repetitions(solution: Solution, chosen: ReadonlySet<LayerSite>): readonly GrowthStep[] {
  if (residualBlocks(solution).length === 0) return []
  const names = [...chosen].flatMap((layer) => [...modulesOf(layer), layer.name])
  const seen = new Set<string>()
  return [...new Set(names)].flatMap((name) => {
    const [block, ...others] = blocksCalled(solution, name)
    if (!block || others.length > 0 || 'unsupported' in block) return []
    const inner = block.parts.flatMap(({ layers }) => layers.map((layer) => layer.name))
    const key = JSON.stringify([...new Set(inner)].sort())
    if (seen.has(key)) return []
    seen.add(key)
    return [{ repeat: [name] }]
  })
}

/** The modules that a layer is in, by the parts of its names, the outermost first. */
const modulesOf = (layer: LayerSite): readonly string[] =>
  namesOf(layer).flatMap((name) => {
    const parts = name.split(/(?<=[./])/)
    return parts
      .slice(1)
      .map((_, i) =>
        parts
          .slice(0, i + 1)
          .join('')
          .slice(0, -1),
      )
      .filter((module) => module !== '' && !isPattern(module))
  })

/** Nothing where a name means several modules, or none. */
function blocksCalled(solution: Solution, name: string) {
  try {
    return selectBlocks(solution, name)
  } catch (error) {
    if (error instanceof Net2NetError) return []
    throw error
  }
}

/**
 * Candidates in a random order in which no operation waits for the many candidates of another: each draw chooses an
 * operation first.
 */
export function* atRandom(
  candidates: Readonly<Record<GrowthOperation, readonly GrowthStep[]>>,
  random: RandomStream,
): Generator<GrowthStep, void> {
  const left = growthOperations.map((operation) => [...candidates[operation]])
  for (;;) {
    const able = left.filter((steps) => steps.length > 0)
    const steps = able[random.below(Math.max(1, able.length))]
    if (!steps) return
    yield steps.splice(random.below(steps.length), 1)[0]!
  }
}

/** @throws usage for operations that there are not, and factors that make nothing larger */
export function mustBeCandidateOptions({ operations = [], factors = [] }: CandidateOptions): void {
  const known: readonly string[] = growthOperations
  const unknown = operations.find((operation) => !known.includes(operation))
  if (unknown !== undefined)
    throw usageError(`There is no growth "${unknown}"; there are ${known.join(', ')}.`)
  const small = factors.find((factor) => !(factor > 1 && Number.isFinite(factor)))
  if (small !== undefined) throw usageError(`A factor must be above 1, not ${small}.`)
}
