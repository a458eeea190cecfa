/**
 * Dropped files are kept in this browser under their hash, so that a reload, or the way back, finds
 * them again. They go nowhere else.
 */
const database = 'net2net'
const store = 'files'
/** The store keeps the last few only. */
const most = 6

export interface KeptFile {
  readonly key: string
  readonly name: string
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly time: number
}

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(database, 1)
    request.onupgradeneeded = () => request.result.createObjectStore(store, { keyPath: 'key' })
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

async function transact<T>(
  mode: IDBTransactionMode,
  act: (files: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  const db = await open()
  try {
    return await new Promise((resolve, reject) => {
      const request = act(db.transaction(store, mode).objectStore(store))
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  } finally {
    db.close()
  }
}

/** The first 12 hex digits of the file's SHA-256. */
export async function fileKey(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // Only secure contexts have it; loopback and https are.
  const digest = await crypto.subtle.digest('SHA-256', bytes)
  return [...new Uint8Array(digest).subarray(0, 6)]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}

/** Keeps a file and returns its key. A browser that forbids it keeps nothing. */
export async function keepFile(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const key = await fileKey(bytes)
  try {
    await transact('readwrite', (files) => files.put({ key, name, bytes, time: Date.now() }))
    const all = (await transact('readonly', (files) => files.getAll())) as KeptFile[]
    const old = all.sort((a, b) => b.time - a.time).slice(most)
    for (const file of old) await transact('readwrite', (files) => files.delete(file.key))
  } catch {
    // Private windows and full disks: a reload will ask for the file again.
  }
  return key
}

export async function keptFile(key: string): Promise<KeptFile | undefined> {
  try {
    return (await transact('readonly', (files) => files.get(key))) as KeptFile | undefined
  } catch {
    return undefined
  }
}
