/** Some samples of a set. */
import type { Batch } from './dataset.ts'
import { type ByteInputs, batchesOf, type SampleSet } from './samples.ts'

/** Which samples: all in a row, or those of a list. */
export type Indices = { readonly from: number; readonly length: number } | Uint32Array

/** So many batches are asked for at a time: a list of the indices of all of them may be large. */
const batchesAtATime = 256

export class Subset implements SampleSet {
  readonly #samples: SampleSet
  readonly #indices: Indices

  constructor(samples: SampleSet, indices: Indices) {
    this.#samples = samples
    this.#indices = indices
  }

  get length() {
    return this.#indices.length
  }
  get classes() {
    return this.#samples.classes
  }
  get columns() {
    return this.#samples.columns
  }
  get preparation() {
    return this.#samples.preparation
  }
  get weights() {
    return this.#samples.weights
  }
  /** All targets of the whole: they are checked together. */
  get target() {
    return this.#samples.target
  }
  get bytes(): ByteInputs | undefined {
    const { bytes } = this.#samples
    return bytes && { ...bytes, samples: new Subset(bytes.samples, this.#indices) }
  }

  async *batches(size: number, order?: ArrayLike<number>, epoch?: number): AsyncGenerator<Batch> {
    const indices = this.#indices
    const at = 'from' in indices ? (i: number) => indices.from + i : (i: number) => indices[i]!
    const count = order?.length ?? this.length
    const step = size * batchesAtATime
    for (let start = 0; start < count; start += step) {
      const part = new Uint32Array(Math.min(step, count - start))
      for (let i = 0; i < part.length; i++) part[i] = at(order ? order[start + i]! : start + i)
      yield* batchesOf(this.#samples, size, part, epoch)
    }
  }
}
