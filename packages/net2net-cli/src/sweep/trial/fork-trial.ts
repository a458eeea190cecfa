/** Runs a trial in a process of its own, which can be stopped, or die, without harm to others. */

import { fork } from 'node:child_process'
import { Net2NetError } from 'net2net'
import { nodeArguments, programFile } from '../../package-files.ts'
import { supervise } from '../../processes/child-process.ts'
import type { TrialProgress } from './trial.ts'
import type { TrialEvent, TrialTask } from './trial-process.ts'

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
  const child = fork(programFile('sweep/trial/trial-process'), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: nodeArguments(),
  })
  await supervise<TrialTask, TrialEvent>(child, task, {
    signal,
    onEvent: (event) => {
      if ('progress' in event) onProgress?.(event.progress)
      else onCheckpoint?.(event.checkpoint)
    },
    interrupted,
    ended: (how) => new TrialCrash(`The trial's process ended early (${how}).`),
  })
}
