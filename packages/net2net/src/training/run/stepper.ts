/** Runs a step graph again and again on state that stays where it is. */

import type { Batch } from '../../data/samples.ts'
import type { Tensor } from '../../tensor/tensor.ts'

/** What a step tells. */
export interface StepOutcome {
  /** Mean over the batch, under the weights before the step. */
  readonly loss: number
  readonly correct: number
  /** How many predictions the batch asked for. */
  readonly predictions: number
  /** Of all gradients together, before they are clipped: where they are. */
  readonly gradientNorm: number
  /** Finite only if the whole state after the step is (large numbers may add up to infinity). */
  readonly stateSum: number
}

export interface Stepper {
  step(batch: Batch, learningRate: number): Promise<StepOutcome>
  /** The state's tensors. They stay as they are until the next step but one. */
  read(): Promise<ReadonlyMap<string, Tensor>>
  /** The state that the last step started from, where it is still there. */
  previous(): ReadonlyMap<string, Tensor> | undefined
  release(): Promise<void>
}
