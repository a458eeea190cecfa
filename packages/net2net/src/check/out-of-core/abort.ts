/** Work that can be stopped from inside as well as by a signal. */

/** The controller's signal is given where `signal` is too; nothing listens to that any more afterwards. */
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
