/**
 * Dropped files are kept in this browser under their hash, so that a reload, or the way back, finds
 * them again. They go nowhere else.
 */
import { database } from './database.ts'
import type { NamedBytes } from './protocol.ts'

/** The store keeps the last few only. */
const most = 6

export interface KeptFile extends NamedBytes {
  readonly key: string
  /** The files of external data that came with it. */
  readonly data?: readonly NamedBytes[]
  readonly time: number
}

const transact = database('net2net', { files: { keyPath: 'key' } })

/** The first 12 hex digits of the file's SHA-256; random ones where the browser computes none. */
async function fileKey(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // Loopback and https have it. Pages from other machines by plain http have not.
  const subtle = crypto.subtle as SubtleCrypto | undefined
  const digest = subtle
    ? new Uint8Array(await subtle.digest('SHA-256', bytes))
    : crypto.getRandomValues(new Uint8Array(6))
  return [...digest.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Keeps a file and returns its key. A browser that forbids it keeps nothing. */
export async function keepFile(
  { name, bytes }: NamedBytes,
  data: readonly NamedBytes[] = [],
): Promise<string> {
  const key = await fileKey(bytes)
  try {
    const file: KeptFile = { key, name, bytes, data, time: Date.now() }
    await transact('readwrite', ({ files }) => files.put(file))
    const all = (await transact('readonly', ({ files }) => files.getAll())) as KeptFile[]
    const old = all.sort((a, b) => b.time - a.time).slice(most)
    for (const file of old) await transact('readwrite', ({ files }) => files.delete(file.key))
  } catch {
    // Private windows and full disks: a reload will ask for the file again.
  }
  return key
}

export async function keptFile(key: string): Promise<KeptFile | undefined> {
  try {
    return (await transact('readonly', ({ files }) => files.get(key))) as KeptFile | undefined
  } catch {
    return undefined
  }
}
