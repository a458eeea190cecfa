/**
 * The checkpoint format: 16 bytes of magic, the header's length (uint32, little-endian), a JSON
 * header, the tensors' and attachments' bytes one after the other as the header lists them, and
 * the SHA-256 of all that. Node only.
 */
import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { inputError } from '../errors.ts'
import { AtomicFiles } from '../files/atomic-files.ts'
import { dtypes } from '../tensor/dtype.ts'
import { allocate, elementCount, isNumeric, type NumericDType, Tensor } from '../tensor/tensor.ts'
import type { TrainingState } from '../training/run/state.ts'

const magic = new TextEncoder().encode('net2net ckpt 1\n\0')
const hashBytes = 32
const maxHeaderBytes = 2 ** 28

/** What a checkpoint holds. */
export interface Checkpoint {
  /** Which training it belongs to: only the same one goes on from it. */
  readonly fingerprint: string
  readonly state: TrainingState
  /** Whatever else decides the future, as JSON: the position in a recipe, say. */
  readonly extra?: unknown
  /** Whole files, such as a network that was grown on the way. */
  readonly attachments?: ReadonlyMap<string, Uint8Array>
}

interface Header {
  readonly fingerprint: string
  readonly state: Omit<TrainingState, 'tensors' | 'bestTensors' | 'best' | 'plateau'> & {
    readonly best: number | null
    readonly plateau: { best: number | null; waited: number; reductions: number }
  }
  readonly extra?: unknown
  readonly blocks: readonly Block[]
}

interface Block {
  readonly kind: 'tensor' | 'best' | 'attachment'
  readonly name: string
  readonly dtype: NumericDType
  readonly dims: readonly number[]
}

/** Writes a checkpoint under a temporary name, brings it to the disk, and renames it. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  const { state, fingerprint, extra, attachments = new Map() } = checkpoint
  const { tensors, bestTensors, best, plateau, ...rest } = state
  const contents: { readonly block: Block; readonly bytes: Uint8Array }[] = []
  const add = (kind: Block['kind'], name: string, tensor: Tensor) =>
    contents.push({
      block: { kind, name, dtype: tensor.dtype, dims: tensor.dims },
      bytes: tensor.read(0, tensor.byteLength),
    })
  for (const [name, tensor] of tensors) add('tensor', name, tensor)
  for (const [name, tensor] of bestTensors ?? []) add('best', name, tensor)
  for (const [name, bytes] of attachments)
    add('attachment', name, new Tensor('uint8', [bytes.length], bytes))
  const header: Header = {
    fingerprint,
    state: {
      ...rest,
      best: finiteOrNull(best),
      plateau: { ...plateau, best: finiteOrNull(plateau.best) },
    },
    ...(extra === undefined ? {} : { extra }),
    blocks: contents.map(({ block }) => block),
  }
  const text = new TextEncoder().encode(JSON.stringify(header))
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, text.length, true)

  const hash = createHash('sha256')
  const files = new AtomicFiles({ force: true })
  try {
    const file = await files.create(path)
    for (const bytes of [magic, length, text, ...contents.map((content) => content.bytes)]) {
      hash.update(bytes)
      await file.write(bytes)
    }
    await file.write(hash.digest())
    await files.publish()
  } finally {
    await files.discard()
  }
}

/** @throws input, saying what is wrong, for a file that is no whole checkpoint */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    throw inputError(`The checkpoint ${path} cannot be read.`, { where: path, cause })
  }
  try {
    return await new Reader(path, handle).read()
  } finally {
    await handle.close()
  }
}

class Reader {
  readonly #path: string
  readonly #handle: FileHandle
  readonly #hash: Hash = createHash('sha256')

  constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  async read(): Promise<Checkpoint> {
    const { size } = await this.#handle.stat()
    const start = await this.#take(magic.length + 4)
    if (magic.some((byte, i) => start[i] !== byte))
      throw this.#broken('is not a checkpoint of net2net')
    const length = new DataView(start.buffer, start.byteOffset).getUint32(magic.length, true)
    if (length > maxHeaderBytes) throw this.#broken('is corrupt: its header is too large')
    if (length > size) throw this.#broken('is torn: its end is missing')
    const header = this.#header(await this.#take(length))
    const total = header.blocks.reduce((sum, block) => sum + byteLength(block), 0)
    const wanted = magic.length + 4 + length + total + hashBytes
    if (size < wanted) throw this.#broken('is torn: its end is missing')
    if (size > wanted) throw this.#broken('is corrupt: it is longer than its header says')
    const tensors = new Map<string, Tensor>()
    const best = new Map<string, Tensor>()
    const attachments = new Map<string, Uint8Array>()
    for (const block of header.blocks) {
      const data = allocate(block.dtype, elementCount(block.dims))
      await this.#fill(new Uint8Array(data.buffer))
      const tensor = new Tensor<NumericDType>(block.dtype, block.dims, data)
      if (block.kind === 'tensor') tensors.set(block.name, tensor)
      else if (block.kind === 'best') best.set(block.name, tensor)
      else attachments.set(block.name, tensor.data as Uint8Array)
    }
    const expected = this.#hash.digest()
    const found = new Uint8Array(hashBytes)
    await this.#readInto(found)
    if (found.some((byte, i) => byte !== expected[i]))
      throw this.#broken('is corrupt: its content does not match its SHA-256')
    const { state, fingerprint, extra } = header
    return {
      fingerprint,
      state: {
        ...state,
        best: state.best ?? Number.POSITIVE_INFINITY,
        plateau: { ...state.plateau, best: state.plateau.best ?? Number.POSITIVE_INFINITY },
        tensors,
        ...(best.size > 0 ? { bestTensors: best } : {}),
      },
      ...(extra === undefined ? {} : { extra }),
      attachments,
    }
  }

  #header(bytes: Uint8Array): Header {
    try {
      const header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Header
      const whole =
        typeof header.fingerprint === 'string' &&
        typeof header.state?.step === 'number' &&
        header.blocks.every(
          (block) =>
            typeof block.name === 'string' &&
            block.dtype in dtypes &&
            isNumeric(block.dtype) &&
            block.dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0),
        )
      if (whole) return header
    } catch {
      // Said below.
    }
    throw this.#broken('is corrupt: its header cannot be read')
  }

  async #take(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    await this.#fill(bytes)
    return bytes
  }

  async #fill(bytes: Uint8Array): Promise<void> {
    await this.#readInto(bytes)
    this.#hash.update(bytes)
  }

  async #readInto(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(bytes.length - done, 2 ** 30)
      const { bytesRead } = await this.#handle.read(bytes, done, length)
      if (bytesRead === 0) throw this.#broken('is torn: its end is missing')
      done += bytesRead
    }
  }

  #broken(reason: string) {
    return inputError(`The checkpoint ${this.#path} ${reason}.`, { where: this.#path })
  }
}

const byteLength = ({ dtype, dims }: Block): number => (elementCount(dims) * dtypes[dtype].bits) / 8

const finiteOrNull = (value: number): number | null => (Number.isFinite(value) ? value : null)
