/**
 * The child process that trains one arm. The parent sends the task as the first message, and
 * `stop` to interrupt; the child sends events and ends with `done` or `failed`.
 */
import { type ErrorDetails, type ErrorKind, Net2NetError } from '../errors.ts'
import { load, save } from '../onnx/file.ts'
import { nodeRuntime } from '../runtime/node.ts'
import { selectArms } from './arms.ts'
import type { DataSettings } from './data-node.ts'
import { loadRunData } from './data-node.ts'
import type { ArmEvent } from './results.ts'
import { trainArm } from './train-arm.ts'

export interface ArmTask {
  readonly arm: string
  readonly data: DataSettings
  readonly seed: number
  readonly epochs: number
  readonly batchSize: number
  readonly threads: number
  /** File of the trained teacher, for students. */
  readonly teacher?: string
  /** Where the trained network goes. */
  readonly output: string
}

export type ToChild = { readonly task: ArmTask } | 'stop'
export type FromChild =
  | { readonly event: ArmEvent }
  | { readonly failed: { kind: ErrorKind; message: string } & Pick<ErrorDetails, 'where' | 'hint'> }
  | 'done'

if (process.send) listen((message) => void process.send?.(message))

function listen(send: (message: FromChild) => void): void {
  const controller = new AbortController()
  // Ctrl-C reaches the whole process group; the parent decides what becomes of it.
  process.on('SIGINT', () => {})
  process.on('disconnect', () => process.exit(1))
  process.on('message', (message: ToChild) => {
    if (message === 'stop') controller.abort()
    else
      train(message.task, controller.signal, (event) => send({ event }))
        .then(
          () => send('done'),
          (error: unknown) => send({ failed: describe(error) }),
        )
        .finally(() => process.removeAllListeners('disconnect').disconnect())
  })
}

async function train(
  task: ArmTask,
  signal: AbortSignal,
  onEvent: (event: ArmEvent) => void,
): Promise<void> {
  const arm = selectArms([task.arm]).find(({ name }) => name === task.arm)!
  // The parent has verified the same files.
  const data = await loadRunData(task.data, { verify: false })
  await trainArm(arm, task.teacher === undefined ? undefined : await load(task.teacher), {
    ...task,
    ...data,
    runtime: nodeRuntime,
    signal,
    onEvent,
    onModel: (model) => save(model, task.output, { force: true }),
  })
}

function describe(error: unknown) {
  if (error instanceof Net2NetError) {
    const { kind, message, where, hint } = error
    return {
      kind,
      message,
      ...(where === undefined ? {} : { where }),
      ...(hint === undefined ? {} : { hint }),
    }
  }
  return { kind: 'internal' as const, message: error instanceof Error ? error.message : `${error}` }
}
