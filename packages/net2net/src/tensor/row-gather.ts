/** The bytes of a gathered tensor, any range of them, in large reads and long copies. */
import { elementCount, type LazyTensor, readInto } from './tensor.ts'

/** Source rows up to this size are read as a whole; of longer ones only what is asked for. */
const ROW_LIMIT = 8 * 1024 * 1024
/** Rows that follow each other are read together, about this much at a time. */
const WINDOW = 1024 * 1024
/** Shorter runs are copied word by word: to make a view of them takes longer. */
const SHORT_RUN = 256

type Words = Uint32Array | Uint16Array | Uint8Array
type WordSize = 4 | 2 | 1

/** The words of some bytes; undefined where they do not lie on a boundary of words. */
function wordsOf(bytes: Uint8Array, size: WordSize): Words | undefined {
  if (size === 1) return bytes
  if (bytes.byteOffset % size !== 0) return undefined
  const count = Math.floor(bytes.length / size)
  return size === 4
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, count)
    : new Uint16Array(bytes.buffer, bytes.byteOffset, count)
}

/** Only the gather that reads at the moment holds source bytes; the memory is used again. */
let holder: RowGather | undefined
let spare: Uint8Array | undefined

/**
 * Reads a gather row by row, where a row spans the axes from the last gathered one on. The axes
 * before that decide which source row it is.
 */
export class RowGather {
  readonly #source: LazyTensor
  readonly #indices: readonly (Uint32Array | undefined)[]
  readonly #dims: readonly number[]
  readonly #last: number
  /** Bytes of one entry of the last gathered axis. */
  readonly #block: number
  readonly #rowBytes: number
  readonly #sourceRowBytes: number
  readonly #word: WordSize
  /** Runs of neighbours that stay neighbours: new and old index of their first, and the end. */
  readonly #runs: Uint32Array
  readonly #origins: Uint32Array
  #window: Uint8Array | undefined
  #windowStart = 0
  #nextRow = 0

  constructor(
    source: LazyTensor,
    indices: readonly (Uint32Array | undefined)[],
    dims: readonly number[],
    last: number,
    item: number,
  ) {
    this.#source = source
    this.#indices = indices
    this.#dims = dims
    this.#last = last
    const index = indices[last] ?? new Uint32Array(0)
    this.#block = elementCount(dims.slice(last + 1)) * item
    this.#rowBytes = index.length * this.#block
    this.#sourceRowBytes = source.dims[last]! * this.#block
    this.#word = item % 4 === 0 ? 4 : item === 2 ? 2 : 1
    const runs: number[] = []
    index.forEach((old, i) => {
      if (i === 0 || old !== index[i - 1]! + 1) runs.push(i)
    })
    this.#origins = Uint32Array.from(runs, (i) => index[i]!)
    this.#runs = Uint32Array.from([...runs, index.length])
  }

  /** Bytes from `offset` on of the gathered tensor. */
  readInto(offset: number, into: Uint8Array): void {
    const words = wordsOf(into, this.#word)
    for (let done = 0; done < into.length; ) {
      const row = Math.floor((offset + done) / this.#rowBytes)
      const at = offset + done - row * this.#rowBytes
      const end = Math.min(this.#rowBytes, at + into.length - done)
      const from = this.#sourceRow(row)
      if (this.#sourceRowBytes > ROW_LIMIT) this.#direct(from, at, end, into, done)
      else this.#copy(from, at, end, into, done, words)
      done += end - at
      this.#nextRow = from + 1
    }
    if (offset + into.length >= this.#rowBytes * elementCount(this.#dims.slice(0, this.#last)))
      this.release()
  }

  /** Gives the memory back. */
  release(): void {
    if (this.#window && this.#source.readInto) spare = new Uint8Array(this.#window.buffer)
    this.#window = undefined
    if (holder === this) holder = undefined
  }

  #sourceRow(row: number): number {
    let rest = row
    let result = 0
    let stride = 1
    for (let axis = this.#last - 1; axis >= 0; axis--) {
      const size = this.#dims[axis]!
      const at = rest % size
      rest = (rest - at) / size
      result += (this.#indices[axis]?.[at] ?? at) * stride
      stride *= this.#source.dims[axis]!
    }
    return result
  }

  /** The run that an entry of the row lies in. */
  #runOf(entry: number): number {
    let low = 0
    let high = this.#origins.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#runs[middle]! <= entry) low = middle
      else high = middle
    }
    return low
  }

  /** Bytes [at, end) of a row, straight from the source. */
  #direct(row: number, at: number, end: number, into: Uint8Array, done: number): void {
    const block = this.#block
    let position = at
    for (let run = this.#runOf(Math.floor(at / block)); position < end; run++) {
      const first = this.#runs[run]! * block
      const stop = Math.min(end, this.#runs[run + 1]! * block)
      const start = row * this.#sourceRowBytes + this.#origins[run]! * block + position - first
      readInto(this.#source, start, into.subarray(done + position - at, done + stop - at))
      position = stop
    }
  }

  /** Bytes [at, end) of a row, from a window of the source. */
  #copy(
    row: number,
    at: number,
    end: number,
    into: Uint8Array,
    done: number,
    target: Words | undefined,
  ): void {
    const block = this.#block
    const size = this.#word
    const window = this.#rows(row)
    const rowStart = row * this.#sourceRowBytes - this.#windowStart
    const source = target && wordsOf(window, size)
    let position = at
    for (let run = this.#runOf(Math.floor(at / block)); position < end; run++) {
      const first = this.#runs[run]! * block
      const stop = Math.min(end, this.#runs[run + 1]! * block)
      const start = rowStart + this.#origins[run]! * block + position - first
      const to = done + position - at
      const length = stop - position
      if (length <= SHORT_RUN && source && target) {
        let read = start / size
        let write = to / size
        for (const last = write + length / size; write < last; ) target[write++] = source[read++]!
      } else into.set(window.subarray(start, start + length), to)
      position = stop
    }
  }

  /** A range of the source that contains the row. */
  #rows(row: number): Uint8Array {
    const start = row * this.#sourceRowBytes
    const held = this.#window
    if (
      held &&
      start >= this.#windowStart &&
      start + this.#sourceRowBytes <= this.#windowStart + held.length
    )
      return held
    const source = this.#source
    const ahead = row === this.#nextRow ? Math.max(1, Math.floor(WINDOW / this.#sourceRowBytes)) : 1
    const length = Math.min(ahead * this.#sourceRowBytes, source.byteLength - start)
    if (holder !== this) holder?.release()
    this.release()
    let window: Uint8Array
    if (source.readInto) {
      const memory = spare
      spare = undefined
      window =
        memory && memory.length >= length
          ? memory.subarray(0, length)
          : new Uint8Array(Math.max(length, Math.min(WINDOW, source.byteLength)))
      if (window.length > length) window = window.subarray(0, length)
      source.readInto(start, window)
    } else window = source.read(start, length)
    // The source may be a gather too, and hold what it read for this one.
    holder?.release()
    holder = this
    this.#window = window
    this.#windowStart = start
    return window
  }
}
