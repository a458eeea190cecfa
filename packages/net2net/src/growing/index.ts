/** Trainings that grow the network on their way. Its functions check what they are given. */
import { defaultRuntime } from '#runtime'
import * as kind from '../arguments.ts'
import type { TrainingData } from '../data/samples.ts'
import type { Model } from '../model/model.ts'
import type { RuntimeOptional } from '../runtime/runtime.ts'
import { type MeasureOptions, measureStatistics as measureWith } from './channel-statistics.ts'
import { type GrowingOptions, GrowingTraining } from './schedule.ts'

export { growTraining } from './carry-state.ts'
export type { MeasureOptions } from './channel-statistics.ts'
export type {
  GrowingEvent,
  GrowingOptions,
  GrowingTraining,
  GrowthMoment,
  GrowthPosition,
  GrowthStage,
} from './schedule.ts'

/**
 * Trains a network that grows in stages. Iterating yields every epoch and every growth; the last event has the trained
 * network.
 *
 * @throws Net2NetError (usage, refused), at once, where a stage cannot be grown; while iterating, as `train`
 */
export const trainGrowing = kind.checked(
  'trainGrowing',
  (model: Model, data: TrainingData, options: RuntimeOptional<GrowingOptions>): GrowingTraining =>
    new GrowingTraining(model, data, { runtime: defaultRuntime, ...options }),
  { model: kind.model, data: kind.data },
)

/**
 * Mean and variance per channel of what passes where normalizations are to be inserted, by layer; see `deepen`.
 *
 * @param layers names, parts of names or patterns
 */
export const measureStatistics = kind.checkedAsync(
  'measureStatistics',
  (model: Model, layers: readonly string[], options: RuntimeOptional<MeasureOptions>) =>
    measureWith(model, layers, { runtime: defaultRuntime, ...options }),
  { model: kind.model, layers: kind.texts },
)
