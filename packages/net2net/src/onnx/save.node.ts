/** ONNX files are written as a stream, whole or not at all. Node only. */
import path from 'node:path'
import { inputError, internalError, Net2NetError, usageError } from '../errors.ts'
import type { AtomicFile } from '../files/atomic-file.ts'
import { AtomicFiles } from '../files/atomic-files.ts'
import type { FileSource } from '../files/file-source.ts'
import { PendingSource } from '../files/pending-source.ts'
import { refuseExisting } from '../files/target.ts'
import { type FileContent, writtenSource } from '../files/write-whole.ts'
import type { Model } from '../model/model.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import { bytesFrom, type LazyTensor } from '../tensor/tensor.ts'
import { decodeSource } from './decode.ts'
import { type EncodedModel, encodeStream, MAX_MESSAGE_BYTES, type Part } from './encode.ts'
import { PartWriter } from './part-writer.node.ts'
import type { OpenExternal } from './tensor-proto.ts'

export interface SaveOptions {
  /** Replaces files that exist. */
  readonly force?: boolean | undefined
  /**
   * Writes the weights to one file `NAME.onnx.data` beside the model. By default only where the
   * model would not fit into one file (2 GiB).
   */
  readonly externalData?: boolean | undefined
  /** Called after each chunk with the bytes written and the bytes in all. */
  readonly onProgress?: ((written: number, total: number) => void) | undefined
  /** Stops writing; nothing is left behind. */
  readonly signal?: AbortSignal | undefined
}

export interface StageOptions extends SaveOptions {
  /** Further files by path, with their content: they appear together with the model. */
  readonly beside?: ReadonlyMap<string, FileContent> | undefined
}

/**
 * A model that is being written under temporary names. Whoever stages one calls `discard` in the
 * end, whatever happened; after `publish` that does nothing.
 */
export interface StagedModel extends AsyncDisposable {
  /**
   * The model as the temporary files have it. Large weights are still on their way: a part of one
   * may be read once its `ready` is kept, which is rejected where the writing fails. It stays
   * readable after `publish`, and not after `discard`.
   */
  readonly model: Model
  /** The further files as they were written, by path; readable like `model`. */
  readonly beside: ReadonlyMap<string, ByteSource>
  /**
   * Waits for the rest and gives the files their names, all of them or none.
   *
   * @throws usage where one of them exists by now (without `force`); input where the device is full
   *   or refuses; interrupted where the signal stops it
   */
  publish(): Promise<void>
  /** Stops writing and removes the temporary files. */
  discard(): Promise<void>
}

/**
 * Writes a model to `file`: under a temporary name in the same folder first, so that there is
 * either the whole file or none. May replace the file that the model itself was loaded from.
 * Throws a `usage` error if the file exists (without `force`) or cannot be there, an `input`
 * error if the device is full or refuses, and `interrupted` where the signal stops it.
 */
export async function save(model: Model, file: string, options: SaveOptions = {}): Promise<void> {
  const staged = await stage(model, file, options)
  try {
    await staged.publish()
  } finally {
    await staged.discard()
  }
}

/**
 * Begins to write a model to `file` under a temporary name, so that it can be read and checked
 * before it is published. All but the large weights is written when the promise is kept; those
 * follow meanwhile.
 *
 * ```ts
 * const staged = await stage(student, 'student.onnx')
 * try {
 *   if ((await compare(teacher, staged.model)).equal) await staged.publish()
 * } finally {
 *   await staged.discard()
 * }
 * ```
 *
 * @throws as `save`
 */
export async function stage(
  model: Model,
  file: string,
  options: StageOptions = {},
): Promise<StagedModel> {
  stopIfAborted(file, options.signal)
  await refuseExisting(file, options.force)
  const plans = planFiles(model, file, options.externalData)
  const writing = new Writing(file, plans, largeWeights(model), options)
  return writing.begin()
}

/** A file, and what is to be written to it. */
interface Writer {
  readonly file: AtomicFile
  readonly plan: FilePlan
}

/** The files of a model while they are written under temporary names. */
class Writing {
  readonly #file: string
  readonly #plans: readonly FilePlan[]
  /** What is written last. */
  readonly #late: ReadonlySet<unknown>
  readonly #options: StageOptions
  readonly #files: AtomicFiles
  readonly #partWriter: PartWriter
  readonly #total: number
  readonly #writers: Writer[] = []
  readonly #beside = new Map<string, FileSource>()
  #written = 0
  #isDiscarded = false

  constructor(
    file: string,
    plans: readonly FilePlan[],
    late: ReadonlySet<unknown>,
    options: StageOptions,
  ) {
    this.#file = file
    this.#plans = plans
    this.#late = late
    this.#options = options
    this.#files = new AtomicFiles({ force: options.force })
    const parts = plans.flatMap(({ pieces }) => pieces.map(({ part }) => part))
    this.#total = parts.reduce((sum, part) => sum + part.byteLength, 0)
    this.#partWriter = new PartWriter(parts)
  }

  /** Writes all but what is late; that follows meanwhile. */
  async begin(): Promise<StagedModel> {
    try {
      await this.#create()
      await this.#write(false)
      const sources: PendingSource[] = []
      for (const writer of this.#writers) sources.push(await sourceOf(writer, this.#late))
      return this.#staged(sources)
    } catch (cause) {
      await this.#end()
      throw cause
    }
  }

  async #create(): Promise<void> {
    for (const [i, plan] of this.#plans.entries()) {
      // The model comes last: it is there only if all the others are.
      if (i === this.#plans.length - 1)
        for (const [name, content] of this.#options.beside ?? [])
          this.#beside.set(name, await writtenSource(await this.#files.create(name), content))
      this.#writers.push({ file: await this.#files.create(plan.file), plan })
    }
  }

  /** @param sources of the files that are read meanwhile */
  async #write(isLate: boolean, sources: readonly PendingSource[] = []): Promise<void> {
    for (const [i, { file, plan }] of this.#writers.entries()) {
      const source = sources[i]
      for (const { at, part } of plan.pieces) {
        if (this.#late.has(part) !== isLate) continue
        await file.seek(at)
        await this.#partWriter.write(file, part, {
          onProgress: (bytes) => this.#progress(bytes),
          ...(source && { onArrival: (bytes) => source.arrived(bytes) }),
        })
      }
    }
  }

  #progress(bytes: number): void {
    this.#written += bytes
    this.#options.onProgress?.(this.#written, this.#total)
    stopIfAborted(this.#file, this.#options.signal)
    if (this.#isDiscarded) throw interrupted(this.#file)
  }

  async #end(): Promise<void> {
    for (const source of this.#beside.values()) source.close()
    await this.#partWriter.end()
    await this.#files.discard()
  }

  async #writeLate(sources: readonly PendingSource[]): Promise<void> {
    try {
      await this.#write(true, sources)
    } catch (cause) {
      for (const source of sources) source.fail(cause)
      throw cause
    } finally {
      await this.#partWriter.end()
    }
  }

  #staged(sources: readonly PendingSource[]): StagedModel {
    const writing = this.#writeLate(sources)
    // The error reaches callers that read or publish. Callers that do neither need not handle it.
    writing.catch(() => undefined)
    const file = this.#file
    let decoded: Model | undefined
    let isPublished = false
    const discard = async () => {
      if (isPublished) return
      this.#isDiscarded = true
      await writing.catch(() => undefined)
      for (const source of sources) source.close()
      await this.#end()
    }
    return {
      beside: this.#beside,
      get model() {
        decoded ??= decodeSource(sources.at(-1)!, {
          name: file,
          openExternal: placedIn(sources.length > 1 ? sources[0] : undefined),
        })
        return decoded
      },
      publish: async () => {
        await writing
        stopIfAborted(file, this.#options.signal)
        await this.#files.publish()
        isPublished = true
      },
      discard,
      [Symbol.asyncDispose]: discard,
    }
  }
}

async function sourceOf({ file, plan }: Writer, late: ReadonlySet<unknown>) {
  const missing = plan.pieces
    .filter(({ part }) => late.has(part))
    .map(({ at, part }) => ({ start: at, end: at + part.byteLength }))
  return new PendingSource(await file.reader(plan.byteLength), missing)
}

/** The large initializers: what is written last where the rest is read before. */
const largeWeights = ({ graph }: Model): ReadonlySet<unknown> =>
  new Set(
    [...graph.initializers.values()]
      .map(({ tensor }) => tensor)
      .filter(({ byteLength }) => byteLength > LARGE),
  )
const LARGE = 2 ** 20

/** The data that this process itself has placed in the one file beside the model. */
const placedIn =
  (data: PendingSource | undefined): OpenExternal =>
  ({ offset, length }, where) => {
    if (!data) throw internalError(`${where()}: has external data, but none were written.`)
    return { size: length, ...bytesFrom(data, offset) }
  }

function stopIfAborted(file: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interrupted(file, signal.reason)
}

const interrupted = (file: string, cause?: unknown) =>
  new Net2NetError('interrupted', `${file}: was not written, for it was interrupted.`, {
    where: file,
    cause,
  })

interface FilePlan {
  readonly file: string
  readonly byteLength: number
  readonly pieces: readonly { readonly at: number; readonly part: Part }[]
}

/** Smaller tensors stay in the model file. */
const EXTERNAL_THRESHOLD = 1024
/** Lets runtimes map the data into memory. */
const ALIGNMENT = 4096

/** The file of external data, where there is one, and the model's own, which comes last. */
function planFiles(model: Model, file: string, external: boolean | undefined): FilePlan[] {
  if (!external) {
    const encoded = encodeStream(model)
    if (encoded.byteLength <= MAX_MESSAGE_BYTES) return [modelFile(file, encoded)]
    if (external === false)
      throw usageError(
        `${file}: the model takes ${encoded.byteLength} bytes, but one ONNX file holds less than 2 GiB; allow external data.`,
        { where: file },
      )
  }
  const location = `${path.basename(file)}.data`
  const offsets = new Map<LazyTensor, number>()
  let end = 0
  const encoded = encodeStream(model, {
    placeExternal(tensor) {
      if (tensor.byteLength < EXTERNAL_THRESHOLD) return undefined
      let offset = offsets.get(tensor)
      if (offset === undefined) {
        offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT
        offsets.set(tensor, offset)
        end = offset + tensor.byteLength
      }
      return { location, offset }
    },
  })
  if (encoded.byteLength > MAX_MESSAGE_BYTES)
    throw inputError(
      `${file}: the model takes ${encoded.byteLength} bytes even without its weights, more than an ONNX file can hold.`,
      { where: file },
    )
  if (offsets.size === 0) return [modelFile(file, encoded)]
  const data: FilePlan = {
    file: path.join(path.dirname(file), location),
    byteLength: end,
    pieces: [...offsets].map(([part, at]) => ({ at, part })),
  }
  return [data, modelFile(file, encoded)]
}

function modelFile(file: string, { byteLength, parts }: EncodedModel): FilePlan {
  let end = 0
  const pieces = parts.map((part) => {
    const at = end
    end += part.byteLength
    return { at, part }
  })
  return { file, byteLength, pieces }
}
