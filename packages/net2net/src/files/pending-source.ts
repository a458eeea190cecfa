/** Reading a file while it is being written. */

import type { ByteSource } from '../tensor/bytes.ts'
import type { FileSource } from './file-source.ts'

/** Bytes [start, end) of a file. */
export interface Range {
  readonly start: number
  readonly end: number
}

interface Waiting extends Range {
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/**
 * A file of which some ranges are still to be written. `ready` waits for them; what is read before
 * it is there reads as zeros.
 */
export class PendingSource implements ByteSource {
  readonly #file: FileSource
  /** In the order in which they will be written, from `#next` on. */
  readonly #missing: readonly Range[]
  #next = 0
  /** How much of the next missing range has been written. */
  #written = 0
  #waiting: Waiting[] = []
  #failure: { readonly cause: unknown } | undefined

  constructor(file: FileSource, missing: readonly Range[]) {
    this.#file = file
    this.#missing = missing
  }

  get size(): number {
    return this.#file.size
  }

  read(offset: number, length: number): Uint8Array {
    return this.#file.read(offset, length)
  }

  readInto(offset: number, into: Uint8Array): void {
    this.#file.readInto(offset, into)
  }

  readAsync(offset: number, into: Uint8Array): Promise<void> {
    return this.#file.readAsync(offset, into)
  }

  async ready(offset: number, length: number): Promise<void> {
    if (this.#failure) throw this.#failure.cause
    const range = { start: offset, end: offset + length }
    if (this.#isThere(range)) return
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ ...range, resolve, reject })
    })
  }

  /** Says that the next bytes of what was missing are written. */
  arrived(byteLength: number): void {
    this.#written += byteLength
    for (let range = this.#missing[this.#next]; range; range = this.#missing[this.#next]) {
      const size = range.end - range.start
      if (this.#written < size) break
      this.#written -= size
      this.#next++
    }
    const waiting = this.#waiting
    this.#waiting = []
    for (const each of waiting)
      if (this.#isThere(each)) each.resolve()
      else this.#waiting.push(each)
  }

  /** Says that nothing more will be written, and why. */
  fail(cause: unknown): void {
    this.#failure = { cause }
    for (const { reject } of this.#waiting.splice(0)) reject(cause)
  }

  /** Closes the file, which cannot be read any more. */
  close(): void {
    this.#file.close()
  }

  #isThere({ start, end }: Range): boolean {
    let done = this.#written
    for (let i = this.#next; i < this.#missing.length; i++) {
      const range = this.#missing[i]!
      if (start < range.end && end > range.start + done) return false
      done = 0
    }
    return true
  }
}
