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
