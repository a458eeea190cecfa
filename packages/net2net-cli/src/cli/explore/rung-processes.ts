/** Trains the networks of an exploration in processes of their own, which keep the data between jobs and may die without harm. */
import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { Net2NetError } from 'net2net'
import type { RungJob, RungOutcome, RungRunner } from 'net2net/exploring'
import { internalError } from '../../errors.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import { nodeArguments, programFile } from '../../package-files.ts'
import { supervise } from '../../processes/child-process.ts'
import type { RungEvent, RungTask } from './rung-process.ts'

/** As many as the cores carry. */
export const defaultJobs = (threads: number): number =>
  Math.max(1, Math.floor(availableParallelism() / threads))

/** A process that dies on a job may be short of memory: another tries, but not for ever. */
const maxAttempts = 3

class Crash extends Error {}

export class RungProcesses implements RungRunner {
  readonly #folder: string
  readonly #settings: ExplorationSettings
  readonly #idle: ChildProcess[] = []
  readonly #all = new Set<ChildProcess>()

  constructor(folder: string, settings: ExplorationSettings) {
    this.#folder = folder
    this.#settings = settings
  }

  async run(job: RungJob, options: Parameters<RungRunner['run']>[1]): Promise<RungOutcome> {
    for (let attempt = 1; ; attempt++)
      try {
        return await this.#try(job, options)
      } catch (error) {
        if (!(error instanceof Crash)) throw error
        if (attempt === maxAttempts) return { kind: 'failed', message: error.message }
      }
  }

  async #try(
    job: RungJob,
    { signal, onProgress }: Parameters<RungRunner['run']>[1],
  ): Promise<RungOutcome> {
    const interrupted = () => new Net2NetError('interrupted', 'The training was interrupted.')
    if (signal.aborted) throw interrupted()
    const child = this.#idle.pop() ?? this.#start()
    const task: RungTask = { job, folder: this.#folder, settings: this.#settings }
    let outcome: RungOutcome | undefined
    try {
      await supervise<RungTask, RungEvent>(child, task, {
        signal,
        onEvent: (event) => {
          if ('progress' in event) onProgress(event.progress)
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

  /** Lets go of the processes: those that do nothing end at once. */
  close(): void {
    for (const child of this.#all) if (child.connected) child.disconnect()
  }
}
