/** Work that a caller may interrupt. */
import { Net2NetError } from '../../errors.ts'

/** @throws interrupted, where the signal is aborted */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new Net2NetError('interrupted', 'Interrupted.', { cause: signal.reason })
}
