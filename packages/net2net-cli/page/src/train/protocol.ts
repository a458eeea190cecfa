/** What the Train tab and its worker tell each other. */
import type { ArmEpoch, ArmResult } from '../../../src/runs/results.ts'
import type { Failure } from '../engine/protocol.ts'

const deviceSettings = ['auto', 'cpu', 'webgpu'] as const
export type DeviceSetting = (typeof deviceSettings)[number]
/** The one that is called so; what is none is left to the page. */
export const deviceSetting = (text: string): DeviceSetting =>
  deviceSettings.find((name) => name === text) ?? 'auto'

/** Where the training runs, and why: a sentence for people. */
export interface ChosenDevice {
  readonly device: 'cpu' | 'webgpu'
  readonly reason: string
}

export interface TrainSettings {
  /** Names of arms; the teacher is added where a student needs it. */
  readonly arms: readonly string[]
  readonly epochs: number
  readonly images: number
  readonly testImages: number
  readonly batchSize: number
  readonly teacherRate: number
  readonly studentRate: number
  readonly seed: number
  /** `auto`: whichever is faster. */
  readonly device: DeviceSetting
}

export type Command =
  | { readonly type: 'run'; readonly settings: TrainSettings; readonly paused: boolean }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  /** One step, then wait again. */
  | { readonly type: 'step' }
  | { readonly type: 'predict'; readonly id: number; readonly pixels: Float32Array }
  | { readonly type: 'model'; readonly id: number; readonly arm: string }

type Bytes = Uint8Array<ArrayBuffer>

/** What the worker that plans a run tells one that trains. */
export type ArmCommand =
  /** Which device is faster? Answered by `chosen`. */
  | { readonly type: 'choose'; readonly threads: number; readonly settings: TrainSettings }
  /** Answered by `trained`; `teacher` is an ONNX file. */
  | {
      readonly type: 'train'
      readonly threads: number
      readonly settings: TrainSettings
      readonly arm: string
      readonly device: ChosenDevice
      readonly teacher: Bytes | undefined
    }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'step' }

export type ArmEvent =
  | { readonly type: 'measuring' }
  | ({ readonly type: 'chosen' } & ChosenDevice)
  | { readonly type: 'start'; readonly arm: ArmResult }
  | { readonly type: 'loss'; readonly loss: StepLoss }
  /** The device failed: so many steps are made once more, elsewhere. */
  | { readonly type: 'again'; readonly steps: number; readonly instead: ChosenDevice }
  | {
      readonly type: 'epoch'
      readonly arm: string
      readonly step: number
      readonly result: ArmEpoch
      /** The network so far, as an ONNX file. */
      readonly model: Bytes
    }
  | { readonly type: 'trained' }
  | { readonly type: 'failed'; readonly failure: Failure }

export interface StepLoss {
  readonly arm: string
  readonly step: number
  readonly loss: number
}

export interface Prediction {
  readonly arm: string
  readonly probabilities: readonly number[]
}

export type TrainEvent =
  | { readonly type: 'plan'; readonly arms: readonly string[]; readonly stepsPerEpoch: number }
  | { readonly type: 'measuring' }
  | ({ readonly type: 'device' } & ChosenDevice)
  /** Also where an arm starts once more, on another device. */
  | { readonly type: 'start'; readonly arm: ArmResult }
  | {
      readonly type: 'steps'
      readonly losses: readonly StepLoss[]
      /** Steps of the whole run so far, and all of them. */
      readonly done: number
      readonly total: number
      readonly imagesPerSecond: number
      /** As far as can be said yet; validation counts as nothing. */
      readonly secondsLeft?: number
    }
  | {
      readonly type: 'epoch'
      readonly arm: string
      readonly step: number
      readonly result: ArmEpoch
    }
  | { readonly type: 'done'; readonly seconds: number }
  | { readonly type: 'failed'; readonly failure: Failure }
  | { readonly type: 'predicted'; readonly id: number; readonly predictions: readonly Prediction[] }
  | { readonly type: 'model'; readonly id: number; readonly bytes: Bytes | undefined }
