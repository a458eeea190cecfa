/** Collects losses, and says how far the run is and how long it will take. */
import type { StepLoss, TrainEvent } from './protocol.ts'

type Steps = Extract<TrainEvent, { type: 'steps' }>

/** Milliseconds between two reports. */
const interval = 250
/** The speed is that of so many last milliseconds. */
const memory = 5000
/** A longer pause between two steps is none of training. */
const longestStep = 3000

export class Meter {
  /** Of each arm: work of one of its steps, in any unit, and steps it has to make. */
  readonly #arms: ReadonlyMap<string, { readonly work: number; readonly steps: number }>
  readonly #batchSize: number
  readonly #report: (steps: Steps) => void
  readonly #now: () => number
  #losses: StepLoss[] = []
  #done = 0
  #work = 0
  #reported = Number.NEGATIVE_INFINITY
  #seen: { readonly time: number; readonly done: number; readonly work: number }[] = []

  constructor(
    arms: ReadonlyMap<string, { readonly work: number; readonly steps: number }>,
    batchSize: number,
    report: (steps: Steps) => void,
    now: () => number = () => performance.now(),
  ) {
    this.#arms = arms
    this.#batchSize = batchSize
    this.#report = report
    this.#now = now
  }

  add(loss: StepLoss): void {
    const time = this.#now()
    const last = this.#seen.at(-1)
    if (last && time - last.time > longestStep) this.#seen = []
    this.#losses.push(loss)
    this.#done++
    this.#work += this.#arms.get(loss.arm)?.work ?? 0
    this.#seen.push({ time, done: this.#done, work: this.#work })
    while (time - this.#seen[0]!.time > memory) this.#seen.shift()
    if (time - this.#reported > interval) this.flush()
  }

  /** Steps that have to be made once more. */
  takeBack(arm: string, steps: number): void {
    this.#losses = this.#losses.filter((loss) => loss.arm !== arm)
    this.#done -= steps
    this.#work -= steps * (this.#arms.get(arm)?.work ?? 0)
    this.#seen = []
  }

  flush(): void {
    if (this.#losses.length === 0) return
    const [first, last] = [this.#seen[0], this.#seen.at(-1)]
    const seconds = first && last ? (last.time - first.time) / 1000 : 0
    let [steps, work] = [0, 0]
    for (const arm of this.#arms.values()) {
      steps += arm.steps
      work += arm.steps * arm.work
    }
    const speed = seconds > 0 ? (last!.work - first!.work) / seconds : 0
    this.#report({
      type: 'steps',
      losses: this.#losses,
      done: this.#done,
      total: steps,
      imagesPerSecond: seconds > 0 ? ((last!.done - first!.done) * this.#batchSize) / seconds : 0,
      ...(speed > 0 && seconds > 0.5 ? { secondsLeft: (work - this.#work) / speed } : {}),
    })
    this.#losses = []
    this.#reported = this.#now()
  }
}
