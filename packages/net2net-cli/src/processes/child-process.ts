/**
 * Work in a child process, which can be stopped, or die, without harm to others. The parent sends
 * the task as the first message, and `stop` to interrupt; the child sends events and ends with
 * `done` or `failed`.
 */

import type { ChildProcess } from 'node:child_process'
import { type ErrorDetails, type ErrorKind, Net2NetError } from 'net2net'

type ToChild<Task> = { readonly task: Task } | 'stop'
type FromChild<Event> =
  | { readonly event: Event }
  | { readonly failed: { kind: ErrorKind; message: string } & Pick<ErrorDetails, 'where' | 'hint'> }
  | 'done'

/** How long an interrupted child may take before it is killed. */
const patience = 10_000

export interface Supervision<Event> {
  readonly signal?: AbortSignal | undefined
  readonly onEvent: (event: Event) => void
  readonly interrupted: () => Error
  /** What to throw where the process ended without a word; `how` is its signal or exit code. */
  readonly ended: (how: string) => Error
}

/** Gives a child its task and waits for its end. @throws Net2NetError as the child did */
export async function supervise<Task, Event>(
  child: ChildProcess,
  task: Task,
  { signal, onEvent, interrupted, ended }: Supervision<Event>,
): Promise<void> {
  const send = (message: ToChild<Task>) => child.connected && child.send(message)
  let killing: NodeJS.Timeout | undefined
  const stop = () => {
    send('stop')
    killing = setTimeout(() => child.kill('SIGKILL'), patience)
  }
  signal?.addEventListener('abort', stop)
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject)
      child.on('message', (message: FromChild<Event>) => {
        if (message === 'done') resolve()
        else if ('event' in message) {
          try {
            onEvent(message.event)
          } catch (error) {
            child.kill()
            reject(error)
          }
        } else {
          const { kind, message: text, ...details } = message.failed
          reject(new Net2NetError(kind, text, details))
        }
      })
      child.on('exit', (code, by) =>
        reject(signal?.aborted ? interrupted() : ended(by ?? `exit code ${code}`)),
      )
      send({ task })
    })
  } finally {
    clearTimeout(killing)
    signal?.removeEventListener('abort', stop)
  }
}

/**
 * The child's side: does what the parent asks. Does nothing in a process that has no parent to
 * talk to. The parent decides what becomes of the signals in `ignored`, which reach the whole
 * process group.
 */
export function serveParent<Task, Event>(
  work: (task: Task, signal: AbortSignal, onEvent: (event: Event) => void) => Promise<unknown>,
  ignored: readonly NodeJS.Signals[],
): void {
  if (!process.send) return
  const send = (message: FromChild<Event>) => void process.send?.(message)
  const controller = new AbortController()
  for (const signal of ignored) process.on(signal, () => {})
  process.on('disconnect', () => process.exit(1))
  process.on('message', (message: ToChild<Task>) => {
    if (message === 'stop') controller.abort()
    else
      work(message.task, controller.signal, (event) => send({ event }))
        .then(
          () => send('done'),
          (error: unknown) => send({ failed: describe(error) }),
        )
        .finally(() => process.removeAllListeners('disconnect').disconnect())
  })
}

function describe(error: unknown) {
  if (error instanceof Net2NetError) {
    const { kind, message, where, hint } = error
    return {
      kind,
      message,
      where,
      hint,
    }
  }
  return { kind: 'internal' as const, message: error instanceof Error ? error.message : `${error}` }
}
