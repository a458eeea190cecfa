/** Trains networks of explorations in processes of their own, which keep the data between jobs and may die without harm. */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { Net2NetError } from 'net2net'
import type { RungJob, RungOutcome, RungProgress } from 'net2net/exploring'
import { internalError } from '../errors.ts'
import { nodeArguments, programFile } from '../package-files.ts'
import { supervise } from '../processes/child-process.ts'
import type { ExplorationSettings } from './settings.ts'

/** As many as the cores carry. */
export const defaultJobs = (threads: number): number =>
  Math.max(1, Math.floor(availableParallelism() / threads))

/** What a process is asked to do. */
export interface RungTask {
  readonly job: RungJob
  /** The exploration's folder. */
  readonly folder: string
  readonly settings: ExplorationSettings
  /** In place of the data that the settings name. */
  readonly data?: string | undefined
}

export type RungEvent =
  | { readonly progress: RungProgress }
  | { readonly outcome: RungOutcome }
  /** A file that was written in the middle of a rung. */
  | { readonly unfinished: string }

export interface RungRunOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress: (progress: RungProgress) => void
  readonly onUnfinished?: (file: string) => void
}

/** A process that dies on a job may be short of memory: another tries, but not for ever. */
const maxAttempts = 3

class Crash extends Error {}

export class RungProcesses {
  readonly #idle: ChildProcess[] = []
  readonly #all = new Set<ChildProcess>()

  /** @throws Net2NetError as the training; interrupted where the signal said so */
  async run(task: RungTask, options: RungRunOptions): Promise<RungOutcome> {
    for (let attempt = 1; ; attempt++)
      try {
        return await this.#try(task, options)
      } catch (error) {
        if (!(error instanceof Crash)) throw error
        if (attempt === maxAttempts) return { kind: 'failed', message: error.message }
      }
  }

  async #try(
    task: RungTask,
    { signal, onProgress, onUnfinished }: RungRunOptions,
  ): Promise<RungOutcome> {
    const interrupted = () => new Net2NetError('interrupted', 'The training was interrupted.')
    if (signal?.aborted) throw interrupted()
    const child = this.#idle.pop() ?? this.#start()
    let outcome: RungOutcome | undefined
    try {
      await supervise<RungTask, RungEvent>(child, task, {
        signal,
        onEvent: (event) => {
          if ('progress' in event) onProgress(event.progress)
          else if ('unfinished' in event) onUnfinished?.(event.unfinished)
          else outcome = event.outcome
        },
        interrupted,
        ended: (how) => new Crash(`The process that trained it ended early (${how}).`),
      })
    } finally {
      if (child.connected) this.#idle.push(child)
    }
    if (!outcome) throw internalError('A rung ended without an outcome.')
    return outcome
  }

  #start(): ChildProcess {
    const child = fork(programFile('cli/explore/rung-process'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: nodeArguments(),
    })
    this.#all.add(child)
    child.on('exit', () => {
      this.#all.delete(child)
      const at = this.#idle.indexOf(child)
      if (at >= 0) this.#idle.splice(at, 1)
    })
    return child
  }

  /** Lets go of the processes: they end at once. */
  close(): void {
    for (const child of this.#all) if (child.connected) child.disconnect()
  }
}
