/** Files that appear whole or not at all. Node only. */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { inputError, Net2NetError, usageError } from '../errors.ts'
import type { StoredBytes } from '../tensor/tensor.ts'
import type { Copier } from './copier.ts'
import { endError, errorCode, FileSource, readError } from './file-source.ts'

/** Small writes are collected up to this size. */
const BUFFER = 2 ** 20
/** From this many new bytes on, the disk gets them while more are being written. */
const SYNC_EVERY = 2 ** 23

/**
 * A file under a temporary name in the target's folder. Write to it, then publish it or discard
 * it; until it is published, nothing is seen under the target's name.
 */
export class AtomicFile {
  readonly target: string
  readonly #temporary: string
  readonly #handle: fs.promises.FileHandle
  #buffered: Uint8Array[] = []
  #bufferedBytes = 0
  #position = 0
  #unsynced = 0
  #syncing: Promise<void> | undefined
  #closed = false

  private constructor(target: string, temporary: string, handle: fs.promises.FileHandle) {
    this.target = target
    this.#temporary = temporary
    this.#handle = handle
  }

  static async create(target: string): Promise<AtomicFile> {
    const temporary = temporaryName(target)
    try {
      const handle = await fs.promises.open(temporary, 'wx', await modeOf(target))
      return new AtomicFile(target, temporary, handle)
    } catch (cause) {
      throw writeError(target, cause)
    }
  }

  /**
   * Appends bytes; they may change as soon as the promise is kept. Large writes are on their way
   * when the call returns, so that the caller can compute meanwhile.
   */
  async write(bytes: Uint8Array): Promise<void> {
    const large = bytes.length > BUFFER / 4
    const full = large || this.#bufferedBytes + bytes.length > BUFFER
    const flushed = full ? this.#flush() : undefined
    if (large) {
      const put = this.#put(bytes)
      await settled([flushed, put])
      this.#syncSome(bytes.length)
    } else {
      this.#buffered.push(bytes.slice())
      this.#bufferedBytes += bytes.length
      await flushed
    }
  }

  /** Appends bytes of another file; several copies may be on their way. */
  async copy({ file, at }: StoredBytes, length: number, copier: Copier): Promise<void> {
    const flushed = this.#flush()
    const position = this.#position
    this.#position += length
    await flushed
    const to = this.#handle.fd
    const failure = await copier.copy({ from: file.descriptor, at, to, position, length })
    if (failure?.during === 'write') throw writeError(this.target, failure)
    // A file that was changed is said to be, whatever became of its bytes.
    file.mustBeUnchanged()
    if (failure?.during === 'read') throw readError(file.path, failure)
    if (failure) throw endError(file.path, failure.at)
    this.#syncSome(length)
  }

  /** Goes on writing at another place; what is never written reads as zeros. */
  async seek(position: number): Promise<void> {
    if (position === this.#position + this.#bufferedBytes) return
    await this.#flush()
    this.#position = position
  }

  /** Gives the file its final size and reads it while it is being written. */
  async reader(byteLength: number): Promise<FileSource> {
    await this.#flush()
    try {
      await this.#handle.truncate(byteLength)
    } catch (cause) {
      throw writeError(this.target, cause)
    }
    return new FileSource(this.#temporary, { beingWritten: true })
  }

  /** Brings everything to the disk. */
  async finish(): Promise<void> {
    await this.#flush()
    await this.#syncing
    try {
      await this.#handle.sync()
      await this.#close()
    } catch (cause) {
      throw writeError(this.target, cause)
    }
  }

  /** Gives the finished file its name; replaces an existing file only with `force`. */
  async publish(force: boolean): Promise<void> {
    try {
      if (force) {
        await fs.promises.rename(this.#temporary, this.target)
        return
      }
      // Unlike rename, link never replaces a file that came to be in the meantime.
      await fs.promises.link(this.#temporary, this.target)
    } catch (cause) {
      if (force || errorCode(cause) === 'EEXIST') throw writeError(this.target, cause)
      // A file system without hard links.
      await refuseExisting(this.target, force)
      await fs.promises.rename(this.#temporary, this.target)
      return
    }
    await fs.promises.unlink(this.#temporary)
  }

  /** Removes the temporary file, if it is still there. */
  async discard(): Promise<void> {
    await this.#close().catch(() => undefined)
    await fs.promises.rm(this.#temporary, { force: true })
  }

  async #flush(): Promise<void> {
    const chunks = this.#buffered
    this.#buffered = []
    this.#bufferedBytes = 0
    if (chunks.length > 0) await this.#put(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  }

  async #put(bytes: Uint8Array): Promise<void> {
    const start = this.#position
    this.#position += bytes.length
    try {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          done,
          bytes.length - done,
          start + done,
        )
        done += bytesWritten
      }
    } catch (cause) {
      throw writeError(this.target, cause)
    }
  }

  /** Starts to bring what is written to the disk, so that little is left for the end. */
  #syncSome(written: number): void {
    this.#unsynced += written
    if (this.#unsynced < SYNC_EVERY || this.#syncing) return
    this.#unsynced = 0
    const syncing = this.#handle.datasync().then(
      () => {
        this.#syncing = undefined
      },
      (cause) => {
        // The system reports it once only: it stays here until `finish`.
        throw writeError(this.target, cause)
      },
    )
    syncing.catch(() => undefined)
    this.#syncing = syncing
  }

  async #close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#syncing?.catch(() => undefined)
    await this.#handle.close()
  }
}

/** Waits for all of them, and then fails if one did. */
async function settled(promises: readonly (Promise<void> | undefined)[]): Promise<void> {
  for (const result of await Promise.allSettled(promises))
    if (result.status === 'rejected') throw result.reason
}

/** A name in the same folder that nobody else uses. */
export function temporaryName(target: string): string {
  const name = `.${path.basename(target).slice(0, 50)}.${randomBytes(6).toString('hex')}.tmp`
  return path.join(path.dirname(target), name)
}

/** Permissions of the file that is replaced: what was private stays private. */
async function modeOf(target: string): Promise<number> {
  try {
    return (await fs.promises.lstat(target)).mode & 0o666
  } catch {
    return 0o666
  }
}

/** Throws a `usage` error if the target exists and may not be replaced, or never could be. */
export async function refuseExisting(target: string, force: boolean): Promise<void> {
  let stat: fs.Stats
  try {
    stat = await fs.promises.lstat(target)
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return
    throw writeError(target, cause)
  }
  if (stat.isDirectory())
    throw usageError(`${target} is a folder; give the name of a file.`, { where: target })
  if (!force) throw existsError(target)
  if (!stat.isFile() && !stat.isSymbolicLink())
    throw usageError(`${target} is not a regular file and is not replaced.`, { where: target })
}

const existsError = (target: string) =>
  usageError(`${target}: exists already; give another name, or replace it (force).`, {
    where: target,
  })

/** Makes renames in the folder last through a power failure, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.promises.open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // Windows cannot; the files themselves are synced.
  }
}

const full = 'no space is left on the device; nothing was changed'
const inputReasons: Readonly<Record<string, string>> = {
  ENOSPC: full,
  EDQUOT: 'the disk quota is used up; nothing was changed',
  EFBIG: 'the file would be larger than the system allows; nothing was changed',
  EIO: 'the device reports an input/output error',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
}
const usageReasons: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  ENOTDIR: 'its folder is not a folder',
  ENAMETOOLONG: 'the name is too long',
  ERR_INVALID_ARG_VALUE: 'the name has a NUL in it',
}

/** The system's refusal to write a file, in words. */
function writeError(target: string, cause: unknown): Net2NetError {
  if (cause instanceof Net2NetError) return cause
  const code = errorCode(cause)
  if (code === 'EEXIST') return existsError(target)
  const usage = usageReasons[code]
  const make = usage ? usageError : inputError
  const reason = usage ?? inputReasons[code] ?? code
  return make(`${target.replaceAll('\0', '\\0')}: cannot be written: ${reason}.`, {
    where: target,
    cause,
  })
}
