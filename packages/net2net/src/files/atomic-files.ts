/** Files that appear whole, and all together, or not at all. Node only. */
import fs from 'node:fs'
import path from 'node:path'
import * as kind from '../arguments.ts'
import { AtomicFile, nameExclusively, rename } from './atomic-file.ts'
import { errorCode } from './file-source.ts'
import { refuseExisting } from './target.ts'
import { temporaryName } from './temporary-name.ts'

export interface ReplaceOptions {
  /** Replaces regular files (and symbolic links to such) that exist; nothing else is ever replaced. */
  readonly force?: boolean | undefined
}

const replacing = kind.options<ReplaceOptions>({ force: kind.flag })

/**
 * One or several files that are written under temporary names in their own folders. `publish` gives
 * all of them their names, or none: where one name is taken, or cannot be had, the others are given
 * back. Of two processes that publish the same name without `force`, one fails.
 *
 * The files are published in the order in which they were created: begin with those that others
 * refer to. Among files that replace others, an old one and a new one are never there together,
 * whenever the process is killed: the old ones are set aside first.
 */
export class AtomicFiles {
  readonly #force: boolean
  readonly #files: AtomicFile[] = []

  constructor(options: ReplaceOptions = {}) {
    kind.mustFit('AtomicFiles', { options: replacing }, [options])
    this.#force = options.force ?? false
  }

  /** Begins a file. @throws usage where it may not be there; input where the system refuses */
  async create(target: string): Promise<AtomicFile> {
    await refuseExisting(target, this.#force)
    const file = await AtomicFile.create(target)
    this.#files.push(file)
    return file
  }

  /** Brings all files to the disk and gives them their names. */
  async publish(): Promise<void> {
    for (const file of this.#files) await file.finish()
    const undo: (() => Promise<void>)[] = []
    const old: string[] = []
    try {
      if (this.#force && this.#files.length > 1)
        for (const { target } of [...this.#files].reverse()) {
          const aside = await setAside(target)
          if (aside === undefined) continue
          old.push(aside)
          undo.push(() => nameExclusively(aside, target))
        }
      for (const file of this.#files) {
        await file.publish(this.#force)
        undo.push(() => fs.promises.rm(file.target, { force: true }))
      }
    } catch (cause) {
      // What cannot be undone is no reason to leave the rest, and the first failure counts.
      for (const step of undo.reverse()) await step().catch(() => undefined)
      throw cause
    }
    for (const file of old) await fs.promises.rm(file, { force: true })
    const folders = this.#files.map(({ target }) => path.dirname(target))
    for (const folder of new Set(folders)) await syncFolder(folder)
  }

  /** Removes the temporary files of what was not published. */
  async discard(): Promise<void> {
    for (const file of this.#files) await file.discard()
  }
}

/** Gives a file that shall be replaced another name, and returns that; undefined where there is none. */
async function setAside(target: string): Promise<string | undefined> {
  await refuseExisting(target, true)
  const aside = temporaryName(target, 'old')
  try {
    await rename(target, aside)
    return aside
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw cause
  }
}

/** Makes new names in the folder last through a power failure, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.promises.open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // Windows cannot; the files themselves are synced.
  }
}
