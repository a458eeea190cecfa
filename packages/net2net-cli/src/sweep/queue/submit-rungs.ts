/** Gives the networks of an exploration to workers over Redis, and waits for what comes of them. */
import { existsSync } from 'node:fs'
import { realpath, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import path from 'node:path'
import { type ErrorKind, encodeModel, Net2NetError } from 'net2net'
import type { RungJob, RungOutcome, RungProgress, RungRunner } from 'net2net/exploring'
import { makeFolder, readWhole, writeWhole } from 'net2net/files'
import { inputError, internalError } from '../../errors.ts'
import {
  type ExplorationFolder,
  type RungFile,
  sha256,
} from '../../exploration/exploration-folder.ts'
import { parseOutcome, progressIn } from '../../exploration/record-schema.ts'
import type { ExplorationSettings } from '../../exploration/settings.ts'
import { networkTitle } from '../../exploration/words.ts'
import { parseFailure } from './parse-job.ts'
import { explorationId, type QueuedRung, rungId } from './parse-rung-job.ts'
import { Claims, defaultQueueName, jobOptions, openQueue, type TrialQueue } from './queue.ts'
import { connectRedis } from './redis.ts'
import { RedisFiles } from './redis-files.ts'
import { startOf } from './rung-work.ts'

export interface SubmitRungsOptions {
  readonly url: string
  readonly queue?: string | undefined
  /** Whether the workers see the exploration's folder; otherwise files travel through Redis. */
  readonly commonFolder: boolean
  readonly signal: AbortSignal
  readonly onNote: (note: string) => void
}

/** Time between two looks, and how long a job may be gone before it is added again: Redis may have lost it. */
const everyMilliseconds = 250
const missingMilliseconds = 3000

/** @throws usage, input where there is no Redis */
export async function submitRungs(
  folder: ExplorationFolder,
  settings: ExplorationSettings,
  { url, queue: name = defaultQueueName, commonFolder, signal, onNote }: SubmitRungsOptions,
): Promise<RungRunner & { close(): Promise<void> }> {
  const { redis, close } = await connectRedis(url, {
    signal,
    onLost: () => onNote('Redis is away; waiting until it is back.'),
    onBack: () => onNote('Redis is back.'),
  })
  const exploration = explorationId(`${hostname()}:${await realpath(folder.path)}`, settings)
  const queue = openQueue(redis, name)
  const submitter = new Submitter(folder, {
    queue,
    files: commonFolder ? undefined : new RedisFiles(redis, name),
    claims: new Claims(redis, name, 'submitter', 1000),
    common: { kind: 'rung', exploration, settings, commonFolder },
  })
  return {
    run: (job, options) => submitter.run(job, options),
    close: async () => {
      // Without waiting for what a Redis that is away cannot answer.
      if (redis.status === 'ready' && !signal.aborted) await submitter.clean()
      close()
    },
  }
}

interface Context {
  readonly queue: TrialQueue
  /** undefined: the workers see the folder. */
  readonly files: RedisFiles | undefined
  readonly claims: Claims
  readonly common: Omit<QueuedRung, 'job'>
}

class Submitter implements RungRunner {
  readonly #folder: ExplorationFolder
  readonly #context: Context
  readonly #sent = new Set<string>()

  constructor(folder: ExplorationFolder, context: Context) {
    this.#folder = folder
    this.#context = context
  }

  async run(
    job: RungJob,
    { signal, onProgress }: Parameters<RungRunner['run']>[1],
  ): Promise<RungOutcome> {
    const stop = new AbortController()
    const interrupted = new Promise<never>((_, reject) => {
      const end = () => {
        stop.abort()
        reject(new Net2NetError('interrupted', 'The exploration was interrupted.'))
      }
      if (signal.aborted) end()
      signal.addEventListener('abort', end, { once: true })
    })
    interrupted.catch(() => {})
    // A Redis that is away keeps the look waiting, not the interruption.
    return Promise.race([this.#follow(job, stop.signal, onProgress), interrupted])
  }

  async #follow(
    job: RungJob,
    signal: AbortSignal,
    onProgress: (progress: RungProgress) => void,
  ): Promise<RungOutcome> {
    const { queue, claims } = this.#context
    const id = this.#id(job)
    await this.#forgetFailure(job)
    let missingSince: number | undefined = 0
    for (;;) {
      const outcome = await this.#outcome(job)
      if (outcome) return outcome
      await this.#throwFailure(job)
      const entry = await queue.getJob(id)
      if (entry) {
        missingSince = undefined
        if (await entry.isFailed())
          throw internalError((await queue.getJob(id))?.failedReason ?? 'The job failed.')
        const made = progressIn(entry.progress)
        if (made) onProgress(made)
      } else {
        missingSince ??= Date.now()
        if (Date.now() - missingSince > missingMilliseconds && !(await claims.isTaken(id))) {
          missingSince = undefined
          await this.#add(job)
        }
      }
      await new Promise((resolve) => setTimeout(resolve, everyMilliseconds))
      if (signal.aborted) return new Promise(() => {})
    }
  }

  #id(job: RungJob): string {
    return rungId({ ...this.#context.common, job })
  }

  /** What came of the job, in the folder now. */
  async #outcome(job: RungJob): Promise<RungOutcome | undefined> {
    const { files } = this.#context
    const known = await this.#folder.readOutcome(job)
    if (known || !files) return known
    const id = this.#id(job)
    const text = await files.get(id, 'outcome')
    if (!text) return undefined
    try {
      return await this.#received(job, text, await files.get(id, 'network'))
    } catch (error) {
      // Whatever it was: a later try does not find it again.
      await files.remove(id, ['outcome', 'network'])
      throw error
    }
  }

  /**
   * Takes what a worker sent into the folder; undefined where the network is missing, which a Redis that forgot has not.
   *
   * @throws input where it is none, or the network is not the one that it tells of
   */
  async #received(
    job: RungJob,
    text: Buffer,
    network: Buffer | null,
  ): Promise<RungOutcome | undefined> {
    const outcome = parseOutcome(text.toString(), `What Redis has of ${networkTitle(job)}`)
    if (outcome.kind === 'trained') {
      if (!network) {
        await this.#context.files!.remove(this.#id(job), ['outcome'])
        return undefined
      }
      await this.#write(job, 'network', network)
      await this.#mustBe(job, outcome)
    }
    // Last what says that the job is done.
    await this.#folder.writeOutcome(job, outcome)
    return outcome
  }

  async #mustBe(job: RungJob, { digest }: { readonly digest: string }): Promise<void> {
    const { model } = await this.#folder.read(job)
    if (sha256(encodeModel(model)) === digest) return
    throw inputError(`The network in Redis is not ${networkTitle(job)} as its worker trained it.`, {
      hint: 'It was removed there, and is trained again when the exploration goes on.',
    })
  }

  async #write(job: RungJob, which: RungFile, bytes: Buffer): Promise<void> {
    const file = this.#folder.rungFile(job, which)
    makeFolder(path.dirname(file))
    await writeWhole(file, bytes, { force: true })
  }

  /** A job that failed before may try again. */
  async #forgetFailure(job: RungJob): Promise<void> {
    const { queue, files } = this.#context
    const id = this.#id(job)
    await rm(this.#folder.rungFile(job, 'failure'), { force: true })
    await files?.remove(id, ['failure'])
    const entry = await queue.getJob(id)
    if (entry && (await entry.isFailed())) await entry.remove()
  }

  /** @throws as the worker did */
  async #throwFailure(job: RungJob): Promise<void> {
    const { files } = this.#context
    const id = this.#id(job)
    const file = this.#folder.rungFile(job, 'failure')
    const text = files
      ? await files.get(id, 'failure')
      : existsSync(file)
        ? await readWhole(file)
        : undefined
    if (!text) return
    const { kind, message } = parseFailure(new TextDecoder().decode(text), id)
    throw new Net2NetError(kinds.find((known) => known === kind) ?? 'internal', message)
  }

  /** Adds the job, and gives Redis what it starts from. */
  async #add(job: RungJob): Promise<void> {
    const { queue, files, common } = this.#context
    const { exploration } = common
    if (files) {
      this.#sent.add(exploration)
      await files.upload(exploration, 'start', this.#folder.file('start'))
      const source = startOf({ job })
      if (source) {
        const id = rungId({ exploration, job: source })
        this.#sent.add(id)
        await files.upload(id, 'network', this.#folder.rungFile(source, 'network'))
      }
    }
    const id = this.#id(job)
    this.#sent.add(id)
    await queue.add('rung', { ...common, job }, jobOptions(id))
  }

  /** Nothing of an exploration that is over stays in Redis. */
  async clean(): Promise<void> {
    const { files } = this.#context
    for (const id of this.#sent)
      await files?.remove(id, ['start', 'network', 'outcome', 'unfinished', 'failure'])
  }
}

const kinds: readonly ErrorKind[] = ['usage', 'refused', 'input', 'interrupted', 'internal']
