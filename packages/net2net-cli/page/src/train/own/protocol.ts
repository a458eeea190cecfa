/** What the page and a worker that trains one of the user's networks tell each other. */
import type { GrowthStep } from 'net2net'
import type { LossName } from 'net2net/training'
import type { Failure, NamedBytes } from '../../engine/protocol.ts'

type Bytes = Uint8Array<ArrayBuffer>

export const optimizerNames = ['sgd', 'adam', 'adamw', 'rmsprop', 'lion'] as const
export type OptimizerName = (typeof optimizerNames)[number]

/** Names of data that come with the page. */
export const builtIn = ['mnist', 'fashion-mnist'] as const

export interface OwnSettings {
  /** A name of `builtIn`, or files that were dropped. */
  readonly data: (typeof builtIn)[number] | 'files'
  /** Of the training data; the rest is left out. */
  readonly samples: number
  /** auto: cross-entropy for classes, squared errors for values. */
  readonly loss: LossName | 'auto'
  readonly optimizer: OptimizerName
  readonly rate: number
  readonly epochs: number
  readonly batchSize: number
  readonly seed: number
}

/** A training at one moment, as it crosses between workers. */
export interface Snapshot {
  /** The network with its present weights, as an ONNX file. */
  readonly model: Bytes
  /** A `TrainingState`; its tensors are told by type, shape and numbers. */
  readonly state: unknown
  readonly step: number
}

export type OwnCommand =
  | {
      readonly type: 'begin'
      readonly settings: OwnSettings
      readonly files: readonly NamedBytes[]
      readonly threads: number
      /** An ONNX file. */
      readonly model: Bytes
      /** Go on from here after this growth. */
      readonly grown?: { readonly from: Snapshot; readonly steps: readonly GrowthStep[] }
      readonly paused: boolean
    }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  /** Answered by `snapshot` after the running step. */
  | { readonly type: 'snapshot' }

export interface OwnEpoch {
  readonly epoch: number
  /** Steps of the training so far. */
  readonly step: number
  readonly loss: number
  readonly valLoss: number
  readonly valAccuracy?: number
  readonly seconds: number
}

export type OwnEvent =
  | {
      readonly type: 'started'
      readonly parameters: number
      readonly loss: LossName
      /** Of the training data, and of those that are held back. */
      readonly samples: number
      readonly validation: number
      readonly initial: { readonly valLoss: number; readonly valAccuracy?: number }
      /** The network before its first step here. */
      readonly model: Bytes
      readonly notes: readonly string[]
    }
  | {
      readonly type: 'steps'
      readonly losses: readonly number[]
      readonly samplesPerSecond: number
    }
  | { readonly type: 'epoch'; readonly result: OwnEpoch; readonly model: Bytes }
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  /** All epochs are done; `snapshot`: to go on from, after growth. */
  | { readonly type: 'end'; readonly snapshot: Snapshot }
  | { readonly type: 'failed'; readonly failure: Failure }
