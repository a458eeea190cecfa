/** The child process that trains one trial; see fork-trial.ts. */
import { serveParent } from '../../processes/child-process.ts'
import { runTrial } from './run-trial.ts'
import { SweepFolder } from './sweep-folder.ts'
import type { Trial, TrialProgress } from './trial.ts'

export interface TrialTask {
  readonly trial: Pick<Trial, 'id' | 'spec' | 'keepState'>
  /** The sweep's folder. */
  readonly folder: string
  readonly dataFolder?: string | undefined
  readonly checkpointSeconds: number
}

export type TrialEvent = { readonly progress: TrialProgress } | { readonly checkpoint: string }

// A trial ends when its parent says so: on SIGTERM, too, it is to save where it is.
serveParent<TrialTask, TrialEvent>(
  ({ trial, folder, ...options }, signal, onEvent) =>
    runTrial(trial, new SweepFolder(folder), {
      ...options,
      signal,
      onProgress: (progress) => onEvent({ progress }),
      onCheckpoint: (checkpoint) => onEvent({ checkpoint }),
    }),
  { ignored: ['SIGINT', 'SIGTERM'] },
)
