/**
 * What submitters and workers share: jobs and claims. A trial's job carries those of the trials that start from it; whoever finishes it adds
 * them. The identity of a job is that of its trial, so that adding it twice adds it once.
 */
import { type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import type { SweepPlan, Trial } from '../trial/trial.ts'
import type { QueuedRung } from './parse-rung-job.ts'

export const defaultQueueName = 'net2net'

export interface TrialJob {
  readonly trial: Trial
  readonly checkpointSeconds: number
  /** Whether files are in the sweep's folder; otherwise they travel through Redis. */
  readonly commonFolder: boolean
  readonly children: readonly TrialJob[]
}

/** Of trials and of rungs. */
export type TrialQueue = Queue<TrialJob | QueuedRung>

export function openQueue(redis: Redis, name: string): TrialQueue {
  const queue: TrialQueue = new Queue<TrialJob | QueuedRung>(name, { connection: redis })
  // Whoever follows or works says that Redis is away; BullMQ need not say it as well.
  queue.on('error', () => {})
  return queue
}

/** A process that dies on a trial may be short of memory: others try, but not for ever. */
export const maxAttempts = 3

export const jobOptions = (id: string): JobsOptions => ({
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
  settings: Pick<TrialJob, 'checkpointSeconds' | 'commonFolder'>,
  isWanted: (trial: Trial) => boolean,
): TrialJob {
  const children = plan.trials.filter((each) => each.spec.parent === trial.id && isWanted(each))
  return {
    trial,
    ...settings,
    children: children.map((child) => jobOf(plan, child, settings, isWanted)),
  }
}

/** Sooner than a submitter gives up a job for lost: whoever trains one says so anew to a Redis that forgot it. */
const renewMilliseconds = 500

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
    const timer = setInterval(
      () => {
        if (busy) return
        busy = true
        renew()
          .catch(() => {})
          .finally(() => {
            busy = false
          })
      },
      Math.min(this.#milliseconds / 3, renewMilliseconds),
    )
    return async () => {
      clearInterval(timer)
      if ((await this.#redis.get(key)) === this.#owner) await this.#redis.del(key)
    }
  }

  async isTaken(id: string): Promise<boolean> {
    return (await this.#redis.exists(this.#prefix + id)) === 1
  }
}
