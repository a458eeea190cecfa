/** Takes the requests of the page to a running training: to pause, to resume, to store its state, or to send it. */
import { Gate } from '../gate.ts'
import type { StepReports } from './step-reports.ts'

/** Milliseconds between two times that the training is kept. */
const keptEvery = 20_000
/** Epochs that end sooner after one another are not all kept. */
const keptNoSooner = 2000

export class TrainingControl {
  readonly gate = new Gate()
  readonly #reports: StepReports
  /** What waits for the state after the next step. */
  #wanted: 'nothing' | 'to keep it' | 'to send it' = 'nothing'
  #keptAt = performance.now()

  constructor(reports: StepReports) {
    this.#reports = reports
  }

  pause(): void {
    this.#reports.tell()
    this.gate.pause()
    this.#askForState('to keep it')
  }

  resume(): void {
    this.#reports.interrupt()
    this.gate.resume()
  }

  /** Keeps how far it is, after the running step. */
  keep(): void {
    if (this.#wanted === 'nothing') this.#wanted = 'to keep it'
  }

  /** Sends how far it is, after the running step. */
  snapshot(): void {
    this.#askForState('to send it')
  }

  /** Is the state wanted after this step? */
  get isDue(): boolean {
    return this.#wanted !== 'nothing' || performance.now() - this.#keptAt > keptEvery
  }

  /** What the state is for, now that it is there. */
  take(): { readonly isToBeSent: boolean; readonly isToBeKept: boolean } {
    const wanted = this.#wanted
    this.#wanted = 'nothing'
    const isSoon = performance.now() - this.#keptAt < keptNoSooner
    return { isToBeSent: wanted === 'to send it', isToBeKept: wanted !== 'nothing' || !isSoon }
  }

  wasKept(): void {
    this.#keptAt = performance.now()
  }

  /** The state is had after a step: a training that is held makes one more. */
  #askForState(reason: 'to keep it' | 'to send it'): void {
    if (this.#wanted !== 'to send it') this.#wanted = reason
    if (!this.gate.isOpen) this.gate.single()
  }
}
