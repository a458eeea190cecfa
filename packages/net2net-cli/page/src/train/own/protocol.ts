/** What the page and a worker that trains one of the user's networks tell each other. */
import type { GrowthStep } from 'net2net'
import type { LossName } from 'net2net/training'
import type { Failure, NamedBytes } from '../../engine/protocol.ts'
import type { ChosenDevice, DeviceSetting } from '../protocol.ts'
import type { PlainState } from './snapshot.ts'

type Bytes = Uint8Array<ArrayBuffer>

export const optimizerNames = ['sgd', 'adam', 'adamw', 'rmsprop', 'lion'] as const
export type OptimizerName = (typeof optimizerNames)[number]

/** Names of data that come with the page. */
export const builtIn = ['mnist', 'fashion-mnist'] as const
export type BuiltIn = (typeof builtIn)[number]

export interface OwnSettings {
  /** A name of `builtIn`, or files that were dropped. */
  readonly data: BuiltIn | 'files'
  /** Of the training data; the rest is left out. */
  readonly samples: number
  /** auto: cross-entropy for classes, squared errors for values. */
  readonly loss: LossName | 'auto'
  /** The output that the loss is of; none, or one that the network has not: the first that the data fit. */
  readonly output?: string
  readonly optimizer: OptimizerName
  readonly rate: number
  readonly epochs: number
  readonly batchSize: number
  readonly seed: number
  /** `auto`: whichever is faster. */
  readonly device: DeviceSetting
}

/** A training at one moment, as it crosses between workers, and as it is kept. */
export interface Snapshot {
  /** The network with its present weights, as an ONNX file. */
  readonly model: Bytes
  readonly state: PlainState
}

/** With what an arm begins. */
export interface Beginning {
  /** An ONNX file. */
  readonly model: Bytes
  /** Goes on from here after this growth. */
  readonly grown?: { readonly from: Snapshot; readonly steps: readonly GrowthStep[] }
}

/** How far an arm is: all that a worker must know to go on, and the page to show it. */
export interface ArmProgress {
  readonly started: Started
  /** Of each step here. */
  readonly losses: readonly number[]
  readonly snapshot: Snapshot
  readonly isDone: boolean
}

/** An arm of a training, among all that are kept in this browser. */
export interface ArmKey {
  readonly training: string
  readonly arm: number
}

/** On what is trained, and how. */
export interface Task {
  readonly settings: OwnSettings
  readonly files: readonly NamedBytes[]
  readonly threads: number
}

export type OwnCommand =
  /** Which device is faster? Answered by `chosen`. */
  | ({ readonly type: 'choose'; readonly model: Bytes } & Task)
  /** Goes on from where the arm is kept, where it is. */
  | ({
      readonly type: 'begin'
      readonly key: ArmKey
      readonly beginning: Beginning
      readonly device: ChosenDevice
      readonly paused: boolean
    } & Task)
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  /** Keeps how far it is, after the running step. */
  | { readonly type: 'keep' }
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

/** An arm before its first step here. */
export interface Started {
  readonly parameters: number
  /** To be made here. */
  readonly steps: number
  readonly loss: LossName
  /** Of the training data, and of those that are held back. */
  readonly samples: number
  readonly validation: number
  readonly initial: { readonly valLoss: number; readonly valAccuracy?: number }
  /** The network before its first step here. */
  readonly model: Bytes
  readonly notes: readonly string[]
}

export type OwnEvent =
  | { readonly type: 'measuring' }
  | ({ readonly type: 'chosen' } & ChosenDevice)
  | ({ readonly type: 'started' } & Started)
  /** It goes on from where it was kept; `model`: as it is now. */
  | {
      readonly type: 'restored'
      readonly started: Started
      readonly losses: readonly number[]
      readonly epochs: readonly OwnEpoch[]
      readonly model: Bytes
    }
  | {
      readonly type: 'steps'
      readonly losses: readonly number[]
      /** Unknown after the first step. */
      readonly stepsPerSecond?: number
    }
  | { readonly type: 'epoch'; readonly result: OwnEpoch; readonly model: Bytes }
  /** The device failed: it goes on elsewhere, from where so many steps of this arm were made. */
  | { readonly type: 'again'; readonly steps: number; readonly instead: ChosenDevice }
  | { readonly type: 'kept'; readonly step: number }
  /** Why it could not be kept, in the browser's words. */
  | { readonly type: 'not kept'; readonly isFull: boolean; readonly reason: string }
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  /** All epochs are done; `snapshot`: to go on from, after growth. */
  | { readonly type: 'end'; readonly snapshot: Snapshot }
  | { readonly type: 'failed'; readonly failure: Failure }
