/** Work that can be stopped from inside as well as by a signal. */

/**
 * Runs work with a controller that aborts when `signal` does. The work may also abort it by itself. Afterwards the listener
 * on `signal` is removed.
 */
export async function stoppable<T>(
  signal: AbortSignal | undefined,
  work: (stop: AbortController) => Promise<T>,
): Promise<T> {
  const stop = new AbortController()
  const follow = () => stop.abort(signal?.reason)
  if (signal?.aborted) follow()
  signal?.addEventListener('abort', follow)
  try {
    return await work(stop)
  } finally {
    signal?.removeEventListener('abort', follow)
  }
}
