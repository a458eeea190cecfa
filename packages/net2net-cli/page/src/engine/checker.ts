/** Checks beside everything else; one at a time, and the last one counts. */
import { client } from './client.ts'
import { models } from './model-client.ts'
import type { Check, CheckMethods, InputFile, Pair } from './protocol.ts'
import { startWorker } from './start-worker.ts'

export class Checker {
  readonly #of: Pair
  readonly #worker = client<CheckMethods>(() => startWorker('check'))
  #last = 0

  constructor(of: Pair) {
    this.#of = of
  }

  /** What the models compute, on these inputs or on random ones; undefined where another check, or `stop`, came meanwhile. */
  async check(inputs: readonly InputFile[] = []): Promise<Check | undefined> {
    this.stop()
    const own = this.#last
    try {
      const files = await models[this.#of].call('files', this.#of)
      if (this.#last !== own) return undefined
      return await this.#worker.call(
        'check',
        { models: files, ...(inputs.length > 0 && { inputs }) },
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

/** Files of inputs as a check takes them: pictures are decoded here, where the browser can. */
export const inputFiles = (files: readonly File[]): Promise<readonly InputFile[]> =>
  Promise.all(
    files.map(async (file): Promise<InputFile> => {
      const { name } = file
      if (!isPicture(name)) return { name, bytes: new Uint8Array(await file.arrayBuffer()) }
      const bitmap = await createImageBitmap(file).catch((cause) => {
        throw new Error(`${name} is not a picture that this browser reads.`, { cause })
      })
      const { width, height } = bitmap
      const pen = new OffscreenCanvas(width, height).getContext('2d')!
      pen.drawImage(bitmap, 0, 0)
      return {
        name,
        width,
        height,
        pixels: new Uint8ClampedArray(pen.getImageData(0, 0, width, height).data),
      }
    }),
  )

const isPicture = (name: string): boolean => /\.(png|jpe?g|webp|bmp|gif)$/i.test(name)
/** Whether a file holds inputs for a check rather than a network or its weights. */
export const isInputFile = (name: string): boolean => /\.(npz|npy)$/i.test(name) || isPicture(name)
