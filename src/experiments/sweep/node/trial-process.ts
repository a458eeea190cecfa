/** The child process that trains one trial; see fork-trial.ts. */
import { Net2NetError } from '../../../errors.ts'
import type { Trial, TrialFailure, TrialProgress } from '../trial.ts'
import { runTrial } from './run-trial.ts'
import { SweepFolder } from './sweep-folder.ts'

export interface TrialTask {
  readonly trial: Pick<Trial, 'id' | 'spec' | 'keepState'>
  /** The sweep's folder. */
  readonly folder: string
  readonly dataFolder?: string
  readonly checkpointSeconds: number
}

export type ToTrial = { readonly task: TrialTask } | 'stop'
export type FromTrial =
  | { readonly progress: TrialProgress }
  | { readonly checkpoint: string }
  | { readonly failed: Omit<TrialFailure, 'id'> }
  | 'done'

if (process.send) listen((message) => void process.send?.(message))

function listen(send: (message: FromTrial) => void): void {
  const controller = new AbortController()
  // Ctrl-C reaches the whole process group; the parent decides what becomes of it.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  process.on('disconnect', () => process.exit(1))
  process.on('message', (message: ToTrial) => {
    if (message === 'stop') return controller.abort()
    const { trial, folder, ...options } = message.task
    runTrial(trial, new SweepFolder(folder), {
      ...options,
      signal: controller.signal,
      onProgress: (progress) => send({ progress }),
      onCheckpoint: (checkpoint) => send({ checkpoint }),
    })
      .then(
        () => send('done'),
        (error: unknown) => send({ failed: describe(error) }),
      )
      .finally(() => process.removeAllListeners('disconnect').disconnect())
  })
}

const describe = (error: unknown): Omit<TrialFailure, 'id'> =>
  error instanceof Net2NetError
    ? { kind: error.kind, message: error.message }
    : { kind: 'internal', message: error instanceof Error ? error.message : String(error) }
