/** What a training is told, and what it tells while it runs. */

import type { TrainingData } from '../data/samples.ts'
import type { Runtime, SessionOptions } from '../runtime/runtime.ts'
import type { StepOptions } from './compile/step-graph.ts'
import type { Metric } from './metrics/metrics.ts'
import type { EvaluateOptions } from './run/evaluate.ts'
import type { TrainingState } from './run/state.ts'

export interface TrainOptions
  extends Omit<StepOptions, 'gradients' | 'joinVectors' | 'target' | 'targetShape' | 'watch'> {
  readonly runtime: Runtime
  /** Default 1. */
  readonly epochs?: number | undefined
  /** Samples per step; default 32. The last batch of an epoch may be smaller. */
  readonly batchSize?: number | undefined
  /** Measured after each epoch. */
  readonly validation?: TrainingData | undefined
  /**
   * What to measure on the validation data after each epoch, besides loss and accuracy: names (`f1`, `auc`, `top-5`, `mae` …)
   * or metrics of your own.
   */
  readonly metrics?: readonly (Metric | string)[] | undefined
  /** Samples per run of the validation; default 100. */
  readonly evaluationBatchSize?: number | undefined
  /** Decides the order of the samples and the random masks. Default 0. */
  readonly seed?: number | undefined
  /** Take the samples in a new order in every epoch. Default true. */
  readonly shuffle?: boolean | undefined
  readonly session?: SessionOptions | undefined
  readonly earlyStopping?: EarlyStopping | undefined
  readonly signal?: AbortSignal | undefined
  /** Called after every step. Must not keep what it is given busy: it is not waited for. */
  readonly onStep?: ((event: StepEvent) => void) | undefined
  /** Called while the validation data are measured, as `onProgress` of `evaluate`. */
  readonly onValidation?: EvaluateOptions['onProgress']
  /** Takes the state every so many steps and after every epoch, and is waited for. */
  readonly checkpoint?: CheckpointHook | undefined
  /** Go on from here: the state of an earlier training of the same model with the same options. */
  readonly resume?: TrainingState | undefined
  /** Stop after this many steps since the training began, in the middle of an epoch if need be. */
  readonly untilStep?: number | undefined
}

export interface EarlyStopping {
  /** Epochs without improvement before training ends. */
  readonly patience: number
  /** What is to improve: the name of one of the `metrics`. Default: the validation loss, or the loss. */
  readonly metric?: string | undefined
  /** What counts as an improvement; default 0. */
  readonly minimumChange?: number
  /** End with the parameters of the best epoch. Default false. */
  readonly restoreBest?: boolean
}

export interface CheckpointHook {
  /** Default: only after every epoch. */
  readonly everySteps?: number | undefined
  /** Asked after every step: whether to save now, too; after some seconds, say, or when somebody waits for the state. */
  isDue?(): boolean
  save(state: TrainingState): Promise<void>
}

export interface StepEvent {
  /** From 1. */
  readonly epoch: number
  readonly step: number
  /** Batches of this epoch that are done, and how many there are, where known. */
  readonly batch: number
  readonly batches: number | undefined
  /** Of this batch. */
  readonly loss: number
  readonly accuracy?: number
  /** Means over the epoch so far. */
  readonly epochLoss: number
  readonly epochAccuracy?: number
  /** Samples in this batch. */
  readonly samples: number
  /** Predictions in this batch: those of a sequence are as many as it is long. */
  readonly predictions: number
  readonly learningRate: number
  /** The norm of all gradients together before they were clipped, where they are. */
  readonly gradientNorm?: number
  /** Wall time of the epoch so far. */
  readonly seconds: number
}
