/**
 * A run's folder: results.json (replaced whole after every epoch), metrics.jsonl (appended), and
 * every arm's network as `ARM.onnx`.
 */

import fs from 'node:fs'
import path from 'node:path'
import { type Model, Net2NetError, save } from 'net2net'
import { folderError, makeFolder, removeLeftovers, temporaryName, writeWhole } from 'net2net/files'
import { inputError, usageError } from '../errors.ts'
import type { MetricsLine } from './results.ts'

const resultsFile = 'results.json'
const metricsFile = 'metrics.jsonl'

export class RunFolder {
  readonly path: string
  /** Of metrics.jsonl; undefined until the run begins. */
  #metrics: number | undefined
  /** The first folder that had to be made for this one. */
  readonly #made: string | undefined

  private constructor(folder: string, more: { metrics?: number; made?: string | undefined }) {
    this.path = folder
    this.#metrics = more.metrics
    this.#made = more.made
  }

  /**
   * Makes the folder. What a former run left stays until this one begins: one that fails before
   * its first step changes nothing.
   *
   * @throws usage where it is not empty (without `force`) or no folder; input where it cannot be made
   */
  static create(folder: string, { force = false } = {}): RunFolder {
    try {
      const made = makeFolder(folder)
      if (!force && fs.readdirSync(folder).length > 0)
        throw usageError(
          `The folder ${folder} is not empty; choose another one, or replace what is in it with --force.`,
          { where: folder },
        )
      fs.accessSync(folder, fs.constants.W_OK)
      return new RunFolder(folder, { made })
    } catch (cause) {
      throw cause instanceof Net2NetError ? cause : folderError(folder, cause)
    }
  }

  /** Opens the folder of a run that goes on after `step`: later lines of metrics are dropped. */
  static reopen(folder: string, step: number): RunFolder {
    const file = path.join(folder, metricsFile)
    try {
      removeLeftovers(folder)
      const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n') : []
      const kept = lines.filter((line) => isLineUpTo(line, step))
      const temporary = temporaryName(file)
      fs.writeFileSync(temporary, kept.map((line) => `${line}\n`).join(''))
      fs.renameSync(temporary, file)
      return new RunFolder(folder, { metrics: fs.openSync(file, 'a') })
    } catch (cause) {
      throw inputError(`${file} cannot be written (${(cause as Error).message}).`, {
        where: folder,
        cause,
      })
    }
  }

  /**
   * Takes the folder over from the run before, unless that was done: from here on it is this run's.
   * Every method that writes does so first.
   *
   * @returns whether it was not done before
   */
  begin(): boolean {
    if (this.#metrics !== undefined) return false
    try {
      for (const model of modelsOf(this.path)) fs.rmSync(path.join(this.path, model))
      fs.rmSync(path.join(this.path, resultsFile), { force: true })
      this.#metrics = fs.openSync(path.join(this.path, metricsFile), 'w')
      return true
    } catch (cause) {
      throw inputError(`The folder ${this.path} cannot be written (${(cause as Error).message}).`, {
        where: this.path,
        cause,
      })
    }
  }

  modelFile(arm: string): string {
    return path.join(this.path, `${arm}.onnx`)
  }

  async saveModel(arm: string, model: Model): Promise<void> {
    this.begin()
    await save(model, this.modelFile(arm), { force: true })
  }

  appendMetrics(line: MetricsLine): void {
    this.begin()
    try {
      fs.writeSync(this.#metrics!, `${JSON.stringify(line)}\n`)
    } catch (cause) {
      throw inputError(
        `${path.join(this.path, metricsFile)} cannot be written (${(cause as Error).message}).`,
        { where: this.path, cause },
      )
    }
  }

  async saveResults(results: object): Promise<void> {
    this.begin()
    const text = `${JSON.stringify(results, null, 2)}\n`
    await writeWhole(path.join(this.path, resultsFile), text, { force: true })
  }

  /** Ends the run; one that never began takes the folders that it made away again. */
  close(): void {
    if (this.#metrics !== undefined) fs.closeSync(this.#metrics)
    else if (this.#made !== undefined) removeEmpty(this.path, this.#made)
  }
}

interface SavedArm {
  readonly name: string
  /** Names of files: the network of its best epoch, and the one of averaged weights. */
  readonly best?: string
  readonly averaged?: string
}

/** The networks of the run that a folder holds; other ONNX files are none of our business. */
function modelsOf(folder: string): readonly string[] {
  const names = new Set(fs.readdirSync(folder))
  if (!names.has(resultsFile)) return []
  try {
    const text = fs.readFileSync(path.join(folder, resultsFile), 'utf8')
    const { arms } = JSON.parse(text) as { readonly arms: readonly SavedArm[] }
    return arms
      .flatMap(({ name, best, averaged }) => [`${name}.onnx`, best ?? '', averaged ?? ''])
      .filter((name) => names.has(name) && name.endsWith('.onnx'))
  } catch {
    return []
  }
}

/** Removes empty folders from `folder` up to `first`. */
function removeEmpty(folder: string, first: string): void {
  const last = path.resolve(first)
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    try {
      fs.rmdirSync(at)
    } catch {
      return // Somebody put something there.
    }
    if (at === last || at === path.dirname(at)) return
  }
}

/** A whole line of metrics of a step up to this one; the last line may be torn. */
function isLineUpTo(line: string, step: number): boolean {
  try {
    return (JSON.parse(line) as MetricsLine).step <= step
  } catch {
    return false
  }
}
