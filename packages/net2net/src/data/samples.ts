/** What the trainer asks of data. The data room's sets satisfy it, and so may anybody's. */
import type { Tensor } from '../tensor/tensor.ts'

/** Tensors of one batch; their first axis is the batch. */
export interface Batch {
  /** By the model's input names; the one input of a one-input model may have any name. */
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly target: Tensor
}

/** Samples that can be taken in any order. */
export interface SampleSet {
  /** Number of samples. */
  readonly length: number
  /**
   * The samples `order` (default: all, as they lie) in batches of `size`; the last one may be
   * smaller. A batch's tensors may be overwritten by the next one.
   */
  batches(size: number, order?: ArrayLike<number>): Iterable<Batch> | AsyncIterable<Batch>
  /**
   * Where some float inputs are stored as bytes: the same samples with these as uint8, and what
   * they are to be divided by. A graph converts them faster than JavaScript does.
   */
  readonly bytes?:
    | { readonly samples: SampleSet; readonly divisors: ReadonlyMap<string, number> }
    | undefined
}

/** A set of samples, or a stream of ready batches: iterated anew in every epoch. */
export type TrainingData = SampleSet | AsyncIterable<Batch>

export const isSampleSet = (data: TrainingData): data is SampleSet => 'batches' in data
