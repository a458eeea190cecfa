/** Pictures that are read when a batch of them is asked for. */
import type { PictureFit, Preparation } from '../model/preparation.ts'
import { allocate, elementCount, Tensor } from '../tensor/tensor.ts'
import { type Batch, type Column, fillRows } from './dataset.ts'
import { type PictureDims, pictureReader } from './picture.node.ts'
import type { ByteInputs, SampleSet } from './samples.ts'

export interface AboutPictures {
  readonly input: Omit<Column, 'data' | 'dims'> & { readonly dims: PictureDims }
  readonly fit: PictureFit
  readonly target: Column
  readonly classes?: readonly string[] | undefined
  readonly preparation?: Preparation | undefined
}

export class PictureSet implements SampleSet {
  readonly #files: readonly { readonly path: string }[]
  readonly #about: AboutPictures
  readonly length: number

  constructor(files: readonly { readonly path: string }[], about: AboutPictures) {
    this.#files = files
    this.#about = about
    this.length = files.length
  }

  get target() {
    return this.#about.target
  }
  get classes() {
    return this.#about.classes
  }
  get preparation() {
    return this.#about.preparation
  }
  get bytes(): ByteInputs | undefined {
    const { input, fit, target } = this.#about
    const { dims, dtype, divisor = 1, normalization } = input
    if (dtype === 'uint8') return undefined
    return {
      samples: new PictureSet(this.#files, { input: { dtype: 'uint8', dims }, fit, target }),
      divisors: new Map([['input', divisor]]),
      normalizations: new Map(normalization ? [['input', normalization]] : []),
    }
  }

  async *batches(size: number, order?: ArrayLike<number>): AsyncGenerator<Batch> {
    const { input, fit, target } = this.#about
    const { dims, dtype } = input
    const read = await pictureReader()
    const row = elementCount(dims)
    const count = order?.length ?? this.length
    for (let start = 0; start < count; start += size) {
      const some = Array.from({ length: Math.min(size, count - start) }, (_, i) =>
        order ? order[start + i]! : start + i,
      )
      const pixels = await Promise.all(some.map((i) => read(this.#files[i]!.path, dims, fit)))
      const data = new Uint8Array(some.length * row)
      for (const [i, bytes] of pixels.entries()) data.set(bytes, i * row)
      const tensor = new Tensor(dtype, [some.length, ...dims], allocate(dtype, data.length))
      fillRows({ ...input, data }, tensor, undefined, 0, 'input')
      const labels = new Tensor('int32', [some.length], new Int32Array(some.length))
      fillRows(target, labels, some, 0, 'target')
      yield { inputs: { input: tensor }, target: labels }
    }
  }
}
