/** Checks beside everything else; one at a time, and the last one counts. */
import { client } from './client.ts'
import { models } from './model-client.ts'
import type { Check, CheckMethods, Pair } from './protocol.ts'
import { startWorker } from './start-worker.ts'

export class Checker {
  readonly #of: Pair
  readonly #worker = client<CheckMethods>(() => startWorker('check'))
  #last = 0

  constructor(of: Pair) {
    this.#of = of
  }

  /** What the models compute; undefined where another check, or `stop`, came meanwhile. */
  async check(): Promise<Check | undefined> {
    this.stop()
    const own = this.#last
    try {
      const files = await models.call('files', this.#of)
      if (this.#last !== own) return undefined
      return await this.#worker.call(
        'check',
        files,
        files.map(({ buffer }) => buffer),
      )
    } catch (error) {
      if (this.#last !== own) return undefined
      throw error
    }
  }

  stop(): void {
    this.#last++
    this.#worker.stop()
  }
}
