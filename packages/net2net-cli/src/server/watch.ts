/** Tells all who watch what there is, whenever it has changed. One look serves everybody. */

/** The least milliseconds between two looks while somebody watches. */
const interval = 700
/** And where a look takes long. */
const longest = 5000

export class Watch {
  readonly #look: () => Promise<unknown>
  #watchers = 0
  #watching: Promise<void> | undefined
  /** What watchers were told last, and a promise that is kept when there is news. */
  #text = ''
  #news: Promise<void>
  #tell: (text: string) => void = () => undefined

  /** `look`: finds what there is, as what JSON can say. */
  constructor(look: () => Promise<unknown>) {
    this.#look = look
    this.#news = this.#nextNews()
  }

  #nextNews(): Promise<void> {
    return new Promise((resolve) => {
      this.#tell = (text) => {
        this.#text = text
        this.#news = this.#nextNews()
        resolve()
      }
    })
  }

  /** What there is, as JSON, at first and whenever it has changed. */
  async *events(signal: AbortSignal): AsyncGenerator<string> {
    this.#watchers++
    const ended = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    try {
      for (let seen = ''; !signal.aborted; ) {
        this.#watching ??= this.#keepLooking()
        const text = this.#text
        if (text !== '' && text !== seen) {
          seen = text
          yield text
        } else await Promise.race([this.#news, ended])
      }
    } finally {
      this.#watchers--
    }
  }

  /** Looks again and again while somebody watches, less often where it takes long. */
  async #keepLooking(): Promise<void> {
    while (this.#watchers > 0) {
      const start = performance.now()
      const text = JSON.stringify(await this.#look())
      if (text !== this.#text) this.#tell(text)
      const took = performance.now() - start
      await new Promise((resolve) =>
        setTimeout(resolve, Math.max(interval, Math.min(4 * took, longest))),
      )
    }
    this.#watching = undefined
    // Who comes later is told how it is then.
    this.#text = ''
  }
}
