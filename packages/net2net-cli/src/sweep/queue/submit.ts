/** Submits a sweep to a queue, and follows it until every trial has ended. */

import { createHash } from 'node:crypto'
import { mkdir, realpath } from 'node:fs/promises'
import { hostname } from 'node:os'
import { Net2NetError } from 'net2net'
import type { SweepEvent, SweepOutcome } from '../schedule/events.ts'
import { SweepProgress } from '../schedule/run-sweep.ts'
import type { SweepFolder } from '../trial/sweep-folder.ts'
import type { SweepPlan, Trial, TrialFailure, TrialProgress } from '../trial/trial.ts'
import { parseFailure } from './parse-job.ts'
import {
  addJob,
  Claims,
  defaultQueueName,
  jobOf,
  openQueue,
  type TrialJob,
  type TrialQueue,
} from './queue.ts'
import { connectRedis } from './redis.ts'
import { RedisFiles } from './redis-files.ts'

export interface SubmitOptions {
  readonly url: string
  readonly queue?: string | undefined
  /** Whether the workers see the sweep's folder; otherwise files travel through Redis. */
  readonly commonFolder?: boolean | undefined
  readonly checkpointSeconds?: number | undefined
  /** Time between two looks. Default 500. */
  readonly everyMilliseconds?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent: (event: SweepEvent) => void
}

/** A job that is gone for so long is added again: Redis may have lost it. */
const missingMilliseconds = 3000

/**
 * The folder is what counts: what Redis forgets, jobs and files, is given to it again. Whoever
 * stops following may follow again later; the workers go on meanwhile.
 *
 * @throws interrupted; usage, input where there is no Redis
 */
export async function submitSweep(
  plan: SweepPlan,
  folder: SweepFolder,
  options: SubmitOptions,
): Promise<SweepOutcome> {
  const { onEvent, signal, queue: name = defaultQueueName } = options
  const { redis, close } = await connectRedis(options.url, {
    signal,
    onLost: () => onEvent({ kind: 'note', message: 'Redis is away; waiting until it is back.' }),
    onBack: () => {
      follower.forgotten()
      onEvent({ kind: 'note', message: 'Redis is back.' })
    },
  })
  const queue = openQueue(redis, name)
  const files = options.commonFolder ? undefined : new RedisFiles(redis, name)
  const claims = new Claims(redis, name, 'submitter', 1000)
  const progress = new SweepProgress(plan, folder, onEvent)
  const follower: Follower = new Follower(plan, folder, {
    queue,
    files,
    claims,
    progress,
    settings: {
      checkpointSeconds: options.checkpointSeconds ?? 30,
      commonFolder: options.commonFolder === true,
    },
    // The same whenever the same folder is followed again.
    sweep: createHash('sha256')
      .update(`${hostname()}:${await realpath(folder.path)}`)
      .digest('hex')
      .slice(0, 16),
    onEvent,
  })
  const interrupted = new Promise<never>((_, reject) => {
    const stop = () => reject(new Net2NetError('interrupted', 'The sweep was interrupted.'))
    if (signal?.aborted) stop()
    signal?.addEventListener('abort', stop, { once: true })
  })
  interrupted.catch(() => {})
  try {
    await Promise.race([follower.begin(), interrupted])
    while (progress.open.length > 0) {
      // A Redis that is away keeps the look waiting, not the interruption.
      await Promise.race([follower.look(), interrupted])
      const wait = new Promise((resolve) => setTimeout(resolve, options.everyMilliseconds ?? 500))
      if (progress.open.length > 0) await Promise.race([wait, interrupted])
    }
    await Promise.race([follower.clean(), interrupted])
    return progress.outcome
  } finally {
    close()
  }
}

interface Context {
  readonly queue: TrialQueue
  /** undefined: the workers see the folder. */
  readonly files: RedisFiles | undefined
  readonly claims: Claims
  readonly progress: SweepProgress
  readonly settings: Pick<TrialJob, 'checkpointSeconds' | 'commonFolder'>
  /** Name of the sweep among those that share the queue. */
  readonly sweep: string
  readonly onEvent: (event: SweepEvent) => void
}

class Follower {
  readonly #plan: SweepPlan
  readonly #folder: SweepFolder
  readonly #context: Context
  readonly #missingSince = new Map<string, number>()
  readonly #started = new Set<string>()
  #checked = 0
  #isKnown = false

  constructor(plan: SweepPlan, folder: SweepFolder, context: Context) {
    this.#plan = plan
    this.#folder = folder
    this.#context = context
  }

  async begin(): Promise<void> {
    const { progress, queue, files } = this.#context
    await progress.begin()
    await this.#want()
    for (const { id } of progress.open) {
      await mkdir(this.#folder.trial(id), { recursive: true })
      await files?.remove(id, ['failure'])
      const job = await queue.getJob(id)
      if (job && (await job.isFailed())) await job.remove()
    }
    for (const trial of progress.open) if (progress.isReady(trial)) await this.#add(trial)
  }

  /** Submits everything again, since Redis may have lost it. */
  forgotten(): void {
    this.#isKnown = false
  }

  async #want(): Promise<void> {
    if (this.#isKnown) return
    this.#isKnown = true
    const { files, sweep } = this.#context
    await files?.want(
      this.#plan.trials.map(({ id }) => id),
      sweep,
    )
  }

  /** Collects the trials that have ended, adds the missing ones, and reports on the others. */
  async look(): Promise<void> {
    const { progress } = this.#context
    await this.#want()
    const ready = progress.open.filter((trial) => progress.isReady(trial))
    for (const trial of await this.#ended(ready)) {
      this.#missingSince.delete(trial.id)
      await progress.finish(trial)
    }
    const open = progress.open.filter((trial) => progress.isReady(trial))
    for (const { trial, failure } of await this.#failed(open)) await progress.fail(trial, failure)
    await this.#tell()
    if (Date.now() - this.#checked > missingMilliseconds / 2) {
      this.#checked = Date.now()
      for (const trial of progress.open.filter((each) => progress.isReady(each)))
        await this.#check(trial)
    }
  }

  /** Nothing of a sweep that is over stays in Redis, but for what other sweeps need. */
  async clean(): Promise<void> {
    const { files, sweep } = this.#context
    await files?.release(
      this.#plan.trials.map(({ id }) => id),
      sweep,
    )
  }

  async #ended(trials: readonly Trial[]): Promise<readonly Trial[]> {
    const { files } = this.#context
    if (!files) return trials.filter((trial) => this.#folder.isFinished(trial))
    const there = await files.having(
      trials.map(({ id }) => id),
      'result',
    )
    const ended: Trial[] = []
    for (const trial of trials)
      if (there.has(trial.id) && (await files.download(trial, this.#folder))) ended.push(trial)
    return ended
  }

  async #failed(trials: readonly Trial[]) {
    const { files } = this.#context
    const failed: { trial: Trial; failure: TrialFailure }[] = []
    for (const trial of trials) {
      const text = await files?.get(trial.id, 'failure')
      const failure = files
        ? text && parseFailure(text.toString(), trial.id)
        : await this.#folder.readFailure(trial.id)
      if (failure) failed.push({ trial, failure })
    }
    return failed
  }

  async #tell(): Promise<void> {
    const { queue, onEvent, progress } = this.#context
    const byId = new Map(progress.open.map((trial) => [trial.id, trial]))
    for (const job of await queue.getJobs(['active'])) {
      const trial = job?.id === undefined ? undefined : byId.get(job.id)
      if (!trial) continue
      if (!this.#started.has(trial.id)) onEvent({ kind: 'start', trial })
      this.#started.add(trial.id)
      const made = job.progress as Partial<TrialProgress>
      if (typeof made === 'object' && made.steps !== undefined)
        onEvent({ kind: 'progress', trial, progress: made as TrialProgress })
    }
  }

  /** Sees to it that a trial that could run has a job. */
  async #check(trial: Trial): Promise<void> {
    const { queue, claims, progress } = this.#context
    const { id } = trial
    const job = await queue.getJob(id)
    if (job) {
      this.#missingSince.delete(id)
      if (await job.isFailed()) {
        // Read again: it may have failed since, and then `job` does not know why.
        const message = (await queue.getJob(id))?.failedReason ?? 'The trial failed.'
        await progress.fail(trial, { id, kind: 'internal', message })
      }
      return
    }
    const since = this.#missingSince.get(id) ?? Date.now()
    this.#missingSince.set(id, since)
    if (Date.now() - since < missingMilliseconds || (await claims.isTaken(id))) return
    this.#missingSince.delete(id)
    await this.#add(trial)
  }

  /** Adds a trial, and gives Redis what it starts from. */
  async #add(trial: Trial): Promise<void> {
    const { queue, files, progress, settings } = this.#context
    const { parent } = trial.spec
    const source = this.#plan.trials.find(({ id }) => id === parent)
    if (source && files && !(await files.having([source.id], 'result')).has(source.id))
      await files.put(source, this.#folder)
    const open = new Set(progress.open)
    await addJob(
      queue,
      jobOf(this.#plan, trial, settings, (each) => open.has(each)),
    )
  }
}
