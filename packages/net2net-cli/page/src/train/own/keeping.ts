/** Keeps how far a training is, in the browser. */
import type { ArmProgress, OwnEvent } from './protocol.ts'

/** Keeps one after the other; what comes meanwhile waits, and of that the last alone is kept. */
export class Keeping {
  readonly #write: (progress: ArmProgress) => Promise<void>
  readonly #send: (event: OwnEvent) => void
  #next: ArmProgress | undefined
  /** Resolves when nothing is left to keep. */
  idle: Promise<void> = Promise.resolve()
  #isBusy = false

  constructor(write: (progress: ArmProgress) => Promise<void>, send: (event: OwnEvent) => void) {
    this.#write = write
    this.#send = send
  }

  add(progress: ArmProgress): void {
    this.#next = progress
    if (!this.#isBusy) this.idle = this.#run()
  }

  async #run(): Promise<void> {
    this.#isBusy = true
    for (let now = this.#next; now; now = this.#next) {
      this.#next = undefined
      await this.#write(now).then(
        () => this.#send({ type: 'kept', step: now.snapshot.state.step }),
        (error) =>
          this.#send({
            type: 'not kept',
            isFull: error instanceof DOMException && error.name === 'QuotaExceededError',
            reason: error instanceof Error ? error.message : String(error),
          }),
      )
    }
    this.#isBusy = false
  }
}
