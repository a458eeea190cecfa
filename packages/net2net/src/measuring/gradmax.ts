/**
 * Widening by the gradient (GradMax, Evci et al., arXiv:2201.05125): the plan of new units with the in-weights for which
 * the gradient of their out-weights is largest. Their out-weights are zero, so that the function stays; see directions.ts.
 */
import type { SampleSet } from '../data/samples.ts'
import { refusedError } from '../errors.ts'
import {
  applyPlan,
  chooseSizes,
  type GrowthPlan,
  groupWeights,
  planNewUnits,
  type Solution,
  type Widths,
  withListed,
} from '../growth/index.ts'
import { operatorOf } from '../operators/table.ts'
import { statisticsOf } from './channel-statistics.ts'
import { findDirections, parametersOf, tensorsOf } from './directions.ts'
import { gradientMeter, type SamplingOptions } from './gradients.ts'
import { whyNoNewUnits } from './widenings.ts'

/**
 * @throws Net2NetError (usage) for unknown layers and impossible widths; (refused) for layers whose new units cannot have
 *   weights of their own; as `gradientMeter`
 */
export async function planGradmax(
  solution: Solution,
  widths: Widths,
  data: SampleSet,
  options: SamplingOptions,
): Promise<GrowthPlan> {
  const plan = planChosen(solution, widths, options.seed)
  const grown = applyPlan(solution.model, plan)
  const meter = await gradientMeter(grown, data, parametersOf(groupWeights(plan)), options)
  try {
    const directions = await findDirections(grown, plan, meter, options.turns)
    const chosen = withListed(plan, tensorsOf(plan, directions))
    return await withStatistics(solution, chosen, data, options)
  } finally {
    await meter.release()
  }
}

/** The plan of new units for such widths, with random in-weights: what can be said without samples. */
export function planChosen(solution: Solution, widths: Widths, seed = 0): GrowthPlan {
  const sizes = chooseSizes(solution, widths)
  for (const [variable, to] of sizes) {
    const reason = whyNoNewUnits(solution, variable, to)
    if (reason === undefined) continue
    const [layer] = solution.groups.layersOf(variable)
    throw refusedError(
      `${layer?.name ?? 'A layer'} cannot be widened by the gradient: ${reason}.`,
      { where: layer?.name, hint: 'Copies of units (net2wider) may be possible.' },
    )
  }
  return planNewUnits(solution, sizes, seed)
}

/** The plan with mean and variance of what new units give to norms with stored statistics. */
async function withStatistics(
  { model }: Solution,
  plan: GrowthPlan,
  samples: SampleSet,
  { runtime, session }: SamplingOptions,
): Promise<GrowthPlan> {
  const changed = new Set(plan.parameters.map(({ to }) => to))
  const norms = applyPlan(model, plan).graph.nodes.flatMap((node) => {
    const facet = operatorOf(node)?.growth?.normalization
    const [mean, variance] = facet ? [node.inputs[facet.mean]!, node.inputs[facet.variance]!] : []
    const value = node.inputs[0]!
    return mean !== undefined && changed.has(mean) ? [{ value, mean, variance: variance! }] : []
  })
  let result = plan
  // Behind one norm the next one sees what the first makes of its statistics.
  for (let known = 0; known < Math.min(norms.length, mostNorms); known++) {
    const found = await statisticsOf(
      applyPlan(model, result),
      new Set(norms.map(({ value }) => value)),
      { samples, runtime, session },
    )
    result = withListed(
      result,
      new Map(
        norms.flatMap(({ value, ...names }) => {
          const statistics = found.get(value)!
          return [
            [names.mean, statistics.mean],
            [names.variance, statistics.variance],
          ] as const
        }),
      ),
    )
  }
  return result
}

/** So many norms one behind the other are followed. */
const mostNorms = 4
