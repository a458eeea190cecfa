/** What is written down of a training while it runs. */
import type { EpochResult } from '../training/run/state.ts'
import type { StepEvent } from '../training/train-options.ts'

/** What a training says is handed to it: `onStep: (event) => log.step(event)`, and each epoch's result. */
export interface TrainingLog {
  step(event: StepEvent): void
  epoch(result: EpochResult): void
  /** Ends the file. */
  close(): void
}

export interface LogOptions {
  /** Go on in the log of a training that has made so many steps: what is said of later ones no longer counts. */
  readonly after?: number | undefined
  /** Replace a file that exists. Default false. */
  readonly force?: boolean | undefined
}

/** The numbers of a step, by their names; undefined for what there is not. */
export interface StepNumbers {
  readonly step: number
  readonly epoch: number
  readonly loss: number
  readonly accuracy: number | undefined
  readonly learning_rate: number
  readonly gradient_norm: number | undefined
  readonly samples_per_second: number | undefined
}

export const stepColumns = [
  'step',
  'epoch',
  'loss',
  'accuracy',
  'learning_rate',
  'gradient_norm',
  'samples_per_second',
] as const satisfies readonly (keyof StepNumbers)[]

/** Numbers of steps; how fast they are needs the step before. */
export class StepReader {
  #epoch = -1
  #seconds = 0

  read({ step, epoch, loss, accuracy, learningRate, ...rest }: StepEvent): StepNumbers {
    const { gradientNorm, samples, seconds } = rest
    const spent = seconds - (epoch === this.#epoch ? this.#seconds : 0)
    this.#epoch = epoch
    this.#seconds = seconds
    return {
      step,
      epoch,
      loss,
      accuracy,
      learning_rate: learningRate,
      gradient_norm: gradientNorm,
      samples_per_second: spent > 0 ? samples / spent : undefined,
    }
  }
}
