/**
 * Work in a child process, which can be stopped, or die, without harm to others. The parent sends
 * a task, and `stop` to interrupt; the child sends events and ends the task with `done` or `failed`. A child that keeps
 * what tasks have in common (data, say) serves one task after the other, until its parent lets go of it.
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
  // What happens to a child between two tasks is seen when it gets the next one.
  if (child.listenerCount('error') === 0) child.on('error', () => {})
  let unlisten: () => unknown = () => {}
  try {
    await new Promise<void>((resolve, reject) => {
      const hear = (message: FromChild<Event>) => {
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
      }
      const end = (code: number | null, by: NodeJS.Signals | null) =>
        reject(signal?.aborted ? interrupted() : ended(by ?? `exit code ${code}`))
      child.on('error', reject).on('message', hear).on('exit', end)
      unlisten = () => child.off('error', reject).off('message', hear).off('exit', end)
      if (child.exitCode !== null || child.signalCode !== null)
        end(child.exitCode, child.signalCode)
      send({ task })
    })
  } finally {
    clearTimeout(killing)
    signal?.removeEventListener('abort', stop)
    unlisten()
  }
}

export interface ServeOptions {
  /** Signals that reach the whole process group: the parent decides what becomes of them. */
  readonly ignored: readonly NodeJS.Signals[]
  /** Whether to wait for another task after one. Default false. */
  readonly keeps?: boolean
}

/**
 * The child's side: does what the parent asks. Does nothing in a process that has no parent to
 * talk to.
 */
export function serveParent<Task, Event>(
  work: (task: Task, signal: AbortSignal, onEvent: (event: Event) => void) => Promise<unknown>,
  { ignored, keeps = false }: ServeOptions,
): void {
  if (!process.send) return
  const send = (message: FromChild<Event>) => void process.send?.(message)
  let controller = new AbortController()
  for (const signal of ignored) process.on(signal, () => {})
  process.on('disconnect', () => process.exit(1))
  process.on('message', (message: ToChild<Task>) => {
    if (message === 'stop') return controller.abort()
    controller = new AbortController()
    work(message.task, controller.signal, (event) => send({ event }))
      .then(
        () => send('done'),
        (error: unknown) => send({ failed: describe(error) }),
      )
      .finally(() => {
        if (!keeps) process.removeAllListeners('disconnect').disconnect()
      })
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
