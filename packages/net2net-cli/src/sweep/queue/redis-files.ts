/** Files of trials and of explorations in Redis, where machines see no common folder. */

import { readFile, stat } from 'node:fs/promises'
import type { Redis } from 'ioredis'
import { inputError } from '../../errors.ts'
import type { RungFile } from '../../exploration/exploration-folder.ts'
import { type SweepFolder, type TrialFile, trialFiles } from '../trial/sweep-folder.ts'
import type { Trial } from '../trial/trial.ts'

/** What travels: of a trial, of a rung of an exploration, and an exploration's first network. */
export type SentFile = TrialFile | 'checkpoint' | RungFile | 'start'

/** What Redis should not be asked to hold. */
const maxBytes = 64 * 2 ** 20

/** The last sweep that lets go takes the files with it. */
const releaseScript = `
redis.call('SREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('DEL', unpack(KEYS, 2)) end`

export class RedisFiles {
  readonly #redis: Redis
  readonly #prefix: string

  constructor(redis: Redis, queue: string) {
    this.#redis = redis
    this.#prefix = `net2net:${queue}:file:`
  }

  #key(id: string, which: SentFile): string {
    return `${this.#prefix}${id}:${which}`
  }

  /** Of these trials, those that have the file. */
  async having(ids: readonly string[], which: SentFile): Promise<ReadonlySet<string>> {
    const found = await Promise.all(ids.map((id) => this.#redis.exists(this.#key(id, which))))
    return new Set(ids.filter((_, i) => found[i] === 1))
  }

  async upload(id: string, which: SentFile, file: string): Promise<void> {
    const { size } = await stat(file)
    if (size > maxBytes)
      throw inputError(
        `${file} has ${Math.ceil(size / 2 ** 20)} MiB, and no more than ${maxBytes / 2 ** 20} travel through Redis: give all machines a common folder (--common-folder where the jobs are given out, --folder DIR for each worker).`,
        { where: file },
      )
    await this.#redis.set(this.#key(id, which), await readFile(file))
  }

  get(id: string, which: SentFile): Promise<Buffer | null> {
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

  async putText(id: string, which: SentFile, text: string): Promise<void> {
    await this.#redis.set(this.#key(id, which), text)
  }

  /** Says that a sweep needs the files of these trials, be they there already or not. */
  async want(ids: readonly string[], sweep: string): Promise<void> {
    const pipeline = this.#redis.pipeline()
    for (const id of ids) pipeline.sadd(this.#wantedKey(id), sweep)
    await pipeline.exec()
  }

  /** A sweep is over: what no other one needs is removed, in one go. */
  async release(ids: readonly string[], sweep: string): Promise<void> {
    const files = [...(Object.keys(trialFiles) as TrialFile[]), 'checkpoint' as const]
    for (const id of ids) {
      const keys = [this.#wantedKey(id), ...files.map((which) => this.#key(id, which))]
      await this.#redis.eval(releaseScript, keys.length, ...keys, sweep)
    }
  }

  #wantedKey(id: string): string {
    return `${this.#prefix}${id}:wanted`
  }

  async remove(id: string, which: readonly SentFile[]): Promise<void> {
    await this.#redis.del(...which.map((each) => this.#key(id, each)))
  }
}
