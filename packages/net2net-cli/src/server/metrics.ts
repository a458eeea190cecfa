/** The losses of runs that go on: what was appended is read, and a curve's worth of points kept. */
import { type FileHandle, open } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { parseMetrics } from '../runs/read-run.ts'
import type { StepRecord } from '../runs/run-record.ts'

/** Points of a curve: between half of this and this. */
const mostPoints = 1000
/** Of a file that was not read from its beginning, so many bytes at its end. */
const mostBytes = 64 << 20
const chunk = 1 << 20
const mostArms = 100
/** So many runs' points are kept. */
const mostRuns = 16

/** The points of one arm: every so many-th step. */
interface Curve {
  readonly points: { readonly at: number; readonly record: StepRecord }[]
  every: number
  seen: number
}

/** One file of metrics, read as it grows. */
class Tail {
  readonly file: string
  readonly #curves = new Map<string, Curve>()
  #decoder = new StringDecoder('utf8')
  #identity = ''
  #offset = 0
  /** The beginning of a line whose end is not there yet. */
  #begun = ''
  #reading: Promise<void> = Promise.resolve()

  constructor(file: string) {
    this.file = file
  }

  async steps(): Promise<readonly StepRecord[]> {
    // One reads after the other: each reads what is new to it.
    this.#reading = this.#reading.then(() => this.#catchUp()).catch(() => undefined)
    await this.#reading
    return [...this.#curves.values()].flatMap(({ points }) => points.map(({ record }) => record))
  }

  async #catchUp(): Promise<void> {
    const handle = await open(this.file).catch(() => undefined)
    if (handle === undefined) return this.#forget('', 0)
    try {
      const { ino, size, birthtimeMs } = await handle.stat()
      const identity = `${ino}:${birthtimeMs}`
      if (identity !== this.#identity || size < this.#offset)
        this.#forget(identity, Math.max(0, size - mostBytes))
      await this.#readTo(handle, size)
    } finally {
      await handle.close()
    }
  }

  #forget(identity: string, offset: number): void {
    this.#identity = identity
    this.#offset = offset
    this.#curves.clear()
    this.#begun = ''
    this.#decoder = new StringDecoder('utf8')
  }

  async #readTo(handle: FileHandle, size: number): Promise<void> {
    const buffer = Buffer.alloc(Math.min(chunk, Math.max(0, size - this.#offset)))
    while (this.#offset < size) {
      const wanted = Math.min(buffer.length, size - this.#offset)
      const { bytesRead } = await handle.read(buffer, 0, wanted, this.#offset)
      if (bytesRead === 0) return
      this.#offset += bytesRead
      const text = this.#begun + this.#decoder.write(buffer.subarray(0, bytesRead))
      const end = text.lastIndexOf('\n')
      // A line of more than a chunk is none of ours.
      this.#begun = text.length - end > chunk ? '' : text.slice(end + 1)
      for (const record of parseMetrics(text.slice(0, Math.max(0, end)))) this.#add(record)
    }
  }

  #add(record: StepRecord): void {
    let curve = this.#curves.get(record.arm)
    if (!curve) {
      if (this.#curves.size >= mostArms) return
      curve = { points: [], every: 1, seen: 0 }
      this.#curves.set(record.arm, curve)
    }
    const at = curve.seen++
    if (at % curve.every !== 0) return
    curve.points.push({ at, record })
    if (curve.points.length <= mostPoints) return
    curve.every *= 2
    const kept = curve.points.filter((point) => point.at % curve.every === 0)
    curve.points.splice(0, curve.points.length, ...kept)
  }
}

/** The steps of the runs that were asked for last. */
export class Metrics {
  readonly #tails = new Map<string, Tail>()

  /** At most a thousand points per arm: what a curve can show. */
  stepsOf(file: string): Promise<readonly StepRecord[]> {
    const tail = this.#tails.get(file) ?? new Tail(file)
    this.#tails.delete(file)
    this.#tails.set(file, tail)
    for (const [oldest] of this.#tails) {
      if (this.#tails.size <= mostRuns) break
      this.#tails.delete(oldest)
    }
    return tail.steps()
  }
}
