/**
 * A run's folder: results.json (replaced whole after every epoch), metrics.jsonl (appended), and
 * every arm's network as `ARM.onnx`.
 */
import fs from 'node:fs'
import path from 'node:path'
import { inputError, usageError } from '../errors.ts'
import type { Model } from '../model/model.ts'
import { AtomicFile, temporaryName } from '../onnx/atomic-file.ts'
import { save } from '../onnx/file.ts'
import type { MetricsLine } from './results.ts'

const resultsFile = 'results.json'
const metricsFile = 'metrics.jsonl'

export class RunFolder {
  readonly path: string
  readonly #metrics: number

  private constructor(folder: string, metrics: number) {
    this.path = folder
    this.#metrics = metrics
  }

  /**
   * Makes the folder.
   *
   * @throws usage where it is not empty (without `force`) or no folder; input where it cannot be made
   */
  static create(folder: string, { force = false } = {}): RunFolder {
    try {
      fs.mkdirSync(folder, { recursive: true })
      if (!force && fs.readdirSync(folder).length > 0)
        throw usageError(
          `The folder ${folder} is not empty; choose another one, or replace what is in it with --force.`,
          { where: folder },
        )
      for (const name of fs.readdirSync(folder))
        if (name === resultsFile || name === metricsFile || name.endsWith('.onnx'))
          fs.rmSync(path.join(folder, name))
      return new RunFolder(folder, fs.openSync(path.join(folder, metricsFile), 'w'))
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      if (code === undefined) throw cause
      if (code === 'EEXIST')
        throw usageError(`${folder} is a file, not a folder.`, { where: folder, cause })
      if (code === 'ENOTDIR')
        throw usageError(`${folder} is not in a folder.`, { where: folder, cause })
      throw inputError(`The folder ${folder} cannot be written (${message}).`, {
        where: folder,
        cause,
      })
    }
  }

  /** Opens the folder of a run that goes on after `step`: later lines of metrics are dropped. */
  static reopen(folder: string, step: number): RunFolder {
    const file = path.join(folder, metricsFile)
    try {
      const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n') : []
      const kept = lines.filter((line) => isLineUpTo(line, step))
      const temporary = temporaryName(file)
      fs.writeFileSync(temporary, kept.map((line) => `${line}\n`).join(''))
      fs.renameSync(temporary, file)
      return new RunFolder(folder, fs.openSync(file, 'a'))
    } catch (cause) {
      throw inputError(`${file} cannot be written (${(cause as Error).message}).`, {
        where: folder,
        cause,
      })
    }
  }

  modelFile(arm: string): string {
    return path.join(this.path, `${arm}.onnx`)
  }

  saveModel(arm: string, model: Model): Promise<void> {
    return save(model, this.modelFile(arm), { force: true })
  }

  appendMetrics(line: MetricsLine): void {
    try {
      fs.writeSync(this.#metrics, `${JSON.stringify(line)}\n`)
    } catch (cause) {
      throw inputError(
        `${path.join(this.path, metricsFile)} cannot be written (${(cause as Error).message}).`,
        { where: this.path, cause },
      )
    }
  }

  async saveResults(results: object): Promise<void> {
    const file = await AtomicFile.create(path.join(this.path, resultsFile))
    try {
      await file.write(new TextEncoder().encode(`${JSON.stringify(results, null, 2)}\n`))
      await file.finish()
      await file.publish(true)
    } finally {
      await file.discard()
    }
  }

  close(): void {
    fs.closeSync(this.#metrics)
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
