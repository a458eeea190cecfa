/** An exploration whose networks train in this program. */
import type { SampleSet } from '../data/samples.ts'
import { usageError } from '../errors.ts'
import { chosenLayers } from '../growing/chosen-layers.ts'
import { solve } from '../growth/index.ts'
import type { Model } from '../model/model.ts'
import { mustBeCandidateOptions } from './candidates.ts'
import { Exploration, type ExplorationOptions, type RungRunner } from './exploration.ts'
import type { NetworkStore, TrainedNetwork } from './networks.ts'
import { mustBeObjectives } from './objectives.ts'
import { keyOf } from './records.ts'
import type { SearchSettings } from './search.ts'
import { type RungOptions, trainRung } from './train-rung.ts'

export interface ExploreOptions
  extends SearchSettings,
    Omit<RungOptions, 'objectives' | 'onStep' | 'saveEvery' | 'seed' | 'signal' | 'store'>,
    Omit<ExplorationOptions, 'jobs' | 'runner'> {
  /** Default: in memory. */
  readonly store?: NetworkStore | undefined
}

/** Networks in memory. */
export function memoryStore(): NetworkStore {
  const networks = new Map<string, TrainedNetwork>()
  return {
    read: async (at) => {
      const network = networks.get(keyOf(at))
      if (network) return network
      throw usageError(`The store has no network ${at.network} at rung ${at.rung}.`, {
        hint: 'An exploration goes on with the store and the journal that it began with.',
      })
    },
    write: async (at, network) => void networks.set(keyOf(at), network),
  }
}

/** Trains the networks of an exploration here. */
export const localRunner = (first: Model, data: SampleSet, options: RungOptions): RungRunner => ({
  run: (job, { signal, onProgress }) =>
    trainRung(job, first, data, {
      ...options,
      signal,
      onStep: ({ step, until, loss }) => {
        const { network, rung, steps } = job
        onProgress({ network, rung, steps, step: steps - (until - step), loss })
      },
    }),
})

/** See index.ts. */
export function explore(model: Model, data: SampleSet, options: ExploreOptions): Exploration {
  const { seed, rungs, objectives, randomShare, budget, ...rest } = options
  const { journal, follow, signal, onProgress, store = memoryStore(), ...training } = rest
  mustBeObjectives(objectives ?? {})
  mustBeCandidateOptions(training.growth ?? {})
  if (training.growth?.layers) chosenLayers(solve(model), training.growth.layers)
  return new Exploration(
    { seed, rungs, objectives, randomShare, budget },
    {
      runner: localRunner(model, data, { ...training, seed, objectives, store }),
      journal,
      follow,
      signal,
      onProgress,
    },
  )
}
