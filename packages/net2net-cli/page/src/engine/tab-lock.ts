/**
 * Web Locks, by which tabs know what goes on in another one: a tab that is closed lets go of its locks. Pages from other machines by
 * plain http have none: there, nothing goes on elsewhere as far as a tab can see.
 */
const locks = () => navigator.locks as LockManager | undefined

/** Takes a lock, until the function is called that comes back. */
export function holdLock(name: string): () => void {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  void locks()?.request(name, () => released)
  return release
}

/** The locks that tabs hold now, this one included. */
export async function heldLocks(): Promise<ReadonlySet<string | undefined>> {
  const { held = [] } = (await locks()?.query()) ?? {}
  return new Set(held.map(({ name }) => name))
}

/** Calls back once, when nobody holds the lock any more, this tab included. */
export function whenFree(name: string, act: () => void): void {
  void locks()
    ?.request(name, () => undefined)
    .then(act)
}
