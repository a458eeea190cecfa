/** Files as byte sources: positioned reads, nothing kept in memory. Node only. */
import fs from 'node:fs'
import { promisify } from 'node:util'
import { inputError, usageError } from '../errors.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import type { StoredBytes } from '../tensor/tensor.ts'

const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = fs.constants

/** Closes the descriptors of sources that nobody can read any more. */
const descriptors = new FinalizationRegistry<number>((descriptor) => fs.closeSync(descriptor))

/** The sources that keep their files open, the oldest first. */
const kept = new Set<WeakRef<FileSource>>()
/**
 * So many files are kept open at a time, so that a program that loads many models in a row does not
 * run out of descriptors before garbage is collected. The others are opened for each read.
 */
const MOST_KEPT = 128

export interface FileSourceOptions {
  /** Refuses a symbolic link. */
  readonly noFollow?: boolean
  /**
   * Keeps the file open (the default), so that it stays readable when another takes its name; of the
   * files that are opened last, at least. Otherwise it is opened for each read, and a file that was
   * replaced is refused.
   */
  readonly keepOpen?: boolean
  /** Reads the file although it changes; for a file that this process itself is writing. */
  readonly beingWritten?: boolean
}

/** A regular file. Throws an `input` error for anything that cannot be read as one. */
export class FileSource implements ByteSource {
  readonly path: string
  readonly size: number
  /** Names of the file: more than one for hard links. */
  readonly links: number
  readonly #flags: number
  /** Undefined for a file that may change. */
  readonly #identity: string | undefined
  #descriptor: number | undefined
  /** Whether nothing may be read any more. */
  #isClosed = false
  /** Whether the file is opened for each read from now on. */
  #isReleased = false
  /** How much is under way that needs the descriptor. */
  #uses = 0
  /** Its place among those that keep their files open. */
  readonly #ref: WeakRef<FileSource> | undefined

  constructor(path: string, options: FileSourceOptions = {}) {
    this.path = path
    // Without O_NONBLOCK, opening a FIFO waits for a writer. Windows has neither flag.
    this.#flags = O_RDONLY | (O_NONBLOCK ?? 0) | (options.noFollow ? (O_NOFOLLOW ?? 0) : 0)
    const descriptor = this.#open()
    let keep = false
    try {
      const stat = fs.fstatSync(descriptor, { bigint: true })
      if (!stat.isFile()) throw inputError(`${path} is not a regular file.`, { where: path })
      this.size = Number(stat.size)
      this.links = Number(stat.nlink)
      this.#identity = options.beingWritten ? undefined : identityOf(stat)
      keep = options.keepOpen ?? true
    } finally {
      if (!keep) fs.closeSync(descriptor)
    }
    if (!keep) return
    this.#descriptor = descriptor
    descriptors.register(this, descriptor, this)
    this.#ref = FileSource.#keep(this)
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = allocateBytes(length, this.path)
    this.readInto(offset, bytes)
    return bytes
  }

  readInto(offset: number, into: Uint8Array): void {
    const descriptor = this.#descriptor ?? this.#open()
    const isKept = descriptor === this.#descriptor
    try {
      this.#mustBeUnchanged(descriptor)
      readFully(descriptor, offset, into, this.path)
    } finally {
      if (!isKept) fs.closeSync(descriptor)
    }
  }

  readAsync(offset: number, into: Uint8Array): Promise<void> {
    return this.#use((descriptor) => readFullyAsync(descriptor, offset, into, this.path))
  }

  /** Undefined for a file that is opened for each read from the beginning. */
  stored(offset: number): StoredBytes | undefined {
    if (this.#ref === undefined) return undefined
    return { file: { path: this.path, use: (work) => this.#use(work) }, at: offset }
  }

  /** Works with the descriptor, which stays open meanwhile; then the file must be what it was. */
  async #use<T>(work: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = this.#descriptor ?? this.#open()
    const isKept = descriptor === this.#descriptor
    this.#uses++
    try {
      const result = await work(descriptor)
      this.#mustBeUnchanged(descriptor)
      return result
    } finally {
      this.#uses--
      if (!isKept) fs.closeSync(descriptor)
      else if (this.#isReleased) this.#release()
    }
  }

  /** Closes the file; what is under way ends, and then nothing can be read any more. */
  close(): void {
    this.#isClosed = true
    this.#release()
  }

  /** Closes the descriptor as soon as it is not in use. */
  #release(): void {
    this.#isReleased = true
    if (this.#ref) kept.delete(this.#ref)
    if (this.#descriptor === undefined || this.#uses > 0) return
    descriptors.unregister(this)
    fs.closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  /** Remembers the source as one that keeps its file open, and lets the oldest go where there are many. */
  static #keep(source: FileSource): WeakRef<FileSource> {
    const ref = new WeakRef(source)
    kept.add(ref)
    for (const oldest of kept) {
      if (kept.size <= MOST_KEPT) break
      kept.delete(oldest)
      const another = oldest.deref()
      if (another) another.#release()
    }
    return ref
  }

  #mustBeUnchanged(descriptor: number): void {
    if (this.#identity === undefined) return
    if (identityOf(fs.fstatSync(descriptor, { bigint: true })) !== this.#identity)
      throw inputError(`${this.path} has changed since it was opened.`, { where: this.path })
  }

  #open(): number {
    if (this.#isClosed)
      throw usageError(`${this.path} was closed, and cannot be read any more.`, {
        where: this.path,
      })
    try {
      return fs.openSync(this.path, this.#flags)
    } catch (cause) {
      throw readError(this.path, cause)
    }
  }
}

/** Which file it is, and which state of it. */
const identityOf = (stat: fs.BigIntStats): string =>
  `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`

function allocateBytes(length: number, path: string): Uint8Array {
  try {
    return new Uint8Array(length)
  } catch (cause) {
    throw inputError(`${path}: ${length} bytes at once do not fit into memory.`, {
      where: path,
      cause,
    })
  }
}

function readFully(descriptor: number, offset: number, bytes: Uint8Array, path: string): void {
  for (let done = 0; done < bytes.length; ) {
    const want = Math.min(bytes.length - done, MAX_READ)
    let count: number
    try {
      count = fs.readSync(descriptor, bytes, done, want, offset + done)
    } catch (cause) {
      throw readError(path, cause)
    }
    if (count === 0) throw endError(path, offset + done)
    done += count
  }
}

async function readFullyAsync(
  descriptor: number,
  offset: number,
  bytes: Uint8Array,
  path: string,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const want = Math.min(bytes.length - done, MAX_READ)
    const { bytesRead } = await read(descriptor, bytes, done, want, offset + done).catch(
      (cause) => {
        throw readError(path, cause)
      },
    )
    if (bytesRead === 0) throw endError(path, offset + done)
    done += bytesRead
  }
}

const read = promisify(fs.read)
const MAX_READ = 2 ** 30

export const endError = (path: string, at: number) =>
  inputError(`${path} ends at byte ${at}, before its data do.`, { where: path })

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'is a folder, not a file',
  EACCES: 'may not be read (permission denied)',
  EPERM: 'may not be read (permission denied)',
  ELOOP: 'is a symbolic link that is not followed',
  ENXIO: 'is not a regular file',
  ENAMETOOLONG: 'has a name that is too long',
  EMFILE: 'cannot be opened, for too many files are open',
  EIO: 'cannot be read (input/output error)',
  ERR_INVALID_ARG_VALUE: 'has a NUL in its name',
}

/** The system's refusal to open or read a file, in words. */
export function readError(path: string, cause: unknown) {
  const code = errorCode(cause)
  const reason = reasons[code] ?? `cannot be read (${code})`
  return inputError(`${path.replaceAll('\0', '\\0')}: ${reason}.`, { where: path, cause })
}

export const errorCode = (cause: unknown): string =>
  typeof cause === 'object' && cause && 'code' in cause ? String(cause.code) : String(cause)
