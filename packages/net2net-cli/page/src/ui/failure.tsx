import { WorkerFailure } from '../engine/client.ts'
import type { Failure } from '../engine/protocol.ts'
import { said } from '../text/text.ts'

/** One clear sentence, and what to do. */
export const FailureNotice = ({ failure }: { failure: Failure }) => (
  <div class="notice bad" role="alert">
    {said(failure.message)}
    {failure.hint === undefined ? null : <span class="hint">{said(failure.hint)}</span>}
  </div>
)

export function failureFrom(error: unknown): Failure {
  if (error instanceof WorkerFailure) return error.failure
  return { kind: 'internal', message: error instanceof Error ? error.message : String(error) }
}
