/** Growth outside of a training, in which inserted normalizations know what passes. */
import type { SampleSet } from '../data/samples.ts'
import {
  type ChannelStatistics,
  type GrownModel,
  type GrowthStep,
  grow,
  type Solution,
  solve,
} from '../growth/index.ts'
import { measureStatistics } from '../measuring/channel-statistics.ts'
import type { Model } from '../model/model.ts'
import type { Runtime, SessionOptions } from '../runtime/runtime.ts'

export interface GrowMeasuredOptions {
  /** Of steps that have none of their own, with their position added. Default 0. */
  readonly seed?: number | undefined
  /** Samples of the training. Without them, inserted normalizations take mean 0 and variance 1. */
  readonly samples?: SampleSet | undefined
  readonly runtime: Runtime
  readonly session?: SessionOptions | undefined
}

/**
 * Grows a model step by step, as `grow`, but every normalization that is inserted gets the mean and variance of what
 * passes there in the samples: in training mode, too, it changes (almost) nothing at first.
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
    const statistics = await statisticsFor(from, step, measuring)
    grown.push(grow(from, [step], { seed: seed + i, statistics }))
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

async function statisticsFor(
  from: Model | Solution,
  step: GrowthStep,
  { samples, runtime, session }: Omit<GrowMeasuredOptions, 'seed'>,
): Promise<Readonly<Record<string, ChannelStatistics>>> {
  if (!('deepen' in step) || step.plan || !samples) return {}
  const options = { samples, runtime, session }
  return measureStatistics(from, [step.deepen].flat(), options)
}
