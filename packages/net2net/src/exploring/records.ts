/** What is written down of an exploration: its journal is a list of these records, from which all decisions follow. */
import type { GrowthStep } from '../growth/index.ts'
import type { Cost, Measured } from './objectives.ts'

/** A network as it was at the end of a rung. */
export interface NetworkAtRung {
  /** Networks are numbered in the order in which they were begun; 0 is the one that was given. */
  readonly network: number
  /** From 0. */
  readonly rung: number
}

/** Who a new network grows from, and how its growth is chosen. */
export interface GrowthDraw {
  readonly parent: NetworkAtRung
  /** By the gains that are expected of candidates, or at random among all that are possible. */
  readonly by: 'gain' | 'random'
  /** What other children of the parent grew by: candidates that are passed over. */
  readonly tried: readonly GrowthStep[]
  /** How many children are being made, of which nobody knows yet what they grew by: as many candidates more are passed over. */
  readonly place: number
}

/** One piece of work: to train a network to a rung. A new network grows before. Decides every bit of what comes of it. */
export interface RungJob extends NetworkAtRung {
  /** Steps to train. */
  readonly steps: number
  /** Steps since the network grew, at the end of the rung. */
  readonly until: number
  /** Of new networks, but for the first. */
  readonly growth?: GrowthDraw
  /** Milliseconds that were measured before, where an exploration is gone through again: measuring differs each time. */
  readonly latency?: number
}

/** What comes of a job. */
export type RungOutcome =
  | (Measured & {
      readonly kind: 'trained'
      /** Mean over the running epoch so far, or over the last one. */
      readonly trainLoss: number
      /** Steps that the network and those it grew from have been trained. */
      readonly step: number
      /** What it grew by, of new networks. */
      readonly grown?: GrowthStep
      /** SHA-256 of the network's file, so that runs can be compared. */
      readonly digest: string
      /** Wall time of the rung. */
      readonly seconds: number
    })
  /** The network was not trained, since it is beyond a limit. */
  | {
      readonly kind: 'beyond'
      readonly limit: Cost
      readonly value: number
      readonly grown?: GrowthStep
    }
  /** The parent has no more candidates of this kind. */
  | { readonly kind: 'exhausted' }
  | { readonly kind: 'failed'; readonly message: string; readonly grown?: GrowthStep }

export type Trained = Extract<RungOutcome, { readonly kind: 'trained' }>

export type EndReason = 'trials' | 'steps' | 'seconds' | 'nothing left'

export type ExplorationRecord =
  | { readonly kind: 'begin'; readonly version: number; readonly settings: unknown }
  | { readonly kind: 'start'; readonly job: RungJob; readonly seconds: number }
  | (NetworkAtRung & {
      readonly kind: 'finish'
      readonly outcome: RungOutcome
      /** Since the exploration began, interruptions left out. */
      readonly seconds: number
    })
  | { readonly kind: 'end'; readonly reason: EndReason; readonly seconds: number }

export const keyOf = ({ network, rung }: NetworkAtRung): string => `${network}@${rung}`
