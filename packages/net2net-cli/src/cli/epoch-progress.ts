/** How far the epoch of a training is, and the validation behind it. */
import { measuredText, type Progress, type Task } from './progress.ts'

interface Measured {
  readonly loss: number
  readonly accuracy?: number | undefined
}

export class EpochProgress {
  readonly #view: Progress
  readonly #epochs: number
  readonly #samples: number
  readonly #validationSamples: number | undefined
  #training: Task | undefined
  #validation: Task | undefined

  constructor(
    view: Progress,
    sizes: {
      readonly epochs: number
      readonly samples: number
      readonly validationSamples: number | undefined
    },
  ) {
    this.#view = view
    this.#epochs = sizes.epochs
    this.#samples = sizes.samples
    this.#validationSamples = sizes.validationSamples
  }

  /** @param done samples of this epoch, where the last batch counts as a whole one */
  trained(epoch: number, done: number, { loss, accuracy }: Measured): void {
    this.#training ??= this.#view.task(`epoch ${epoch}/${this.#epochs}`, this.#samples, {
      unit: 'samples',
      later: (this.#epochs - epoch) * this.#samples,
    })
    this.#training.update(Math.min(done, this.#samples), measuredText(loss, accuracy))
  }

  validated(done: number, { loss, accuracy }: Measured): void {
    if (this.#validation === undefined) this.#training?.stop()
    this.#validation ??= this.#view.task('validation', this.#validationSamples, { unit: 'samples' })
    this.#validation.update(done, measuredText(loss, accuracy))
  }

  /** Takes away what is shown: something else happens. */
  stop(): void {
    if (this.#validation === undefined) this.#training?.stop()
    this.#validation?.stop()
    this.#training = undefined
    this.#validation = undefined
  }
}
