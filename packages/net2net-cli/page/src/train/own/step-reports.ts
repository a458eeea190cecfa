/** Losses of steps, and how fast they follow on one another, told at intervals. */
import type { OwnEvent } from './protocol.ts'

/** Milliseconds between two reports. */
const interval = 250
/** The speed is that of the steps of so many last milliseconds. */
const remembered = 5000

interface Mark {
  /** When a step ended. */
  readonly time: number
  /** Made until then. */
  readonly steps: number
}

export class StepReports {
  readonly #send: (event: OwnEvent) => void
  #untold: number[] = []
  #told = 0
  #last: Mark = { time: 0, steps: 0 }
  /** The step of each report, as long as steps follow on one another. */
  #marks: Mark[] = []

  constructor(send: (event: OwnEvent) => void) {
    this.#send = send
  }

  /** A step has ended. */
  took(loss: number): void {
    this.#untold.push(loss)
    this.#last = { time: performance.now(), steps: this.#last.steps + 1 }
    if (this.#marks.length === 0) this.#marks.push(this.#last)
    if (this.#last.time - this.#told > interval) this.tell()
  }

  tell(): void {
    if (this.#untold.length === 0) return
    const last = this.#last
    this.#marks = [...this.#marks, last].filter(({ time }) => last.time - time < remembered)
    const [{ time, steps } = last] = this.#marks
    const seconds = (last.time - time) / 1000
    const perSecond = seconds > 0 ? (last.steps - steps) / seconds : undefined
    const speed = perSecond && { stepsPerSecond: perSecond }
    this.#send({ type: 'steps', losses: this.#untold, ...speed })
    this.#untold = []
    this.#told = performance.now()
  }

  /** Something else comes between two steps: the speed is measured anew. */
  interrupt(): void {
    this.#marks = []
  }

  /** What was not told never is: those steps are made again. */
  discard(): void {
    this.#untold = []
  }
}
