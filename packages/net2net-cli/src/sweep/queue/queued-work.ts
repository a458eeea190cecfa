/** What a worker does with a job, whatever kind of job it is. */
import type { RedisFiles } from './redis-files.ts'

export interface QueuedWork {
  /** Of the job and of the claim on it. */
  readonly id: string
  /** For messages. */
  readonly title: string
  /** Whether files are in the submitter's folder; otherwise they travel through Redis. */
  readonly commonFolder: boolean
  /** Whether the worker's folder is the submitter's. */
  isHere(): boolean
  isDone(): Promise<boolean>
  /** Does it, from what was done before. @throws interrupted; TrialCrash where a process died; as the training */
  run(options: WorkRunOptions): Promise<void>
  /** Says why it cannot be done. */
  giveUp(error: unknown): Promise<string>
  /** What is to be done after it. */
  follow(): Promise<void>
}

export interface WorkRunOptions {
  readonly signal: AbortSignal | undefined
  readonly onStart: () => void
  readonly onProgress: (progress: object) => void
}

export interface WorkContext {
  /** The worker's folder. */
  readonly folder: string
  /** undefined: the folder is common. */
  readonly files: RedisFiles | undefined
  readonly dataFolder: string | undefined
}
