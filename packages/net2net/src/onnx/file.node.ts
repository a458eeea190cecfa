/** ONNX files: weights are read when they are needed, and written as a stream. Node only. */
import fs from 'node:fs'
import path from 'node:path'
import { inputError, internalError, Net2NetError, usageError } from '../errors.ts'
import { AtomicFile, refuseExisting, syncFolder, temporaryName } from '../files/atomic-file.ts'
import { errorCode, FileSource } from '../files/file-source.ts'
import { PendingSource } from '../files/pending-source.ts'
import type { Model } from '../model/model.ts'
import { bytesFrom, type LazyTensor } from '../tensor/tensor.ts'
import { decodeSource } from './decode.ts'
import { type EncodedModel, encodeStream, MAX_MESSAGE_BYTES, type Part } from './encode.ts'
import { externalDataOf } from './external-data.node.ts'
import { PartWriter } from './part-writer.node.ts'
import type { OpenExternal } from './tensor-proto.ts'

/**
 * Reads the ONNX file at `file`. Weights stay in the file (or in the files of external data beside
 * it) until somebody reads them; the files may be replaced in the meantime, but not changed in
 * place. Throws an `input` error that names the file and the field for whatever is broken.
 */
export async function load(file: string): Promise<Model> {
  const source = new FileSource(file)
  try {
    return decodeSource(source, { name: file, openExternal: externalDataOf(path.dirname(file)) })
  } catch (cause) {
    if (!(cause instanceof Net2NetError) || cause.where !== undefined) throw cause
    throw inputError(`${file}: ${cause.message}`, { where: file, cause })
  }
}

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
  /**
   * Gets the model as the files have it, as soon as all but its large weights is written. Those
   * are written then, and each can be read once it is `ready`.
   */
  readonly onReadable?: ((model: Model) => void) | undefined
  /** Stops writing; nothing is left behind. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Writes a model to `file`: under a temporary name in the same folder first, so that there is
 * either the whole file or none. May replace the file that the model itself was loaded from.
 * Throws a `usage` error if the file exists (without `force`) or cannot be there, an `input`
 * error if the device is full or refuses, and `interrupted` where the signal stops it.
 */
export async function save(model: Model, file: string, options: SaveOptions = {}): Promise<void> {
  const { force = false, onReadable } = options
  stopIfAborted(file, options.signal)
  await refuseExisting(file, force)
  const plans = planFiles(model, file, options.externalData)
  for (const plan of plans) await refuseExisting(plan.file, force)

  const parts = plans.flatMap(({ pieces }) => pieces.map(({ part }) => part))
  const total = parts.reduce((sum, part) => sum + part.byteLength, 0)
  let written = 0
  const onProgress = (bytes: number) => {
    written += bytes
    options.onProgress?.(written, total)
    stopIfAborted(file, options.signal)
  }
  const partWriter = new PartWriter(parts)
  const late = onReadable ? largeWeights(model) : new Set()
  const writers: {
    readonly file: AtomicFile
    readonly plan: FilePlan
    reader?: PendingSource
  }[] = []
  const write = async (isLate: boolean) => {
    for (const { file, plan, reader } of writers)
      for (const { at, part } of plan.pieces) {
        if (late.has(part) !== isLate) continue
        await file.seek(at)
        const onArrival = (bytes: number) => reader?.arrived(bytes)
        await partWriter.write(file, part, { onProgress, onArrival })
      }
  }
  try {
    for (const plan of plans) writers.push({ file: await AtomicFile.create(plan.file), plan })
    await write(false)
    if (onReadable) {
      for (const writer of writers) {
        const { file, plan } = writer
        const missing = plan.pieces
          .filter(({ part }) => late.has(part))
          .map(({ at, part }) => ({ start: at, end: at + part.byteLength }))
        writer.reader = new PendingSource(await file.reader(plan.byteLength), missing)
      }
      const [main, data] = writers.map(({ reader }) => reader!).reverse()
      onReadable(decodeSource(main!, { openExternal: placedIn(data) }))
      await write(true)
    }
    for (const { file } of writers) await file.finish()
    await publishAll(
      writers.map(({ file }) => file),
      force,
    )
  } catch (cause) {
    for (const { reader } of writers) reader?.fail(cause)
    throw cause
  } finally {
    await partWriter.end()
    for (const { file } of writers) await file.discard()
  }
  await syncFolder(path.dirname(file))
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
  if (signal?.aborted)
    throw new Net2NetError('interrupted', `${file}: was not written, for it was interrupted.`, {
      where: file,
      cause: signal.reason,
    })
}

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

/** Gives all files their names; if the last cannot have it, the others get theirs back. */
async function publishAll(files: readonly AtomicFile[], force: boolean): Promise<void> {
  const undo: (() => Promise<void>)[] = []
  const backups: string[] = []
  try {
    for (const each of files.slice(0, -1)) {
      const backup = temporaryName(each.target)
      const before = force ? await secondName(each.target, backup) : 'absent'
      if (before === 'kept') backups.push(backup)
      await each.publish(force)
      if (before === 'kept') undo.push(() => fs.promises.rename(backup, each.target))
      if (before === 'absent') undo.push(() => fs.promises.rm(each.target, { force: true }))
    }
    await files.at(-1)?.publish(force)
  } catch (cause) {
    for (const restore of undo) await restore()
    throw cause
  } finally {
    for (const backup of backups) await fs.promises.rm(backup, { force: true })
  }
}

/** Gives a file that is about to be replaced a second name, where the file system can. */
async function secondName(file: string, name: string): Promise<'kept' | 'absent' | 'impossible'> {
  try {
    await fs.promises.link(file, name)
    return 'kept'
  } catch (cause) {
    return errorCode(cause) === 'ENOENT' ? 'absent' : 'impossible'
  }
}
