/** Work that holds the thread, and still ends when the user presses Ctrl-C. */
import { setImmediate } from 'node:timers/promises'
import { Script } from 'node:vm'
import { Net2NetError } from 'net2net'

const call = Symbol.for('net2net.interruptible')
const script = new Script(`globalThis[Symbol.for('net2net.interruptible')]()`)

/**
 * Calls `work`. While it holds the thread, no handler of a signal can run; Node ends the execution of
 * a script itself, from a thread of its own, when SIGINT comes. SIGTERM is answered when the work is done.
 * Only for work that leaves nothing half-done: loading, planning, drawing.
 *
 * @throws interrupted
 */
export async function interruptible<T>(signal: AbortSignal, work: () => T): Promise<Awaited<T>> {
  const result = await interruptedBySigint(work)
  // Signals that came meanwhile are handled before the turn after the next.
  for (let turn = 0; turn < 2; turn++) await setImmediate()
  signal.throwIfAborted()
  return result
}

function interruptedBySigint<T>(work: () => T): T {
  const shared = globalThis as { [call]?: () => void }
  let result: { readonly value: T } | undefined
  shared[call] = () => {
    result = { value: work() }
  }
  try {
    script.runInThisContext({ breakOnSigint: true })
    return result!.value
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_INTERRUPTED') throw cause
    throw new Net2NetError('interrupted', 'Interrupted by SIGINT.', { where: 'SIGINT', cause })
  } finally {
    delete shared[call]
  }
}
