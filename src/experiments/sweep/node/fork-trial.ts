/** Runs a trial in a process of its own, which can be stopped, or die, without harm to others. */
import { fork } from 'node:child_process'
import { type ErrorKind, Net2NetError } from '../../../errors.ts'
import type { TrialProgress } from '../trial.ts'
import type { FromTrial, ToTrial, TrialTask } from './trial-process.ts'

/** How long an interrupted trial may take before it is killed. */
const patience = 10_000

/** The process ended without a word: no fault of the trial's, perhaps. */
export class TrialCrash extends Error {}

export interface ForkOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (progress: TrialProgress) => void
  readonly onCheckpoint?: (file: string) => void
}

/** @throws Net2NetError as the trial did; TrialCrash where its process died; interrupted */
export async function forkTrial(task: TrialTask, options: ForkOptions): Promise<void> {
  const { signal, onProgress, onCheckpoint } = options
  const interrupted = () => new Net2NetError('interrupted', 'The trial was interrupted.')
  if (signal?.aborted) throw interrupted()
  // The compiled program and its sources differ in the ending, and in who reads them.
  const source = import.meta.url.endsWith('.ts')
  const child = fork(new URL(`./trial-process.${source ? 'ts' : 'js'}`, import.meta.url), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: source ? ['--import', 'tsx'] : [],
  })
  const send = (message: ToTrial) => child.connected && child.send(message)
  let killing: NodeJS.Timeout | undefined
  const stop = () => {
    send('stop')
    killing = setTimeout(() => child.kill('SIGKILL'), patience)
  }
  signal?.addEventListener('abort', stop)
  try {
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject)
      child.on('message', (message: FromTrial) => {
        if (message === 'done') resolve()
        else if ('progress' in message) onProgress?.(message.progress)
        else if ('checkpoint' in message) onCheckpoint?.(message.checkpoint)
        else reject(new Net2NetError(message.failed.kind as ErrorKind, message.failed.message))
      })
      child.on('exit', (code, by) =>
        reject(
          signal?.aborted
            ? interrupted()
            : new TrialCrash(`The trial's process ended early (${by ?? `exit code ${code}`}).`),
        ),
      )
      send({ task })
    })
  } finally {
    clearTimeout(killing)
    signal?.removeEventListener('abort', stop)
  }
}
