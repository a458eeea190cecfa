/** Tables in this browser's IndexedDB, whose keys stand beside what is kept. Nothing of it goes anywhere else. */

export interface Table {
  get(key: string): Promise<unknown>
  /** @throws DOMException QuotaExceededError where the browser gives no more room */
  put(key: string, value: unknown): Promise<void>
  /** Removes what is kept under keys that begin so. */
  remove(prefix: string): Promise<void>
  /** What is kept under keys that end so. */
  ending(suffix: string): Promise<readonly unknown[]>
}

const name = 'table'

export function table(database: string): Table {
  const open = (): Promise<IDBDatabase> =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open(database, 1)
      request.onupgradeneeded = () => request.result.createObjectStore(name)
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  /** What is put is kept when the transaction is complete, and not before: a full disk is told then. */
  async function transact<T>(
    mode: IDBTransactionMode,
    act: (store: IDBObjectStore) => IDBRequest<T>,
  ): Promise<T> {
    const db = await open()
    try {
      return await new Promise((resolve, reject) => {
        const transaction = db.transaction(name, mode)
        const request = act(transaction.objectStore(name))
        transaction.oncomplete = () => resolve(request.result)
        transaction.onabort = () => reject(transaction.error)
        transaction.onerror = () => reject(transaction.error)
      })
    } finally {
      db.close()
    }
  }
  const keys = () => transact<IDBValidKey[]>('readonly', (store) => store.getAllKeys())
  const get = (key: string) => transact<unknown>('readonly', (store) => store.get(key))
  return {
    get,
    async put(key, value) {
      await transact('readwrite', (store) => store.put(value, key))
    },
    async remove(prefix) {
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`)
      await transact('readwrite', (store) => store.delete(range))
    },
    async ending(suffix) {
      const wanted = (await keys()).map(String).filter((key) => key.endsWith(suffix))
      return Promise.all(wanted.map(get))
    },
  }
}
