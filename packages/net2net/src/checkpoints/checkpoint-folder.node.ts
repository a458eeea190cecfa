/** A folder of checkpoints: the newest whole one is found again, whatever happened. Node only. */
import { createHash } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as kind from '../arguments.ts'
import { inputError, Net2NetError } from '../errors.ts'
import { makeFolder } from '../files/make-folder.ts'
import { removeLeftovers } from '../files/temporary-name.ts'
import type { TrainingState } from '../training/run/state.ts'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint-file.node.ts'

export type { Checkpoint } from './checkpoint-file.node.ts'

export interface CheckpointFolderOptions {
  /** Which training it is; see `fingerprintOf`. */
  readonly fingerprint: string
  /** How many checkpoints stay. Default 3. */
  readonly keep?: number
}

/** A checkpoint that was passed over, and why. */
export interface SkippedCheckpoint {
  readonly file: string
  readonly reason: string
}

const pattern = /^checkpoint-(\d{10})\.n2n$/

const parameters = {
  folder: kind.text,
  options: kind.options<CheckpointFolderOptions>({ keep: kind.number }, { fingerprint: kind.text }),
}

export class CheckpointFolder {
  readonly folder: string
  readonly #fingerprint: string
  readonly #keep: number

  constructor(folder: string, options: CheckpointFolderOptions) {
    kind.mustFit('CheckpointFolder', parameters, [folder, options])
    this.folder = folder
    this.#fingerprint = options.fingerprint
    this.#keep = Math.max(1, options.keep ?? 3)
  }

  /**
   * Saves a state, then removes the oldest checkpoints. A write that fails (no space, say) leaves
   * all earlier ones as they are.
   */
  async save(
    state: TrainingState,
    more: Pick<Checkpoint, 'extra' | 'attachments'> = {},
  ): Promise<string> {
    makeFolder(this.folder)
    const file = `checkpoint-${String(state.step).padStart(10, '0')}.n2n`
    await writeCheckpoint(join(this.folder, file), {
      fingerprint: this.#fingerprint,
      state,
      ...more,
    })
    const older = (await this.#files()).filter((name) => name <= file)
    for (const name of older.slice(this.#keep)) await rm(join(this.folder, name), { force: true })
    return join(this.folder, file)
  }

  /** Removes all checkpoints, of whatever training: a new one begins here. */
  async clear(): Promise<void> {
    for (const name of await this.#files()) await rm(join(this.folder, name), { force: true })
  }

  /** The newest checkpoint of this training that is whole, and what was passed over for it. */
  async latest(): Promise<{
    readonly checkpoint: Checkpoint | undefined
    readonly skipped: readonly SkippedCheckpoint[]
  }> {
    const skipped: SkippedCheckpoint[] = []
    removeLeftovers(this.folder)
    for (const name of await this.#files()) {
      const file = join(this.folder, name)
      try {
        const checkpoint = await readCheckpoint(file)
        if (checkpoint.fingerprint === this.#fingerprint) return { checkpoint, skipped }
        skipped.push({
          file,
          reason: `The checkpoint ${file} is of another training (model, optimizer or settings differ).`,
        })
      } catch (error) {
        if (!(error instanceof Net2NetError)) throw error
        skipped.push({ file, reason: error.message })
      }
    }
    return { checkpoint: undefined, skipped }
  }

  /** The checkpoints, newest first. */
  async #files(): Promise<readonly string[]> {
    return (await this.#names())
      .filter((name) => pattern.test(name))
      .sort()
      .reverse()
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.folder)
    } catch (cause) {
      if ((cause as { code?: string }).code === 'ENOENT') return []
      throw inputError(`The folder ${this.folder} cannot be read.`, { where: this.folder, cause })
    }
  }
}

/** A short name for whatever decides how a training goes, given as JSON. */
export const fingerprintOf = (settings: unknown): string =>
  createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 32)
