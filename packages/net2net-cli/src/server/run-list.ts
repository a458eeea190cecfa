/**
 * The runs of a folder, in memory that grows by a few hundred bytes a run. One look at the folder serves
 * everybody who asks; a results file is read when it has changed, and of runs that have been quiet
 * for long only some are looked at each time.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { readResults } from '../runs/read-run.ts'
import { fileUnder, isInside, isPlainName } from './files.ts'

/** What the files of a run say. */
export interface RunFacts {
  /** Milliseconds since 1970 of the last change. */
  readonly changed: number
  /** Which state of results.json was read. */
  readonly version: string
  readonly finished: boolean
  readonly seed: number | null
  readonly arms: readonly string[]
  /** Why its results cannot be read. */
  readonly message: string | undefined
}

/** A run that is finished, or has not changed for so long, is quiet. */
const quiet = 120_000
/** So many quiet runs are looked at each time; all of them after a pause. */
const quietAtATime = 250
const pauseOfLooks = 30_000
const filesAtATime = 16
const mostResults = 64 << 20

export class RunList {
  readonly #folder: string
  readonly #facts = new Map<string, RunFacts>()
  #looking: Promise<void> | undefined
  #looked = 0
  /** Where among the quiet runs the next look goes on. */
  #next = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  get facts(): ReadonlyMap<string, RunFacts> {
    return this.#facts
  }

  /** Looks at the folder; who asks meanwhile waits for the same look. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  async #look(): Promise<void> {
    const entries = await fs.promises.readdir(this.#folder, { withFileTypes: true }).catch(() => [])
    const names = new Set<string>()
    for (const entry of entries) if (await this.#isRunFolder(entry)) names.add(entry.name)
    for (const name of this.#facts.keys()) if (!names.has(name)) this.#facts.delete(name)

    const isQuiet = (name: string) => {
      const facts = this.#facts.get(name)
      return facts !== undefined && (facts.finished || Date.now() - facts.changed > quiet)
    }
    const calm = [...names].filter(isQuiet)
    const all = Date.now() - this.#looked > pauseOfLooks || calm.length <= quietAtATime
    if (this.#next >= calm.length) this.#next = 0
    const due = new Set([
      ...[...names].filter((name) => !isQuiet(name)),
      ...(all ? calm : calm.slice(this.#next, this.#next + quietAtATime)),
    ])
    this.#next += quietAtATime
    const queue = due.values()
    const work = async () => {
      for (const name of queue) await this.#read(name)
    }
    await Promise.all(Array.from({ length: filesAtATime }, work))
    this.#looked = Date.now()
  }

  async #isRunFolder(entry: fs.Dirent): Promise<boolean> {
    if (!isPlainName(entry.name)) return false
    if (entry.isDirectory()) return true
    return entry.isSymbolicLink() && (await isInside(this.#folder, join(this.#folder, entry.name)))
  }

  async #read(name: string): Promise<void> {
    const [results, metrics] = await Promise.all(
      ['results.json', 'metrics.jsonl'].map((file) => this.#statOf(name, file)),
    )
    if (!results && !metrics) {
      this.#facts.delete(name)
      return
    }
    const changed = Math.max(results?.mtimeMs ?? 0, metrics?.mtimeMs ?? 0)
    const version = results ? `${results.ino}:${results.size}:${results.mtimeMs}` : ''
    const known = this.#facts.get(name)
    const facts =
      known?.version === version ? known : await this.#factsOf(name, results?.size, version)
    this.#facts.set(name, { ...facts, changed })
  }

  async #factsOf(name: string, size: number | undefined, version: string) {
    const nothing = { version, finished: false, seed: null, arms: [], message: undefined }
    if (size === undefined) return nothing
    if (size > mostResults)
      return { ...nothing, message: 'results.json is too large to be the results of a run.' }
    try {
      const { finished = false, seed, arms } = await readResults(join(this.#folder, name))
      return { ...nothing, finished, seed, arms: arms.map((arm) => arm.name) }
    } catch (error) {
      return { ...nothing, message: error instanceof Error ? error.message : String(error) }
    }
  }

  /** undefined for what is not there, no regular file, or a link out of the folder. */
  async #statOf(run: string, file: string): Promise<fs.Stats | undefined> {
    const path = join(this.#folder, run, file)
    const facts = await fs.promises.lstat(path).catch(() => undefined)
    if (facts?.isFile()) return facts
    if (!facts?.isSymbolicLink()) return undefined
    const found = await fileUnder(this.#folder, `${encodeURIComponent(run)}/${file}`)
    return found === undefined ? undefined : await fs.promises.stat(found).catch(() => undefined)
  }
}
