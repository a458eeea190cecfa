/** A worker takes trials of sweeps and networks of explorations from a queue, trains each in a separate process, and returns the results. */

import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import path from 'node:path'
import { DelayedError, type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { Net2NetError } from 'net2net'
import { makeFolder } from 'net2net/files'
import { RungProcesses } from '../../exploration/rung-processes.ts'
import { TrialCrash } from '../trial/fork-trial.ts'
import { parseJob } from './parse-job.ts'
import { isRungJob, parseRungJob } from './parse-rung-job.ts'
import { addJob, Claims, defaultQueueName, maxAttempts, openQueue } from './queue.ts'
import type { QueuedWork, WorkContext } from './queued-work.ts'
import { connectRedis } from './redis.ts'
import { RedisFiles } from './redis-files.ts'
import { rungWork } from './rung-work.ts'
import { trialWork } from './trial-work.ts'

export interface WorkOptions {
  readonly url: string
  readonly queue?: string | undefined
  /** A folder that all machines see; without one, files travel through Redis. */
  readonly folder?: string | undefined
  readonly dataFolder?: string | undefined
  /** Trials at a time. */
  readonly jobs: number
  /** After so long without a sign of life, others take up a worker's trials. Default 30. */
  readonly lostAfterSeconds?: number | undefined
  /** End after so long without anything to do, here or elsewhere. Default: never. */
  readonly idleSeconds?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onEvent: (event: WorkEvent) => void
}

export type WorkEvent =
  | { readonly kind: 'ready' | 'lost' | 'back' | 'idle' }
  | {
      readonly kind: 'start' | 'finish' | 'known' | 'released'
      readonly id: string
      readonly title: string
    }
  | { readonly kind: 'fail'; readonly id: string; readonly title: string; readonly message: string }

/**
 * Works until it is told to stop, or has been idle for long enough. A trial that is interrupted
 * goes back to the queue with its last checkpoint.
 */
export async function work(options: WorkOptions): Promise<void> {
  const { onEvent, signal, queue: name = defaultQueueName } = options
  const { redis, close } = await connectRedis(options.url, {
    signal,
    onLost: () => onEvent({ kind: 'lost' }),
    onBack: () => onEvent({ kind: 'back' }),
  })
  const stopping = aborted(signal)
  const queue = openQueue(redis, name)
  const lost = (options.lostAfterSeconds ?? 30) * 1000
  const own =
    options.folder === undefined ? await mkdtemp(path.join(tmpdir(), 'net2net-worker-')) : undefined
  const context: WorkContext = {
    folder: options.folder ?? own!,
    files: own === undefined ? undefined : new RedisFiles(redis, name),
    dataFolder: options.dataFolder,
  }
  makeFolder(context.folder)
  const processes = new RungProcesses()
  const trainer = new Trainer(options, {
    context,
    claims: new Claims(redis, name, `${hostname()}:${process.pid}:${randomUUID()}`, lost),
    lost,
    workOf: (data) =>
      isRungJob(data)
        ? rungWork(parseRungJob(data), context, processes)
        : trialWork(parseJob(data), context, (job) => addJob(queue, job)),
  })
  // BullMQ leaves open what it did not open itself, and waits for a Redis that is away: all
  // connections are ended here.
  const taking = redis.duplicate({ lazyConnect: false })
  const connections = withDuplicates(taking)
  const worker = new Worker<unknown>(name, (job, token) => trainer.take(job, token), {
    connection: taking,
    concurrency: options.jobs,
    lockDuration: lost,
    stalledInterval: lost / 2,
    maxStalledCount: 20,
    drainDelay: 2,
  })
  // Said by the connection's own events.
  worker.on('error', () => {})
  try {
    const isReady = await Promise.race([worker.waitUntilReady().then(() => true), stopping])
    if (isReady) {
      onEvent({ kind: 'ready' })
      await untilDone()
    }
  } finally {
    // Without waiting for what a Redis that is away cannot answer.
    worker.pause(true).catch(() => {})
    await within(SAVING, trainer.settled())
    await within(CLOSING, Promise.allSettled([worker.close(), queue.close()]))
    close()
    processes.close()
    for (const connection of connections) connection.disconnect()
    if (own !== undefined) await rm(own, { recursive: true, force: true })
  }

  async function untilDone(): Promise<void> {
    let since = Date.now()
    while (!signal?.aborted) {
      await pause(500, signal)
      if (options.idleSeconds === undefined || redis.status !== 'ready') continue
      const counts = await Promise.race([
        queue.getJobCounts('active', 'waiting', 'delayed'),
        stopping,
      ])
      if (!counts) return
      const { active = 0, waiting = 0, delayed = 0 } = counts
      if (active + waiting + delayed > 0 || trainer.busy) since = Date.now()
      else if (Date.now() - since > options.idleSeconds * 1000) {
        onEvent({ kind: 'idle' })
        return
      }
    }
  }
}

/** Milliseconds in which trials save what they have, and in which connections end in good order. */
const SAVING = 15_000
const CLOSING = 2000

/** Kept when the signal comes. */
const aborted = (signal: AbortSignal | undefined): Promise<undefined> =>
  new Promise((resolve) => {
    if (signal?.aborted) resolve(undefined)
    signal?.addEventListener('abort', () => resolve(undefined), { once: true })
  })

/** Waits, but not longer than so many milliseconds. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const done = new AbortController()
  const ended = work.catch(() => {}).finally(() => done.abort())
  await Promise.race([ended, pause(milliseconds, done.signal)])
}

/** A connection and all that will be made like it. */
function withDuplicates(redis: Redis): readonly Redis[] {
  const connections = [redis]
  redis.on('error', () => {})
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (override) => {
    const made = duplicate(override)
    made.on('error', () => {})
    connections.push(made)
    return made
  }
  return connections
}

class Trainer {
  readonly #options: WorkOptions
  readonly #context: WorkContext
  readonly #claims: Claims
  readonly #lost: number
  readonly #workOf: (data: unknown) => QueuedWork
  readonly #running = new Set<Promise<unknown>>()

  constructor(
    options: WorkOptions,
    more: {
      readonly context: WorkContext
      readonly claims: Claims
      readonly lost: number
      readonly workOf: (data: unknown) => QueuedWork
    },
  ) {
    this.#options = options
    this.#context = more.context
    this.#claims = more.claims
    this.#lost = more.lost
    this.#workOf = more.workOf
  }

  get busy(): boolean {
    return this.#running.size > 0
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  take(job: Job<unknown>, token: string | undefined): Promise<void> {
    const work = this.#take(job, token)
    const counted = work.finally(() => this.#running.delete(counted))
    this.#running.add(counted)
    return counted
  }

  async #take(job: Job<unknown>, token: string | undefined): Promise<void> {
    const known = this.#parse(job)
    this.#checkFolder(known)
    if (await known.isDone()) this.#say('known', known)
    else {
      const release = await this.#claims.take(known.id)
      if (!release) {
        await job.moveToDelayed(Date.now() + this.#lost / 2, token)
        throw new DelayedError()
      }
      try {
        if (!(await this.#train(job, known, token))) return
      } finally {
        await release()
      }
    }
    await known.follow()
  }

  /** A job that is none fails at once: no other try makes it better. */
  #parse({ id, data }: Job<unknown>): QueuedWork {
    try {
      return this.#workOf(data)
    } catch (cause) {
      const { message } = cause as Error
      // Whatever it is called is shown, and used for nothing.
      const name = String(id ?? 'without a name').slice(0, 80)
      this.#options.onEvent({ kind: 'fail', id: name, title: 'not a valid job', message })
      throw new UnrecoverableError(message)
    }
  }

  /** A worker that looks for files elsewhere than the submitter would work in vain. */
  #checkFolder(work: QueuedWork): void {
    const { files, folder } = this.#context
    const problem = work.commonFolder
      ? files
        ? 'the submitter keeps its files in a common folder (--common-folder), but the worker has none: --folder DIR'
        : work.isHere()
          ? undefined
          : `${folder} (--folder) is not the folder of the submitter`
      : files
        ? undefined
        : 'the submitter sends its files through Redis, but the worker has a folder; say --common-folder there, or leave --folder away here'
    if (problem === undefined) return
    const message = `${hostname()}: ${problem}.`
    const { id, title } = work
    this.#options.onEvent({ kind: 'fail', id, title, message })
    throw new UnrecoverableError(message)
  }

  /** Whether the work is done. */
  async #train(job: Job<unknown>, work: QueuedWork, token: string | undefined): Promise<boolean> {
    const { signal } = this.#options
    let told = 0
    try {
      await work.run({
        signal,
        onStart: () => this.#say('start', work),
        onProgress: (progress) => {
          if (Date.now() - told < 1000) return
          told = Date.now()
          job.updateProgress({ ...progress }).catch(() => {})
        },
      })
      this.#say('finish', work)
      return true
    } catch (error) {
      if (signal?.aborted || (error instanceof Net2NetError && error.kind === 'interrupted')) {
        this.#say('released', work)
        await job.moveToWait(token)
        throw new WaitingError()
      }
      if (error instanceof TrialCrash && job.attemptsMade + 1 < maxAttempts) throw error
      const message = await work.giveUp(error)
      this.#options.onEvent({ kind: 'fail', id: work.id, title: work.title, message })
      return false
    }
  }

  #say(kind: 'start' | 'finish' | 'known' | 'released', { id, title }: QueuedWork): void {
    this.#options.onEvent({ kind, id, title })
  }
}

const pause = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(end, milliseconds)
    signal?.addEventListener('abort', end, { once: true })
    function end() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
  })
