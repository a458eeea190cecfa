/** The groups of layers that can be widened, and what their new units would gain. */
import type { TrainingData } from '../data/samples.ts'
import { Net2NetError } from '../errors.ts'
import {
  addedEntries,
  applyPlan,
  chooseSizes,
  groupWeights,
  Projection,
  planNewUnits,
  planStep,
  type Solution,
} from '../growth/index.ts'
import { axesOf, measures, sizedAxes } from '../growth/plan/sized-axes.ts'
import { attentionsOf } from '../growth/solve/attentions.ts'
import { type Axis, partsOf } from '../operators/contract/axis.ts'
import { findDirections, gathered, parametersOf, passesOf, squaredNorm } from './directions.ts'
import { gradientMeter, type SamplingOptions } from './gradients.ts'
import { whyNoNewFunction } from './linear-units.ts'
import { type Candidate, type Gain, gainOf, type Round, reasonOf } from './rounds.ts'

/** A group of layers that grows as one, and the step that grows it alone. */
export interface Widening extends Candidate {
  readonly variable: number
  readonly from: number
  readonly to: number
  /** What a step calls the group: one of its layers, or heads of an attention or their size (`h.0.attn.heads`). */
  readonly name: string
}

/**
 * Every group that can be widened by itself, in the order of the network.
 *
 * @param most New units at most.
 */
export function wideningsOf(
  solution: Solution,
  factor: number,
  most = Number.POSITIVE_INFINITY,
): readonly Widening[] {
  const { groups, relations, axes } = solution
  const variables = new Set(relations.layers.flatMap(({ axis }) => groups.freeVariables(axis)))
  const attentions = attentionNames(solution)
  return [...variables].flatMap((variable): Widening[] => {
    const from = axes.sizeOfVariable(variable) ?? groups.layersOf(variable)[0]?.width
    if (typeof from !== 'number') return []
    const wanted = Math.max(from + 1, Math.min(from + most, Math.round(from * factor)))
    // Where every unit must be copied equally often, other sizes may be impossible.
    const sizes = groups.balanced(variable) === undefined ? [wanted] : [wanted, 2 * from]
    for (const to of sizes) {
      const found = wideningTo(solution, variable, attentions.get(variable) ?? [], { from, to })
      if (found) return [found]
    }
    return []
  })
}

/** What users call variables that are heads or their size, by variable. */
function attentionNames(solution: Solution): ReadonlyMap<number, readonly string[]> {
  const names = new Map<number, readonly string[]>()
  for (const attention of attentionsOf(solution))
    for (const measure of measures)
      for (const { axis } of axesOf(solution, attention, measure))
        for (const variable of solution.groups.freeVariables(axis))
          names.set(variable, [...(names.get(variable) ?? []), `${attention.name}.${measure}`])
  return names
}

/** The widening of heads, or of one of the group's layers, that grows this group and no other. */
function wideningTo(
  solution: Solution,
  variable: number,
  heads: readonly string[],
  { from, to }: Pick<Widening, 'from' | 'to'>,
): Widening | undefined {
  const layers = solution.groups.layersOf(variable).map(({ name }) => name)
  for (const name of [...heads, ...layers]) {
    try {
      const step = { widen: { [name]: widthOf(solution, { variable, name }, to) } }
      const sizes = chooseSizes(solution, step.widen)
      if (sizes.size !== 1 || sizes.get(variable) !== to) continue
      return { variable, from, to, name, layers, step, plan: planStep(solution, step) }
    } catch (error) {
      if (!isReason(error)) throw error
    }
  }
  return undefined
}

/** The size of what a widening is called by where the group has another size. */
export function widthOf(
  solution: Solution,
  { variable, name }: Pick<Widening, 'variable' | 'name'>,
  to: number,
): number {
  const projection = new Projection(solution, [{ variable, id: 'units', to }])
  const { groups } = solution
  const sized = sizedAxes(solution, name).find(({ axis }) =>
    groups.freeVariables(axis).includes(variable),
  )!
  return projection.sizeOf(projection.map(sized.axis, sized.size)!)
}

/** Does an error say why a model cannot be grown so? */
const isReason = (error: unknown): error is Net2NetError =>
  error instanceof Net2NetError && (error.kind === 'refused' || error.kind === 'usage')

/**
 * How the gains of new units are measured: of as many groups as possible at once. Units that a norm's statistics run over begin
 * otherwise, and are measured as they begin, group by group.
 */
export function wideningRounds(
  solution: Solution,
  widenings: readonly Widening[],
  data: TrainingData,
  options: SamplingOptions,
): readonly Round<Widening>[] {
  const rounds: Round<Widening>[] = []
  const able: Widening[] = []
  for (const widening of widenings) {
    const { variable, to } = widening
    const idle = whyNoNewFunction(solution, variable)
    const reason = idle ?? whyNoNewUnits(solution, variable, to)
    const isAdded = idle === undefined && widening.plan.units.every(({ init }) => init === 'added')
    if (reason === undefined) able.push(widening)
    else
      rounds.push({
        members: [widening],
        passes: isAdded ? 1 : 0,
        measure: async () => [
          isAdded ? await measureAdded(solution, widening, data, options) : { reason },
        ],
      })
  }
  for (const members of apart(solution, able))
    rounds.push({
      members,
      passes: passesOf(options.turns),
      measure: (some) => measureTogether(solution, some, data, options),
    })
  return rounds
}

/** Why a group cannot get units with weights of their own; undefined if it can. */
export function whyNoNewUnits(
  solution: Solution,
  variable: number,
  to: number,
): string | undefined {
  try {
    const plan = planNewUnits(solution, new Map([[variable, to]]), 0)
    const [group] = groupWeights(plan)
    const unit = group!.units.at(-1)!
    if (unit.inWeights.length === 0) return 'its units have no weights that one could choose'
    return unit.outWeights.length === 0 ? 'its units are read without weights' : undefined
  } catch (error) {
    if (!isReason(error)) throw error
    return reasonOf(error)
  }
}

async function measureTogether(
  solution: Solution,
  widenings: readonly Widening[],
  data: TrainingData,
  options: SamplingOptions,
): Promise<readonly Gain[]> {
  const sizes = new Map(widenings.map(({ variable, to }) => [variable, to]))
  const plan = planNewUnits(solution, sizes, options.seed ?? 0)
  const grown = applyPlan(solution.model, plan)
  const meter = await gradientMeter(grown, data, parametersOf(groupWeights(plan)), options)
  try {
    const directions = await findDirections(grown, plan, meter, options.turns)
    return directions.map(({ gains }) =>
      gainOf(
        gains.reduce((sum, each) => sum + each, 0),
        gains.toSorted((a, b) => b - a),
      ),
    )
  } finally {
    await meter.release()
  }
}

/** The gain of a plan whose units are added as it says, by the gradient of all that is new of them. */
async function measureAdded(
  { model }: Solution,
  { plan }: Widening,
  data: TrainingData,
  options: SamplingOptions,
): Promise<Gain> {
  const entries = addedEntries(plan)
  const parameters = new Set(entries.map(({ parameter }) => parameter))
  const meter = await gradientMeter(applyPlan(model, plan), data, [...parameters], options)
  try {
    const { gradients } = await meter.measure()
    return gainOf(squaredNorm(gathered(entries, gradients)))
  } finally {
    await meter.release()
  }
}

/** Sets of widenings of which no two are factors of one axis: their units could not be told apart there. */
export function apart<T extends Pick<Widening, 'variable'>>(
  solution: Solution,
  widenings: readonly T[],
): readonly (readonly T[])[] {
  const { relations, axes } = solution
  const able = new Set(widenings.map(({ variable }) => variable))
  const conflicts = new Map<number, Set<number>>()
  const look = (axis: Axis): void => {
    if (axis.kind === 'variable') return
    const parts = partsOf(axis)
    if (axis.kind === 'product') {
      const leaves = parts.map((part) => axes.leaves(part).filter((leaf) => able.has(leaf)))
      leaves.forEach((some, i) => {
        for (const one of some)
          for (const other of leaves.flatMap((others, j) => (i === j ? [] : others)))
            conflicts.set(one, (conflicts.get(one) ?? new Set()).add(other))
      })
    }
    for (const part of parts) look(part)
  }
  for (const reading of relations.readings.values())
    for (const axis of reading.axes) look(axes.expand(axis))
  const sets: T[][] = []
  for (const widening of widenings) {
    const isFree = (set: readonly T[]) =>
      !set.some(({ variable }) => conflicts.get(widening.variable)?.has(variable))
    const set = sets.find(isFree)
    if (set) set.push(widening)
    else sets.push([widening])
  }
  return sets
}
