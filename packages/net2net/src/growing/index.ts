/** Trainings that grow the network on their way. Its functions check what they are given. */
import * as kind from '../arguments.ts'
import type { TrainingData } from '../data/samples.ts'
import { type GrowthStep, type Solution, solutionOf } from '../growth/index.ts'
import { type MeasuredWidths, measureWidths as widthsWith } from '../measuring/auto-widths.ts'
import {
  type MeasureOptions,
  measureStatistics as measureWith,
} from '../measuring/channel-statistics.ts'
import type { SamplingOptions } from '../measuring/gradients.ts'
import { type RankedGrowth, type RankOptions, rank as rankWith } from '../measuring/rank.ts'
import type { Model } from '../model/model.ts'
import { withRuntime } from '../runtime/default-runtime.ts'
import type { RuntimeOptional } from '../runtime/runtime.ts'
import {
  checkpoint,
  loss,
  measuring,
  optimizer,
  session,
  training,
  trainings,
} from '../training/kinds.ts'
import { carryState as carry } from './carry-state.ts'
import { continueState as continueFrom } from './continue-state.ts'
import { type GrowMeasuredOptions, growMeasured as growWith } from './grow-measured.ts'
import { auto, growthStep, stages } from './kinds.ts'
import { withClassesOf as addClasses } from './new-classes.ts'
import { type Portion, type StreamOptions, StreamTraining } from './stream.ts'
import { type GrowingOptions, GrowingTraining } from './train-growing.ts'

export type { MeasuredWidths, WidthBudget } from '../measuring/auto-widths.ts'
export type { MeasureOptions } from '../measuring/channel-statistics.ts'
export type { SamplingOptions } from '../measuring/gradients.ts'
export type { RankedBy, RankedGrowth, RankedKind, RankOptions } from '../measuring/rank.ts'
export type { AutoGrowth, GrowthDecision } from './auto-growth.ts'
export type { CapacityFacts, CapacityJudgement, CapacityRule } from './capacity.ts'
export type { CarryOptions, TrainingMoment } from './carry-state.ts'
export type { GrowMeasuredOptions } from './grow-measured.ts'
export type { ClassesAdded } from './new-classes.ts'
export type { GrowthMoment, GrowthStage } from './schedule.ts'
export type {
  Portion,
  StreamEvent,
  StreamOptions,
  StreamPosition,
  StreamTraining,
} from './stream.ts'
export type {
  GrowingEvent,
  GrowingOptions,
  GrowingTraining,
  GrowthPosition,
} from './train-growing.ts'

/**
 * Trains a network that grows in stages. Iterating yields every epoch and every growth; the last event has the trained
 * network.
 *
 * @throws Net2NetError (usage, refused), at once, where a stage cannot be grown; while iterating, as `train`
 */
export const trainGrowing = kind.checked(
  'trainGrowing',
  (model: Model, data: TrainingData, options: RuntimeOptional<GrowingOptions>): GrowingTraining =>
    new GrowingTraining(model, data, withRuntime(options)),
  {
    model: kind.model,
    data: kind.data,
    options: kind.options<RuntimeOptional<GrowingOptions>>(
      {
        ...training,
        checkpoint,
        resume: kind.object('a state with its position', 'position', 'object'),
        auto,
      },
      { loss, optimizer, stages },
    ),
  },
)

/**
 * Trains on portions of data as they come, with replay, new classes and growth; what has been learned, the optimizer's state and the
 * names of classes go on from one to the next. Between portions a stream goes on with `earlier`, within one from what `checkpoint` saved
 * with `resume`, to the same bits.
 *
 * ```ts
 * for await (const event of trainStream(model, portions, { loss, optimizer, auto: {} })) …
 * ```
 *
 * @param portions a list, or an async iterable that gives the next portion when it is there
 * @throws Net2NetError while iterating: as `trainGrowing`; refused where an output cannot get the classes of a portion
 */
export const trainStream = kind.checked(
  'trainStream',
  (
    model: Model,
    portions: AsyncIterable<Portion> | Iterable<Portion>,
    options: RuntimeOptional<StreamOptions>,
  ): StreamTraining => new StreamTraining(model, portions, withRuntime(options)),
  {
    model: kind.model,
    portions: kind.data,
    options: kind.options<RuntimeOptional<StreamOptions>>(
      {
        ...trainings,
        earlier: kind.object('the state of a training', 'tensors', 'object'),
        checkpoint,
        resume: kind.object('a state with its position', 'position', 'object'),
        auto,
      },
      { loss, optimizer },
    ),
  },
)

const stepOptions = kind.object('the options of a training', 'optimizer', 'object')

/**
 * A training after growth: its network, its state and its compiled step. Go on with
 * `train(model, data, { resume: state, … })`. Where the learning rate changes, velocity changes with it.
 * See carry-state.ts.
 *
 * @throws Net2NetError (usage, refused) as `buildStep`
 */
export const carryState = kind.checked('carryState', carry, {
  training: kind.object('a training', 'state', 'object'),
  plan: kind.either('a growth plan, or a list of them', kind.plan, kind.listOf('', kind.plan)),
  options: stepOptions,
})

/**
 * The state that a new training of a network begins with, with the optimizer's slots at the end of an earlier one; undefined where they
 * do not belong to this optimizer and model. Go on with `train(model, data, { resume: state, … })`. See continue-state.ts.
 *
 * @throws Net2NetError (usage, refused) as `buildStep`
 */
export const continueState = kind.checked('continueState', continueFrom, {
  model: kind.model,
  tensors: kind.map('a Map of tensors'),
  plans: kind.listOf('a list of growth plans', kind.plan),
  options: stepOptions,
})

/**
 * The model with an output for every class of the samples: those that it knew keep their places and scores. See new-classes.ts.
 *
 * @throws Net2NetError (usage, refused) as `buildStep`; refused where the output cannot be extended
 */
export const withClassesOf = kind.checked('withClassesOf', addClasses, {
  model: kind.model,
  sets: kind.listOf('a list of data sets', kind.object('a data set', 'batches', 'function')),
  options: stepOptions,
})

/**
 * Mean and variance per channel of what passes where normalizations are to be inserted, by layer; see `deepen`.
 *
 * @param from a model, or what has been solved of it
 * @param layers names, parts of names or patterns
 */
export const measureStatistics = kind.checkedAsync(
  'measureStatistics',
  (from: Model | Solution, layers: readonly string[], options: RuntimeOptional<MeasureOptions>) =>
    measureWith(from, layers, withRuntime(options)),
  {
    from: kind.solvable,
    layers: kind.texts,
    options: kind.options<RuntimeOptional<MeasureOptions>>(
      { runtime: kind.runtime, session },
      { samples: kind.object('a data set', 'batches', 'function') },
    ),
  },
)

/**
 * Grows a model step by step, as `grow`, but every normalization that is inserted gets the mean and variance of what
 * passes there in the samples: in training mode, too, it changes (almost) nothing at first.
 *
 * @throws Net2NetError (usage, refused) as `grow`; as the runtime, where the model does not run on the samples
 */
export const growMeasured = kind.checkedAsync(
  'growMeasured',
  (
    model: Model,
    steps: readonly GrowthStep[],
    options: RuntimeOptional<GrowMeasuredOptions> = {},
  ) => growWith(model, steps, withRuntime(options)),
  {
    model: kind.model,
    steps: kind.listOf('a list of steps', growthStep),
    options: kind.options<RuntimeOptional<GrowMeasuredOptions>>({
      seed: kind.number,
      samples: kind.object('a data set', 'batches', 'function'),
      loss,
      output: kind.text,
      runtime: kind.runtime,
      session,
      signal: kind.signal,
      turns: kind.number,
    }),
  },
)

/**
 * Ranks the growths of a model by what they gain for what they cost, the best first: the expected decrease of the loss per added
 * parameter or multiply-add, to first order (GradMax, arXiv:2201.05125).
 *
 * ```ts
 * const [best] = await rank(model, data)
 * ```
 *
 * @param from a model, or what has been solved of it
 * @throws Net2NetError (usage) where there is no loss or the data do not fit, (input) where they are not what the model takes
 */
export const rank = kind.checkedAsync(
  'rank',
  (
    from: Model | Solution,
    data: TrainingData,
    options: RuntimeOptional<RankOptions> = {},
  ): Promise<readonly RankedGrowth[]> => rankWith(from, data, withRuntime(options)),
  {
    from: kind.solvable,
    data: kind.data,
    options: kind.options<RuntimeOptional<RankOptions>>({
      ...measuring,
      loss,
      samples: kind.number,
      turns: kind.number,
      seed: kind.number,
      by: kind.text,
      growths: kind.texts,
      onProgress: kind.callback,
      factor: kind.number,
    }),
  },
)

/**
 * Measures on samples what new units of every group of layers gain, as `rank`: widths for budgets of parameters or multiply-adds
 * follow from that.
 *
 * ```ts
 * const measured = await measureWidths(model, data)
 * const grown = grow(model, [{ widen: measured.within({ by: 'multiply-adds', added: 2e6 }) }])
 * ```
 *
 * @param from a model, or what has been solved of it
 * @throws Net2NetError (usage) where there is no loss or the data do not fit, (input) where they are not what the model takes
 */
export const measureWidths = kind.checkedAsync(
  'measureWidths',
  (
    from: Model | Solution,
    data: TrainingData,
    options: RuntimeOptional<SamplingOptions> = {},
  ): Promise<MeasuredWidths> => widthsWith(solutionOf(from), data, withRuntime(options)),
  {
    from: kind.solvable,
    data: kind.data,
    options: kind.options<RuntimeOptional<SamplingOptions>>({
      ...measuring,
      loss,
      samples: kind.number,
      turns: kind.number,
      seed: kind.number,
      onSamples: kind.callback,
    }),
  },
)
