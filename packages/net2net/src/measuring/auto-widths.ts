/** Which layers to widen, and how far, where a model may have so many more parameters. */
import type { SampleSet } from '../data/samples.ts'
import { refusedError } from '../errors.ts'
import {
  applyPlan,
  countParameters,
  planNewUnits,
  type Solution,
  type Widths,
} from '../growth/index.ts'
import { GrowthCosts } from './costs.ts'
import type { SamplingOptions } from './gradients.ts'
import { type Gain, measureRounds } from './rounds.ts'
import { apart, type Widening, wideningRounds, wideningsOf, widthOf } from './widenings.ts'

/** Of each group at most so many new units are measured; more are taken to gain as much as the last of these. */
const mostMeasured = 16
/** No layer grows by more than this: what new units gain was measured at the old network. */
const largestFactor = 2

/** A group that may grow, and how far it is to. */
interface Choice {
  readonly widening: Widening
  readonly gains: readonly number[]
  /** Parameters that one unit adds. */
  readonly cost: number
  readonly most: number
  units: number
}

/**
 * Chooses widths by what new units gain per parameter: one unit after the other goes where it gains most, until the next would
 * be too many parameters.
 *
 * @param share how many more parameters there may be, as a share of those that the model has
 * @throws Net2NetError (refused) where nothing can be widened so, with the reason; as `rank`
 */
export async function chooseWidths(
  solution: Solution,
  share: number,
  data: SampleSet,
  options: SamplingOptions,
): Promise<Widths> {
  const budget = Math.floor(share * countParameters(solution.model))
  const widenings = wideningsOf(solution, largestFactor, mostMeasured)
  const measured = await measureRounds(wideningRounds(solution, widenings, data, options))
  const costs = new GrowthCosts(solution)
  const choices = widenings.flatMap((widening): Choice[] => {
    const found = measured.get(widening)!
    if ('reason' in found || !found.units) return []
    const { from, to, plan } = widening
    const cost = costs.of(plan).addedParameters / (to - from)
    const most = Math.round((largestFactor - 1) * from)
    return cost > 0 ? [{ widening, gains: found.units, cost, most, units: 0 }] : []
  })
  const order = allot(solution, choices, budget)
  // Layers that follow one another add more together than each alone.
  while (order.length > 0 && added(solution, choices) > budget) order.pop()!.units--
  const widths = Object.fromEntries(
    choices
      .filter(({ units }) => units > 0)
      .map(({ widening, units }) => widthOf(solution, widening, widening.from + units)),
  )
  if (Object.keys(widths).length > 0) return widths
  throw nothing(share, measured, choices)
}

/** Gives out the budget; returns what was chosen, in order. */
function allot(solution: Solution, choices: readonly Choice[], budget: number): Choice[] {
  const order: Choice[] = []
  let left = budget
  const worth = ({ gains, units, cost }: Choice) =>
    (gains[Math.min(units, gains.length - 1)] ?? 0) / cost
  for (;;) {
    const able = choices.filter(
      (choice) =>
        choice.units < choice.most &&
        choice.cost <= left &&
        worth(choice) > 0 &&
        isApart(solution, choice, order),
    )
    const [first] = able
    if (!first) return order
    const best = able.reduce((a, b) => (worth(b) > worth(a) ? b : a), first)
    best.units++
    left -= best.cost
    order.push(best)
  }
}

/** Does a group stand on no axis together with another that grows? */
function isApart(solution: Solution, choice: Choice, chosen: readonly Choice[]): boolean {
  if (choice.units > 0) return true
  const others = new Set(chosen.map(({ widening }) => widening))
  return apart(solution, [...others, choice.widening]).length === 1
}

/** The parameters that all choices together add. */
function added(solution: Solution, choices: readonly Choice[]): number {
  const grown = choices.filter(({ units }) => units > 0)
  if (grown.length === 0) return 0
  const sizes = new Map(
    grown.map(({ widening, units }) => [widening.variable, widening.from + units]),
  )
  const plan = planNewUnits(solution, sizes, 0)
  return countParameters(applyPlan(solution.model, plan)) - countParameters(solution.model)
}

function nothing(share: number, measured: ReadonlyMap<Widening, Gain>, choices: readonly Choice[]) {
  const percent = `${Number((100 * share).toFixed(2))}%`
  if (choices.length > 0) {
    const least = Math.ceil(Math.min(...choices.map(({ cost }) => cost)))
    return refusedError(
      `Nothing can be widened by ${percent} more parameters: the smallest unit adds ${least}.`,
    )
  }
  const [reason = ''] = [...measured].flatMap(([{ layer }, found]) =>
    'reason' in found ? [` (${layer}: ${found.reason})`] : [],
  )
  return refusedError(`Nothing can be widened by what it gains${reason}.`)
}
