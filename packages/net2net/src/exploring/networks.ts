/** Networks of an exploration as they are kept. */
import type { GrowthStage } from '../growing/schedule.ts'
import type { Model } from '../model/model.ts'
import type { TrainingState } from '../training/run/state.ts'
import type { NetworkAtRung } from './records.ts'

/** A network with all that decides how its training goes on. */
export interface TrainedNetwork {
  readonly model: Model
  /** undefined before the first step. */
  readonly state: TrainingState | undefined
  /** How it grew from the first network, as stages of a growing training that makes it anew. */
  readonly stages: readonly GrowthStage[]
}

/** Keeps networks as they are at the ends of rungs. */
export interface NetworkStore {
  read(at: NetworkAtRung): Promise<TrainedNetwork>
  write(at: NetworkAtRung, network: TrainedNetwork): Promise<void>
  /** A network in the middle of a rung, where the store keeps such. */
  readUnfinished?(at: NetworkAtRung): Promise<TrainedNetwork | undefined>
  writeUnfinished?(at: NetworkAtRung, network: TrainedNetwork): Promise<void>
}
