/** What a stopwatch has measured, as plain data for a checkpoint. */
export interface Times {
  /** Of each point of the curve. */
  readonly seconds: readonly number[]
  readonly processorSeconds: readonly number[]
  /** Now. */
  readonly elapsed: number
  readonly processor: number
}

/** Wall and processor time of training alone. */
export class Stopwatch {
  readonly seconds: number[]
  readonly processorSeconds: number[]
  #elapsed: number
  #processor: number
  #since: { readonly time: number; readonly usage: NodeJS.CpuUsage } | undefined

  constructor(before: Partial<Times> = {}) {
    this.seconds = [...(before.seconds ?? [])]
    this.processorSeconds = [...(before.processorSeconds ?? [])]
    this.#elapsed = before.elapsed ?? 0
    this.#processor = before.processor ?? 0
  }

  start(): void {
    this.#since = { time: performance.now(), usage: process.cpuUsage() }
  }

  stop(): void {
    if (!this.#since) return
    const { user, system } = process.cpuUsage(this.#since.usage)
    this.#elapsed += (performance.now() - this.#since.time) / 1000
    this.#processor += (user + system) / 1e6
    this.#since = undefined
  }

  /** Writes down the time of a point of the curve. */
  note(): void {
    this.seconds.push(this.#elapsed)
    this.processorSeconds.push(this.#processor)
  }

  record(): Times {
    return {
      seconds: this.seconds,
      processorSeconds: this.processorSeconds,
      elapsed: this.#elapsed,
      processor: this.#processor,
    }
  }
}
