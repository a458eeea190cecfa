/** Writing the parts of a model to its files: what lies in a file as it is is copied, the rest computed. */

import type { AtomicFile } from '../files/atomic-file.ts'
import { Copier } from '../files/copier.ts'
import type { StoredBytes } from '../tensor/tensor.ts'
import { Chunks, type Part } from './encode.ts'

/** Smaller parts are written together with others. */
const WORTH_COPYING = 2 ** 16
const COPY_STEP = 2 ** 23
/** So many copies are handed over before the first is done: who copies never waits for the others. */
const COPIES_AHEAD = 4

/** Writes some bytes, as soon as it is started. */
interface Step {
  readonly byteLength: number
  readonly start: () => Promise<void>
}

export interface Listener {
  /** Is told of bytes that are on their way; may throw to stop. */
  readonly onProgress: (byteLength: number) => void
  /** Is told of bytes that can be read from the file, for parts that somebody reads before all is written. */
  readonly onArrival?: (byteLength: number) => void
}

export class PartWriter {
  readonly #chunks = new Chunks()
  readonly #copier: Copier

  /** For these parts. */
  constructor(parts: readonly Part[]) {
    this.#copier = new Copier(
      parts.reduce((sum, part) => (storedIn(part) ? sum + part.byteLength : sum), 0),
    )
  }

  /** Appends a part to a file. */
  async write(file: AtomicFile, part: Part, listener: Listener): Promise<void> {
    const stored = storedIn(part)
    if (stored) await follow(this.#copies(file, stored, part.byteLength), COPIES_AHEAD, listener)
    // One chunk is written while the next is computed.
    else await follow(this.#writes(file, part, listener.onArrival !== undefined), 1, listener)
  }

  async end(): Promise<void> {
    await this.#copier.end()
  }

  *#copies(file: AtomicFile, { file: source, at }: StoredBytes, length: number): Generator<Step> {
    for (let done = 0; done < length; done += COPY_STEP) {
      const byteLength = Math.min(COPY_STEP, length - done)
      const stored = { file: source, at: at + done }
      yield { byteLength, start: () => file.copy(stored, byteLength, this.#copier) }
    }
  }

  /** @param isRead whether each chunk must be in the file when its step is done: the last may be so small that it is collected */
  *#writes(file: AtomicFile, part: Part, isRead: boolean): Generator<Step> {
    for (const chunk of this.#chunks.of(part))
      yield {
        byteLength: chunk.length,
        start: async () => {
          await file.write(chunk)
          if (isRead) await file.flush()
        },
      }
  }
}

/** Where a part lies in a file as it is, and is large enough to be copied from there. */
const storedIn = (part: Part): StoredBytes | undefined =>
  part instanceof Uint8Array || part.byteLength < WORTH_COPYING ? undefined : part.stored?.(0)

/** Starts each step while at most so many before it are not done. */
async function follow(steps: Iterable<Step>, ahead: number, listener: Listener): Promise<void> {
  const open: Promise<void>[] = []
  try {
    for (const { byteLength, start } of steps) {
      if (open.length === ahead) await open.shift()
      const done = start().then(() => listener.onArrival?.(byteLength))
      // A failure is thrown where it is awaited.
      done.catch(() => undefined)
      open.push(done)
      listener.onProgress(byteLength)
    }
    for (const done of open) await done
  } finally {
    await Promise.allSettled(open)
  }
}
