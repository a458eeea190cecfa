/** Which layers to widen, and how far, where a model may cost so much more. */
import type { SampleSet, TrainingData } from '../data/samples.ts'
import { refusedError, usageError } from '../errors.ts'
import {
  countParameters,
  type GrowthPlan,
  planNewUnits,
  type Solution,
  type Widths,
} from '../growth/index.ts'
import { GrowthCosts } from './costs.ts'
import type { SamplingOptions } from './gradients.ts'
import type { RankedBy } from './rank.ts'
import { type Gain, measureRounds } from './rounds.ts'
import { apart, type Widening, wideningRounds, wideningsOf, widthOf } from './widenings.ts'

/** Of each group at most so many new units are measured; more are taken to gain as much as the last of these. */
const mostMeasured = 16
/** No layer grows by more than this: what new units gain was measured at the old network. */
const largestFactor = 2

/** How much more a model may cost. */
export interface WidthBudget {
  /** What is counted; multiply-adds are those of one sample. */
  readonly by: RankedBy
  /** So many more there may be. */
  readonly added: number
}

/** Groups of layers of which it is known what new units gain: widths for any budget follow from that. */
export interface MeasuredWidths {
  /**
   * Chooses widths by what new units gain for what they cost: one unit after the other goes where it gains most, until the next
   * would be too much. No layer becomes more than twice as wide.
   *
   * @throws Net2NetError (usage) for what is no budget, or multiply-adds that the model leaves open; (refused) where nothing can
   *   be widened so, with the reason
   */
  within(budget: WidthBudget): Readonly<Record<string, number>>
}

/** A group that may grow, by at most so many units. */
interface Choice {
  readonly widening: Widening
  readonly gains: readonly number[]
  /** What one unit adds. */
  readonly cost: number
  readonly most: number
}

/**
 * Measures on samples what new units of every group gain.
 *
 * @throws as `rank`
 */
export async function measureWidths(
  solution: Solution,
  data: TrainingData,
  options: SamplingOptions,
): Promise<MeasuredWidths> {
  const widenings = wideningsOf(solution, largestFactor, mostMeasured)
  const measured = await measureRounds(wideningRounds(solution, widenings, data, options))
  const costs = new GrowthCosts(solution)
  const costsOfEach = new Map(widenings.map((widening) => [widening, costs.of(widening.plan)]))
  return {
    within(budget) {
      mustBeBudget(budget)
      const choices = widenings.flatMap((widening): Choice[] => {
        const found = measured.get(widening)!
        if ('reason' in found || !found.units) return []
        const { from, to } = widening
        const cost = countedOf(costsOfEach.get(widening)!, budget) / (to - from)
        const most = Math.round((largestFactor - 1) * from)
        return cost > 0 ? [{ widening, gains: found.units, cost, most }] : []
      })
      const order = allot(solution, choices, budget.added)
      const isWithin = (units: Units) =>
        countedOf(costs.of(planTogether(solution, units)), budget) <= budget.added
      // Layers that follow one another add more together than each alone.
      let [most, tooMany] = [0, order.length + 1]
      while (tooMany - most > 1) {
        const middle = (most + tooMany) >> 1
        if (isWithin(unitsOf(order.slice(0, middle)))) most = middle
        else tooMany = middle
      }
      const widths = [...unitsOf(order.slice(0, most))].map(
        ([widening, units]) =>
          [widening.name, widthOf(solution, widening, widening.from + units)] as const,
      )
      if (widths.length > 0) return Object.fromEntries(widths)
      throw nothing(budget, measured, choices)
    },
  }
}

function mustBeBudget({ by, added }: WidthBudget): void {
  if (by !== 'parameters' && by !== 'multiply-adds')
    throw usageError(`by must be parameters or multiply-adds, not ${by}.`)
  if (!(added >= 0)) throw usageError(`added must be a number from 0 on, not ${added}.`)
}

/** What a budget counts of what is added. */
function countedOf(
  { addedParameters, addedMultiplyAdds }: ReturnType<GrowthCosts['of']>,
  { by }: WidthBudget,
): number {
  if (by === 'parameters') return addedParameters
  if (addedMultiplyAdds !== null) return addedMultiplyAdds
  throw usageError('The multiply-adds are not known: the model leaves a size open.')
}

/**
 * Widths for so many more parameters, as a share of those that the model has.
 *
 * @throws Net2NetError (refused) where nothing can be widened so, with the reason; as `rank`
 */
export async function chooseWidths(
  solution: Solution,
  share: number,
  data: SampleSet,
  options: SamplingOptions,
): Promise<Widths> {
  const added = Math.floor(share * countParameters(solution.model))
  return (await measureWidths(solution, data, options)).within({ by: 'parameters', added })
}

/** How many units each group gets. */
type Units = ReadonlyMap<Widening, number>

const unitsOf = (order: readonly Widening[]): Units => {
  const units = new Map<Widening, number>()
  for (const widening of order) units.set(widening, (units.get(widening) ?? 0) + 1)
  return units
}

/** Gives out the budget; returns which group gets a unit, one after the other. */
function allot(
  solution: Solution,
  choices: readonly Choice[],
  budget: number,
): readonly Widening[] {
  const order: Widening[] = []
  const units = new Map<Widening, number>()
  let left = budget
  const given = ({ widening }: Choice) => units.get(widening) ?? 0
  const worth = (choice: Choice) =>
    (choice.gains[Math.min(given(choice), choice.gains.length - 1)] ?? 0) / choice.cost
  for (;;) {
    const able = choices.filter(
      (choice) =>
        given(choice) < choice.most &&
        choice.cost <= left &&
        worth(choice) > 0 &&
        (given(choice) > 0 || apart(solution, [...units.keys(), choice.widening]).length === 1),
    )
    const [first] = able
    if (!first) return order
    const best = able.reduce((a, b) => (worth(b) > worth(a) ? b : a), first)
    units.set(best.widening, given(best) + 1)
    left -= best.cost
    order.push(best.widening)
  }
}

/** So many units of all groups together. */
const planTogether = (solution: Solution, units: Units): GrowthPlan =>
  planNewUnits(
    solution,
    new Map([...units].map(([{ variable, from }, added]) => [variable, from + added])),
    0,
  )

function nothing(
  { by, added }: WidthBudget,
  measured: ReadonlyMap<Widening, Gain>,
  choices: readonly Choice[],
) {
  if (choices.length > 0) {
    const least = Math.ceil(Math.min(...choices.map(({ cost }) => cost)))
    return refusedError(
      `Nothing can be widened by ${added} more ${by}: the smallest unit adds ${least}.`,
    )
  }
  const [reason = ''] = [...measured].flatMap(([{ name }, found]) =>
    'reason' in found ? [` (${name}: ${found.reason})`] : [],
  )
  return refusedError(`Nothing can be widened by what it gains${reason}.`)
}
