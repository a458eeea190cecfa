/**
 * Growth outside of a training, for which the model is measured on samples: inserted normalizations know what passes, new
 * units begin where the gradient points to, and layers are widened where that pays.
 */
import type { SampleSet } from '../data/samples.ts'
import {
  type ChannelStatistics,
  type GrownModel,
  type GrowthStep,
  grow,
  type Solution,
  shareOf,
  solutionOf,
  solve,
} from '../growth/index.ts'
import { chooseWidths } from '../measuring/auto-widths.ts'
import { measureStatistics } from '../measuring/channel-statistics.ts'
import { planGradmax } from '../measuring/gradmax.ts'
import type { Model } from '../model/model.ts'
import type { Runtime, SessionOptions } from '../runtime/runtime.ts'
import type { Loss, LossName } from '../training/compile/losses/index.ts'

export interface GrowMeasuredOptions {
  /** Of steps that have none of their own, with their position added. Default 0. */
  readonly seed?: number | undefined
  /**
   * Samples of the training. Without them, inserted normalizations take mean 0 and variance 1, and units cannot start by the
   * gradient.
   */
  readonly samples?: SampleSet | undefined
  /** The loss whose gradient is taken. Default: the one that the model was trained with, where it tells. */
  readonly loss?: Loss | LossName | undefined
  /** Which of the model's outputs the loss is of. Default: the first of floating-point numbers. */
  readonly output?: string | undefined
  readonly runtime: Runtime
  readonly session?: SessionOptions | undefined
  readonly signal?: AbortSignal | undefined
  /** Turns of the search for directions of new units, as of `rank`. Default 3. */
  readonly turns?: number | undefined
}

type Measuring = Omit<GrowMeasuredOptions, 'seed'>

/**
 * Grows a model step by step, as `grow`, but every normalization that is inserted gets the mean and variance of what
 * passes there in the samples: in training mode, too, it changes (almost) nothing at first. Units that start by the gradient
 * (`gradmax`) and widths by what they gain (`auto`) are found on the samples.
 *
 * @throws Net2NetError (usage, refused) as `grow`; as the runtime, where the model does not run on the samples
 */
export async function growMeasured(
  model: Model,
  steps: readonly GrowthStep[],
  { seed = 0, ...measuring }: GrowMeasuredOptions,
): Promise<GrownModel> {
  const grown: GrownModel[] = []
  for (const [i, step] of steps.entries()) {
    const before = grown.at(-1)?.model ?? model
    const from = step.plan ? before : solve(before)
    const chosen = await byGradient(from, step, seed + i, measuring)
    const statistics = await statisticsFor(from, step, measuring)
    grown.push(grow(from, [chosen], { seed: seed + i, statistics }))
  }
  const none = grow(model, [])
  const { parameters, model: last } = grown.at(-1) ?? none
  return {
    model: last,
    plans: grown.flatMap(({ plans }) => plans),
    steps: grown.flatMap(({ steps }) => steps),
    parameters: { ...none.parameters, after: parameters.after },
  }
}

/** The step with the widths and the plan that follow from the gradient on the samples, where it asks for that. */
async function byGradient(
  from: Model | Solution,
  step: GrowthStep,
  seed: number,
  { samples, ...options }: Measuring,
): Promise<GrowthStep> {
  if (!('widen' in step) || step.plan || !samples) return step
  const sampling = { ...options, seed: step.seed ?? seed }
  const share = shareOf(step.widen)
  const isChosen = share !== undefined
  const widen = isChosen
    ? await chooseWidths(solutionOf(from), share, samples, sampling)
    : step.widen
  const init = step.init ?? (isChosen ? 'gradmax' : undefined)
  if (init !== 'gradmax') return { ...step, widen }
  return {
    ...step,
    widen,
    init,
    plan: await planGradmax(solutionOf(from), widen, samples, sampling),
  }
}

async function statisticsFor(
  from: Model | Solution,
  step: GrowthStep,
  { samples, runtime, session }: Measuring,
): Promise<Readonly<Record<string, ChannelStatistics>>> {
  if (!('deepen' in step) || step.plan || !samples) return {}
  const options = { samples, runtime, session }
  return measureStatistics(from, [step.deepen].flat(), options)
}
