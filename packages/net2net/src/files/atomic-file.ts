/** One file of those that appear together (`AtomicFiles`), while it is written. Node only. */
import fs from 'node:fs'
import path from 'node:path'
import type { StoredBytes } from '../tensor/tensor.ts'
import type { Copier } from './copier.ts'
import { endError, errorCode, FileSource, readError } from './file-source.ts'
import { refuseExisting, writeError } from './target.ts'
import { removeLeftoversOnce, temporaryName } from './temporary-name.ts'

/** Small writes are collected up to this size. */
const BUFFER = 2 ** 20
/** From this many new bytes on, the disk gets them while more are being written. */
const SYNC_EVERY = 2 ** 23

/**
 * A file under a temporary name in the target's folder. Until it is published, nothing is seen
 * under the target's name.
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
    removeLeftoversOnce(path.dirname(target))
    const temporary = temporaryName(target)
    try {
      const handle = await fs.promises.open(temporary, 'wx', await modeOf(target))
      return new AtomicFile(target, temporary, handle)
    } catch (cause) {
      throw writeError(target, cause)
    }
  }

  /**
   * Appends a text or bytes; these may change as soon as the promise is kept. Large writes are on
   * their way when the call returns, so that the caller can compute meanwhile.
   */
  async write(content: string | Uint8Array): Promise<void> {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    const large = bytes.length > BUFFER / 4
    const full = large || this.#bufferedBytes + bytes.length > BUFFER
    const flushed = full ? this.flush() : undefined
    if (large) {
      const put = this.#put(bytes)
      await settled([flushed, put])
      this.#syncSome(bytes.length)
    } else {
      this.#buffered.push(new Uint8Array(bytes))
      this.#bufferedBytes += bytes.length
      await flushed
    }
  }

  /** Appends bytes of another file; several copies may be on their way. */
  async copy({ file, at }: StoredBytes, length: number, copier: Copier): Promise<void> {
    const flushed = this.flush()
    const position = this.#position
    this.#position += length
    await flushed
    const to = this.#handle.fd
    const failure = await file.use(async (from) => {
      const failed = await copier.copy({ from, at, to, position, length })
      if (failed?.during === 'write') throw writeError(this.target, failed)
      // The caller is told that the file was changed, even if writing its bytes failed.
      return failed
    })
    if (failure?.during === 'read') throw readError(file.path, failure)
    if (failure) throw endError(file.path, failure.at)
    this.#syncSome(length)
  }

  /** Goes on writing at another place; what is never written reads as zeros. */
  async seek(position: number): Promise<void> {
    if (position === this.#position + this.#bufferedBytes) return
    await this.flush()
    this.#position = position
  }

  /** Writes what was collected: then everything before can be read from the file. */
  async flush(): Promise<void> {
    const chunks = this.#buffered
    this.#buffered = []
    this.#bufferedBytes = 0
    if (chunks.length > 0) await this.#put(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
  }

  /** Gives the file its final size and reads it while it is being written. */
  async reader(byteLength: number): Promise<FileSource> {
    await this.flush()
    try {
      await this.#handle.truncate(byteLength)
    } catch (cause) {
      throw writeError(this.target, cause)
    }
    return new FileSource(this.#temporary, { beingWritten: true })
  }

  /** Brings everything to the disk. */
  async finish(): Promise<void> {
    await this.flush()
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
      if (!force) return await nameExclusively(this.#temporary, this.target)
      // What is there may have become something else since it was looked at first.
      await refuseExisting(this.target, true)
      await rename(this.#temporary, this.target)
    } catch (cause) {
      throw writeError(this.target, cause)
    }
  }

  /** Removes the temporary file, if it is still there. */
  async discard(): Promise<void> {
    await this.#close().catch(() => undefined)
    await fs.promises.rm(this.#temporary, { force: true })
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

/** Permissions of the file that is replaced: what was private stays private. */
async function modeOf(target: string): Promise<number> {
  try {
    return (await fs.promises.lstat(target)).mode & 0o666
  } catch {
    return 0o666
  }
}

/**
 * Gives a file a name that nobody has: of several processes that want it, one gets it.
 *
 * @throws the system's own error, `EEXIST` where the name is taken
 */
export async function nameExclusively(from: string, to: string): Promise<void> {
  try {
    // Unlike rename, link never replaces anything, not even a symbolic link that leads nowhere.
    await fs.promises.link(from, to)
  } catch (cause) {
    if (errorCode(cause) === 'EEXIST') throw cause
    await nameWithoutLinks(from, to)
    return
  }
  // If this fails, the file is there under both names, and the next process removes the second.
  await fs.promises.unlink(from).catch(() => undefined)
}

/** For file systems without hard links: whoever creates an empty file there may replace it. */
async function nameWithoutLinks(from: string, to: string): Promise<void> {
  const placeholder = await fs.promises.open(to, 'wx')
  await placeholder.close()
  try {
    await rename(from, to)
  } catch (cause) {
    await fs.promises.rm(to, { force: true })
    throw cause
  }
}

/**
 * Replaces what is there. On Windows, virus scanners and indexers open new files for a moment, and
 * the system refuses to rename them meanwhile: there it is tried again for a second.
 */
export async function rename(from: string, to: string): Promise<void> {
  const tries = process.platform === 'win32' ? 20 : 1
  for (let attempt = 1; ; attempt++)
    try {
      return await fs.promises.rename(from, to)
    } catch (cause) {
      if (attempt === tries || !['EPERM', 'EACCES', 'EBUSY'].includes(errorCode(cause))) throw cause
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
}
