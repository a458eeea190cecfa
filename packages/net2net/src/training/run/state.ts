/** Everything that decides how a training goes on, as plain data. */
import { elementCount, type NumericDType, Tensor } from '../../tensor/tensor.ts'
import { freshPlateau, type Moment, type PlateauState } from '../schedules.ts'

export interface EpochResult {
  /** From 1. */
  readonly epoch: number
  /** Mean over the epoch's samples, each under the weights of its own step. */
  readonly loss: number
  /** Share of right predictions, for losses of classes. */
  readonly accuracy?: number
  readonly valLoss?: number
  readonly valAccuracy?: number
  /** The metrics that were asked for, of the validation data. */
  readonly metrics?: Readonly<Record<string, number>>
  /** Wall time of the epoch, validation included. */
  readonly seconds: number
  /** Of the epoch's last step. */
  readonly learningRate: number
  /** Steps since the training began. */
  readonly step: number
}

/** What an epoch says of the size of a network. */
export interface RecentEpoch {
  readonly loss: number
  readonly valLoss?: number
  /** Steps of this epoch. */
  readonly steps: number
}

/** As many of them are kept. */
export const mostRecent = 8

/** Sums over the part of the running epoch that is done. */
export interface EpochTotals {
  readonly loss: number
  readonly correct: number
  readonly predictions: number
  readonly seconds: number
  /** Of the last step. */
  readonly learningRate: number
}

export interface TrainingState {
  /** Parameters, running statistics, slots (`PARAMETER.SLOT`) and the random key, by name. */
  readonly tensors: ReadonlyMap<string, Tensor>
  /** Epochs that are done. */
  readonly epoch: number
  /** Batches of the running epoch that are done. */
  readonly batch: number
  /** Steps since the training began. */
  readonly step: number
  readonly totals: EpochTotals
  readonly plateau: PlateauState
  readonly history: readonly EpochResult[]
  /** The last epochs since the network last grew, in this training and in those that it goes on from. */
  readonly recent?: readonly RecentEpoch[]
  /** The best of what is watched so far (where higher is better, its negative), and the epochs since. */
  readonly best: number
  readonly waited: number
  /** The parameters of the best epoch, where they are to be restored. */
  readonly bestTensors?: ReadonlyMap<string, Tensor>
}

/** Those of a state, with one more. */
export function withRecent(state: TrainingState, { loss, valLoss, step }: EpochResult) {
  const steps = step - (state.history.at(-1)?.step ?? 0)
  const now = { loss, ...(valLoss === undefined ? {} : { valLoss }), steps }
  return [...(state.recent ?? []), now].slice(-mostRecent)
}

export const noTotals: EpochTotals = {
  loss: 0,
  correct: 0,
  predictions: 0,
  seconds: 0,
  learningRate: 0,
}

/** Before the first step, with these parameters and slots. */
export const startingState = (tensors: ReadonlyMap<string, Tensor>): TrainingState => ({
  tensors,
  epoch: 0,
  batch: 0,
  step: 0,
  totals: noTotals,
  plateau: freshPlateau,
  history: [],
  best: Number.POSITIVE_INFINITY,
  waited: 0,
})

/** Where a training stands between two steps, for its schedule; in an epoch of `batches`, where known. */
export const momentOf = (
  { step, epoch, batch, plateau }: TrainingState,
  batches?: number | undefined,
): Moment => ({
  step,
  epoch: epoch + (batches === undefined ? 0 : batch / batches),
  batches,
  plateau,
})

/** The learning rate of the last step; undefined before the first. */
export const lastRate = ({ batch, totals, history }: TrainingState): number | undefined =>
  batch > 0 ? totals.learningRate : history.at(-1)?.learningRate

/** A copy that shares no memory. */
export const copyTensor = (tensor: Tensor): Tensor =>
  new Tensor<NumericDType>(tensor.dtype, tensor.dims, tensor.data.slice())

/** The position of the first element that is NaN or infinite; -1 if there is none. */
export function firstNonFinite(tensor: Tensor): number {
  const { data } = tensor
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return -1
  const count = elementCount(tensor.dims)
  // A sum is not finite if a term is not: one pass without a branch in almost every case.
  let sum = 0
  for (let i = 0; i < count; i++) sum += data[i]! * 0
  return sum === 0 ? -1 : data.findIndex((value) => !Number.isFinite(value))
}
