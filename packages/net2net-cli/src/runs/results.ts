/** What is reported of a run: events while it goes on, and results.json at the end. */

export interface ArmEpoch {
  /** From 1. */
  readonly epoch: number
  /** Mean over the epoch. */
  readonly loss: number
  readonly accuracy: number
  /** On the whole test set, after the epoch. */
  readonly valLoss: number
  readonly valAccuracy: number
  /** Wall time, validation included. */
  readonly seconds: number
}

export interface ArmResult {
  readonly name: string
  readonly parameters: number
  readonly learningRate: number
  /** Threads of ONNX Runtime that it was trained with. */
  readonly threads: number
  /** Of a student, before its first step. */
  readonly initial?: { readonly valLoss: number; readonly valAccuracy: number }
  readonly epochs: readonly ArmEpoch[]
  /** The trained network, in the run's folder; absent until its first epoch is done. */
  readonly model?: string
}

export interface RunResults {
  readonly seed: number
  /** How to make this run again. */
  readonly command: string
  readonly settings: {
    readonly epochs: number
    readonly batchSize: number
    readonly trainSize: number
    readonly testSize: number
  }
  /** Versions that decide the last bits. */
  readonly environment: Readonly<Record<string, string | number>>
  /** ISO 8601. */
  readonly started: string
  /** Whether all arms have all their epochs. */
  readonly finished: boolean
  readonly seconds: number
  readonly arms: readonly ArmResult[]
  readonly directory: string
}

/** One line of metrics.jsonl: means over some steps, or a validation. */
export interface MetricsLine {
  readonly arm: string
  readonly epoch: number
  /** Steps of the arm so far. */
  readonly step: number
  readonly loss?: number
  readonly accuracy?: number
  readonly learningRate?: number
  readonly valLoss?: number
  readonly valAccuracy?: number
}

/** What is reported of an arm while it is trained. */
export type ArmEvent =
  | { readonly kind: 'start'; readonly arm: ArmResult }
  | {
      readonly kind: 'progress'
      readonly metrics: MetricsLine
      /** Batches of the epoch that are done, and all of them. */
      readonly batch: number
      readonly batches: number
      /** Means over the epoch so far. */
      readonly epochLoss: number
      readonly epochAccuracy: number
      readonly imagesPerSecond: number
    }
  | {
      readonly kind: 'epoch'
      readonly arm: string
      readonly step: number
      readonly result: ArmEpoch
    }
