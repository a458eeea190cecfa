/** Runs a sweep on this machine: as many trials at a time as the cores carry. */

import { availableParallelism } from 'node:os'
import { Net2NetError } from 'net2net'
import { lockFolder } from '../../processes/folder-lock.ts'
import { forkTrial } from '../trial/fork-trial.ts'
import type { SweepFolder } from '../trial/sweep-folder.ts'
import type { SweepPlan, Trial, TrialFailure } from '../trial/trial.ts'
import type { SweepEvent, SweepOutcome } from './events.ts'

export interface RunSweepOptions {
  /** Trials at a time. Default: the cores, divided by the threads of a trial. */
  readonly jobs?: number | undefined
  readonly dataFolder?: string | undefined
  /** Least time between two checkpoints of a trial. Default 30. */
  readonly checkpointSeconds?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent: (event: SweepEvent) => void
}

/**
 * Threads per trial are part of a trial, since they may decide the last bits; how many trials run
 * at a time follows from the cores, and changes none.
 */
const defaultJobs = (plan: SweepPlan): number =>
  Math.max(
    1,
    Math.floor(
      availableParallelism() / Math.max(1, ...plan.trials.map(({ spec }) => spec.threads)),
    ),
  )

/**
 * Runs what is not finished yet; trials that failed before try again.
 *
 * @throws interrupted; usage where another process runs the sweep in the same folder
 */
export async function runSweep(
  plan: SweepPlan,
  folder: SweepFolder,
  options: RunSweepOptions,
): Promise<SweepOutcome> {
  const { signal, onEvent } = options
  const unlock = lockFolder(folder.path, 'a sweep')
  try {
    const progress = new SweepProgress(plan, folder, onEvent)
    const jobs = Math.max(1, Math.min(options.jobs ?? defaultJobs(plan), plan.trials.length))
    await progress.begin(jobs)
    const running = new Set<Promise<void>>()
    const waiting = [...progress.open]
    while (!signal?.aborted) {
      const next = waiting.findIndex((trial) => progress.isReady(trial))
      if (next >= 0 && running.size < jobs) {
        const trial = waiting.splice(next, 1)[0]!
        onEvent({ kind: 'start', trial })
        const work: Promise<void> = forkTrial(
          {
            trial,
            folder: folder.path,
            checkpointSeconds: options.checkpointSeconds ?? 30,
            dataFolder: options.dataFolder,
          },
          {
            signal,
            onProgress: (made) => onEvent({ kind: 'progress', trial, progress: made }),
          },
        )
          .then(
            () => progress.finish(trial),
            (error: unknown) =>
              signal?.aborted ? undefined : progress.fail(trial, failureOf(trial.id, error)),
          )
          .finally(() => running.delete(work))
        running.add(work)
      } else if (running.size === 0) break
      else await Promise.race(running)
    }
    await Promise.all(running)
    if (signal?.aborted) throw new Net2NetError('interrupted', 'The sweep was interrupted.')
    return progress.outcome
  } finally {
    unlock()
  }
}

export const failureOf = (id: string, error: unknown): TrialFailure => ({
  id,
  kind: error instanceof Net2NetError ? error.kind : 'internal',
  message: error instanceof Error ? error.message : String(error),
})

/** What has become of each trial. */
export class SweepProgress {
  readonly #plan: SweepPlan
  readonly #folder: SweepFolder
  readonly #onEvent: (event: SweepEvent) => void
  readonly #finished = new Set<string>()
  readonly #failed = new Map<string, TrialFailure>()
  readonly #blocked = new Set<string>()

  constructor(plan: SweepPlan, folder: SweepFolder, onEvent: (event: SweepEvent) => void) {
    this.#plan = plan
    this.#folder = folder
    this.#onEvent = onEvent
    for (const trial of plan.trials) if (folder.isFinished(trial)) this.#finished.add(trial.id)
  }

  /** Says what there is to do, and forgets former failures. */
  async begin(jobs?: number): Promise<void> {
    for (const { id } of this.#plan.trials) await this.#folder.clearFailure(id)
    const { trials } = this.#plan
    const finished = this.#finished.size
    this.#onEvent({ kind: 'plan', trials, finished, ...(jobs === undefined ? {} : { jobs }) })
  }

  /** Neither finished nor failed nor blocked. */
  get open(): readonly Trial[] {
    return this.#plan.trials.filter(
      ({ id }) => !this.#finished.has(id) && !this.#failed.has(id) && !this.#blocked.has(id),
    )
  }

  isReady({ id, spec }: Trial): boolean {
    return !this.#blocked.has(id) && (spec.parent === undefined || this.#finished.has(spec.parent))
  }

  async finish(trial: Trial): Promise<void> {
    const result = await this.#folder.readResult(trial.id)
    if (!result)
      return this.fail(trial, failureOf(trial.id, new Error('It ended without a result.')))
    this.#finished.add(trial.id)
    this.#onEvent({ kind: 'finish', trial, result })
  }

  async fail(trial: Trial, failure: TrialFailure): Promise<void> {
    this.#failed.set(trial.id, failure)
    await this.#folder.saveFailure(failure)
    this.#onEvent({ kind: 'fail', trial, failure })
    this.#block(trial)
  }

  #block(by: Trial): void {
    for (const trial of this.#plan.trials)
      if (trial.spec.parent === by.id && !this.#blocked.has(trial.id)) {
        this.#blocked.add(trial.id)
        this.#onEvent({ kind: 'block', trial, by })
        this.#block(trial)
      }
  }

  get outcome(): SweepOutcome {
    return {
      finished: [...this.#finished],
      failed: [...this.#failed.values()],
      blocked: [...this.#blocked],
    }
  }
}
