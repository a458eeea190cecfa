/** What is kept in this browser's IndexedDB. Nothing of it goes anywhere else. */

type Act<Name extends string, T> = (stores: Readonly<Record<Name, IDBObjectStore>>) => IDBRequest<T>

/**
 * Makes requests to the stores of a database in one transaction. Resolves to what the last of them gave, when all is written and not
 * before: a full disk is told then.
 *
 * @throws DOMException QuotaExceededError where the browser gives no more room; others where it forbids to keep anything
 */
export type Transact<Name extends string> = <T>(
  mode: IDBTransactionMode,
  act: Act<Name, T>,
) => Promise<T>

/** @param stores their names, and where their keys are */
export function database<Name extends string>(
  name: string,
  stores: Readonly<Record<Name, IDBObjectStoreParameters>>,
): Transact<Name> {
  const names = Object.keys(stores) as Name[]
  const open = (): Promise<IDBDatabase> =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open(name, 1)
      request.onupgradeneeded = () => {
        for (const store of names) request.result.createObjectStore(store, stores[store])
      }
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  return async <T>(mode: IDBTransactionMode, act: Act<Name, T>): Promise<T> => {
    const db = await open()
    try {
      return await new Promise<T>((resolve, reject) => {
        const transaction = db.transaction(names, mode)
        const all = names.map((store) => [store, transaction.objectStore(store)] as const)
        const request = act(Object.fromEntries(all) as Record<Name, IDBObjectStore>)
        transaction.oncomplete = () => resolve(request.result)
        transaction.onabort = () => reject(transaction.error)
        transaction.onerror = () => reject(transaction.error)
      })
    } finally {
      db.close()
    }
  }
}

/** Values by keys that stand beside them. */
export interface Table {
  get(key: string): Promise<unknown>
  /** @throws DOMException QuotaExceededError where the browser gives no more room */
  put(key: string, value: unknown): Promise<void>
  /** Removes what is kept under keys that begin so. */
  remove(prefix: string): Promise<void>
  /** What is kept under keys that end so. */
  ending(suffix: string): Promise<readonly unknown[]>
}

export function table(name: string): Table {
  const transact = database(name, { table: {} })
  const keys = () => transact<IDBValidKey[]>('readonly', ({ table: all }) => all.getAllKeys())
  const get = (key: string) => transact<unknown>('readonly', ({ table: all }) => all.get(key))
  return {
    get,
    async put(key, value) {
      await transact('readwrite', ({ table: all }) => all.put(value, key))
    },
    async remove(prefix) {
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`)
      await transact('readwrite', ({ table: all }) => all.delete(range))
    },
    async ending(suffix) {
      const wanted = (await keys()).map(String).filter((key) => key.endsWith(suffix))
      return Promise.all(wanted.map(get))
    },
  }
}
