/**
 * Explorations: many networks that grow from one another, each trained from what its parent knew. Its functions check what they
 * are given.
 */
import * as kind from '../arguments.ts'
import type { SampleSet } from '../data/samples.ts'
import type { Model } from '../model/model.ts'
import { withRuntime } from '../runtime/default-runtime.ts'
import type { RuntimeOptional } from '../runtime/runtime.ts'
import { loss, measuring, optimizer, step } from '../training/kinds.ts'
import { type CandidateOptions, growthCandidates as candidates } from './candidates.ts'
import { Exploration, type ExplorationOptions } from './exploration.ts'
import { type ExploreOptions, explore as exploreHere } from './explore.ts'
import type { Objectives } from './objectives.ts'
import type { RungJob, RungOutcome } from './records.ts'
import type { Budget, Rungs, SearchSettings } from './search.ts'
import { type RungOptions, trainRung as train } from './train-rung.ts'

export {
  type CandidateOptions,
  type GrowthOperation,
  growthOperations,
} from './candidates.ts'
export type {
  Exploration,
  ExplorationEvent,
  ExplorationJournal,
  ExplorationOptions,
  RungProgress,
  RungRunner,
} from './exploration.ts'
export type { ExploreOptions } from './explore.ts'
export type { NetworkStore, TrainedNetwork } from './networks.ts'
export { type Cost, costs, type Limits, type Measured, type Objectives } from './objectives.ts'
export type {
  EndReason,
  ExplorationRecord,
  GrowthDraw,
  NetworkAtRung,
  RungJob,
  RungOutcome,
} from './records.ts'
export type { Budget, Entry, ExploredNetwork, Rungs, SearchSettings } from './search.ts'
export type { RungOptions } from './train-rung.ts'

const candidateOptions = kind.options<CandidateOptions>({
  layers: kind.texts,
  operations: kind.texts,
  factors: kind.numbers,
})
const { number } = kind
const search = {
  seed: number,
  rungs: kind.options<Rungs>({ steps: number, factor: number, most: number, children: kind.text }),
  objectives: kind.options<Objectives>({
    metric: kind.text,
    against: kind.texts,
    limits: kind.recordOf('an object of numbers by cost', number),
  }),
  randomShare: number,
}
const budget = kind.options<Budget>({ trials: number, steps: number, seconds: number })
const journal = kind.object('an object with records and append', 'append', 'function')
const records = kind.listOf('a list of records', kind.object('a record', 'kind', 'string'))
const samples = kind.object('a data set', 'batches', 'function')
const store = kind.object('a store of networks', 'read', 'function')
const rung = {
  ...step,
  ...measuring,
  evaluationBatchSize: number,
  shuffle: kind.flag,
  growth: candidateOptions,
  onValidation: kind.callback,
}
const running = { signal: kind.signal, onProgress: kind.callback, journal, follow: records }

/**
 * Explores networks that grow from a model: trains them rung by rung, lets the best go on and grow, until the budget is
 * spent. Iterating carries it out; `front` has the networks that none is better than in everything. With a journal and
 * a store that last, it goes on after an interruption with the same bits.
 *
 * ```ts
 * const exploration = explore(model, train, { loss, optimizer, validation, budget: { trials: 30 } })
 * for await (const event of exploration) if (event.kind === 'finish') show(event.front)
 * ```
 *
 * @throws Net2NetError (usage), at once, for options that no exploration can have; while iterating, as `train`
 */
export const explore = kind.checked(
  'explore',
  (model: Model, data: SampleSet, options: RuntimeOptional<ExploreOptions>): Exploration =>
    exploreHere(model, data, withRuntime(options)),
  {
    model: kind.model,
    data: samples,
    options: kind.options<RuntimeOptional<ExploreOptions>>(
      { ...search, ...rung, ...running, store },
      { loss, optimizer, validation: samples, budget },
    ),
  },
)

/**
 * An exploration whose networks are trained elsewhere: in other processes, or on other machines, where `trainRung` does the
 * jobs that the runner is given.
 *
 * @throws Net2NetError (usage), at once, for settings that no exploration can have
 */
export const exploreWith = kind.checked(
  'exploreWith',
  (settings: SearchSettings, options: ExplorationOptions): Exploration =>
    new Exploration(settings, options),
  {
    settings: kind.options<SearchSettings>(search, { budget }),
    options: kind.options<ExplorationOptions>(
      { ...running, jobs: number },
      { runner: kind.object('a runner', 'run', 'function') },
    ),
  },
)

/**
 * Does one job of an exploration: grows a network, if it is new, trains it to the end of a rung, and measures it.
 *
 * @param first the network that the exploration began with
 * @throws Net2NetError as growth and training; interrupted where the signal said so
 */
export const trainRung = kind.checkedAsync(
  'trainRung',
  (
    job: RungJob,
    first: Model,
    data: SampleSet,
    options: RuntimeOptional<RungOptions>,
  ): Promise<RungOutcome> => train(job, first, data, withRuntime(options)),
  {
    job: kind.object('a job', 'network', 'number'),
    first: kind.model,
    data: samples,
    options: kind.options<RuntimeOptional<RungOptions>>(
      { ...rung, objectives: search.objectives, saveEvery: number, onStep: kind.callback },
      { loss, optimizer, validation: samples, store },
    ),
  },
)

/**
 * All growths of a model that the solver allows, by operation: of each layer with its group, of each block, and of all layers
 * at once.
 *
 * @param from a model, or what has been solved of it
 * @throws Net2NetError (usage) for layers that there are not
 */
export const growthCandidates = kind.checked('growthCandidates', candidates, {
  from: kind.solvable,
  options: kind.optional(candidateOptions),
})
