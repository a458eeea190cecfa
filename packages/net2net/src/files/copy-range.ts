/** Copying bytes from file to file. Node only. */

export interface CopyTask {
  /** Descriptor and position of what is read … */
  readonly from: number
  readonly at: number
  /** … and of where it is written. */
  readonly to: number
  readonly position: number
  readonly length: number
}

/** What a copy failed with, in a form that can be sent between threads. */
export interface CopyFailure {
  /** `end`: the file that is read ends too early. */
  readonly during: 'read' | 'write' | 'end'
  readonly code: string
  /** Position in the file that is read. */
  readonly at: number
}

/**
 * Copies on this thread, and returns when it is done. Pieces of 128 KiB stay in the cache that a core
 * has for itself until they are written: those of 256 KiB take twice the processor time. Needs
 * nothing from outside, for it is handed to a thread as text.
 */
export function copyRange(
  fs: Pick<typeof import('node:fs'), 'readSync' | 'writeSync'>,
  { from, at, to, position, length }: CopyTask,
): CopyFailure | undefined {
  const bytes = new Uint8Array(Math.min(2 ** 17, length))
  let during: 'read' | 'write' = 'read'
  let done = 0
  try {
    while (done < length) {
      during = 'read'
      const wanted = Math.min(bytes.length, length - done)
      const count = fs.readSync(from, bytes, 0, wanted, at + done)
      if (count === 0) return { during: 'end', code: '', at: at + done }
      during = 'write'
      for (let written = 0; written < count; )
        written += fs.writeSync(to, bytes, written, count - written, position + done + written)
      done += count
    }
    return undefined
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? `${cause.code}` : `${cause}`
    return { during, code, at: at + done }
  }
}
