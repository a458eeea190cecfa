/**
 * What submitters and workers share: jobs, claims and, where they see no common folder, files in
 * Redis. A trial's job carries those of the trials that start from it; whoever finishes it adds
 * them. The identity of a job is that of its trial, so that adding it twice adds it once.
 */
import { readFile } from 'node:fs/promises'
import { type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { inputError } from '../../../errors.ts'
import type { SweepPlan, Trial } from '../trial.ts'
import type { SweepFolder, TrialFile } from './sweep-folder.ts'

export const defaultQueueName = 'net2net'

export interface TrialJob {
  readonly trial: Trial
  readonly checkpointSeconds: number
  readonly children: readonly TrialJob[]
}

export type TrialQueue = Queue<TrialJob>

export function openQueue(redis: Redis, name: string): TrialQueue {
  const queue: TrialQueue = new Queue<TrialJob>(name, { connection: redis })
  // Whoever follows or works says that Redis is away; BullMQ need not say it as well.
  queue.on('error', () => {})
  return queue
}

/** A process that dies on a trial may be short of memory: others try, but not for ever. */
export const maxAttempts = 3

const jobOptions = (id: string): JobsOptions => ({
  jobId: id,
  attempts: maxAttempts,
  backoff: { type: 'fixed', delay: 1000 },
  // The results are in the files: a job that is done need not stay.
  removeOnComplete: true,
  removeOnFail: false,
})

export async function addJob(queue: TrialQueue, job: TrialJob): Promise<void> {
  await queue.add('trial', job, jobOptions(job.trial.id))
}

/** The job of a trial with those of all trials that come of it, as far as they are wanted. */
export function jobOf(
  plan: SweepPlan,
  trial: Trial,
  checkpointSeconds: number,
  isWanted: (trial: Trial) => boolean,
): TrialJob {
  const children = plan.trials.filter((each) => each.spec.parent === trial.id && isWanted(each))
  return {
    trial,
    checkpointSeconds,
    children: children.map((child) => jobOf(plan, child, checkpointSeconds, isWanted)),
  }
}

/**
 * Says who trains what, for as long as it lives. BullMQ's locks go with Redis; a claim is renewed
 * when Redis is back, so that nobody takes up what is still being trained.
 */
export class Claims {
  readonly #redis: Redis
  readonly #prefix: string
  readonly #owner: string
  readonly #milliseconds: number

  constructor(redis: Redis, queue: string, owner: string, milliseconds: number) {
    this.#redis = redis
    this.#prefix = `net2net:${queue}:claim:`
    this.#owner = owner
    this.#milliseconds = milliseconds
  }

  /** undefined where somebody else has it. Call the answer to let go. */
  async take(id: string): Promise<(() => Promise<void>) | undefined> {
    const key = this.#prefix + id
    const renew = async () => {
      const holder = await this.#redis.get(key)
      if (holder !== null && holder !== this.#owner) return false
      await this.#redis.set(key, this.#owner, 'PX', this.#milliseconds)
      return true
    }
    const got = await this.#redis.set(key, this.#owner, 'PX', this.#milliseconds, 'NX')
    if (got !== 'OK' && !(await renew())) return undefined
    let busy = false
    const timer = setInterval(() => {
      if (busy) return
      busy = true
      renew()
        .catch(() => {})
        .finally(() => {
          busy = false
        })
    }, this.#milliseconds / 3)
    return async () => {
      clearInterval(timer)
      if ((await this.#redis.get(key)) === this.#owner) await this.#redis.del(key)
    }
  }

  async isTaken(id: string): Promise<boolean> {
    return (await this.#redis.exists(this.#prefix + id)) === 1
  }
}

/** What Redis should not be asked to hold. */
const maxBytes = 64 * 2 ** 20

/** Files of trials in Redis, where machines see no common folder. */
export class RedisFiles {
  readonly #redis: Redis
  readonly #prefix: string

  constructor(redis: Redis, queue: string) {
    this.#redis = redis
    this.#prefix = `net2net:${queue}:file:`
  }

  #key(id: string, which: TrialFile | 'checkpoint'): string {
    return `${this.#prefix}${id}:${which}`
  }

  /** Of these trials, those that have the file. */
  async having(ids: readonly string[], which: TrialFile): Promise<ReadonlySet<string>> {
    const found = await Promise.all(ids.map((id) => this.#redis.exists(this.#key(id, which))))
    return new Set(ids.filter((_, i) => found[i] === 1))
  }

  async upload(id: string, which: TrialFile | 'checkpoint', file: string): Promise<void> {
    const bytes = await readFile(file)
    if (bytes.length > maxBytes)
      throw inputError(
        `${file} has ${Math.ceil(bytes.length / 2 ** 20)} MiB, more than travels through Redis.`,
        { where: file, hint: 'Give all machines a common folder: --folder DIR.' },
      )
    await this.#redis.set(this.#key(id, which), bytes)
  }

  get(id: string, which: TrialFile | 'checkpoint'): Promise<Buffer | null> {
    return this.#redis.getBuffer(this.#key(id, which))
  }

  /** Into a folder, the result last, for it says that the trial is done. */
  async download(
    { id, keepState }: Pick<Trial, 'id' | 'keepState'>,
    folder: SweepFolder,
  ): Promise<boolean> {
    for (const which of ['model', ...(keepState ? ['state' as const] : []), 'result'] as const) {
      const bytes = await this.get(id, which)
      if (!bytes) return false
      await folder.write(id, which, bytes)
    }
    return true
  }

  async put(
    { id, keepState }: Pick<Trial, 'id' | 'keepState'>,
    folder: SweepFolder,
  ): Promise<void> {
    for (const which of ['model', ...(keepState ? ['state' as const] : []), 'result'] as const)
      await this.upload(id, which, folder.file(id, which))
    await this.remove(id, ['checkpoint', 'failure'])
  }

  async putText(id: string, which: TrialFile, text: string): Promise<void> {
    await this.#redis.set(this.#key(id, which), text)
  }

  async remove(id: string, which: readonly (TrialFile | 'checkpoint')[]): Promise<void> {
    await this.#redis.del(...which.map((each) => this.#key(id, each)))
  }
}
