/** Samples to predict for: inputs without targets. */
import type { Tensor } from '../tensor/tensor.ts'

/** Inputs of one batch; the tensors' first axis is the batch. */
export interface InputBatch {
  /** By the model's input names; the one input of a one-input model may have any name. */
  readonly inputs: Readonly<Record<string, Tensor>>
  /** What each sample is called, where it has a name: the file of a picture. */
  readonly names?: readonly string[]
}

/** Inputs that are read as they are needed, from the beginning in each iteration. */
export interface InputStream {
  /** Number of samples; undefined where it is known at the end only. */
  readonly length: number | undefined
  /** All samples in batches of `size`; the last one may be smaller. */
  batches(size: number): AsyncIterable<InputBatch>
}
