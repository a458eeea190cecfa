/** A line for every step: a table, or JSON lines. Node only. */
import fs from 'node:fs'
import path from 'node:path'
import { inputError, usageError } from '../errors.ts'
import { makeFolder } from '../files/make-folder.ts'
import { temporaryName } from '../files/temporary-name.ts'
import {
  type LogOptions,
  type StepNumbers,
  StepReader,
  stepColumns,
  type TrainingLog,
} from './log.ts'

interface Format {
  readonly head: string
  line(numbers: StepNumbers): string
  /** undefined for the head, and for a line that is not whole. */
  stepOf(line: string): number | undefined
}

const separated = (separator: string): Format => ({
  head: `${stepColumns.join(separator)}\n`,
  line: (numbers) => `${stepColumns.map((name) => numbers[name] ?? '').join(separator)}\n`,
  stepOf(line) {
    const cells = line.split(separator)
    const step = Number(cells[0])
    return cells.length === stepColumns.length && Number.isInteger(step) ? step : undefined
  },
})

const formats: Readonly<Record<string, Format>> = {
  '.csv': separated(','),
  '.tsv': separated('\t'),
  '.jsonl': {
    head: '',
    line: (numbers) => `${JSON.stringify(numbers)}\n`,
    stepOf(line) {
      try {
        const { step } = Object(JSON.parse(line)) as { readonly step?: unknown }
        return typeof step === 'number' ? step : undefined
      } catch {
        return undefined
      }
    },
  },
}

export class StepLog implements TrainingLog {
  readonly #file: string
  readonly #format: Format
  readonly #after: number | undefined
  readonly #reader = new StepReader()
  #handle: number | undefined

  constructor(file: string, { after, force = false }: LogOptions) {
    const format = formats[path.extname(file).toLowerCase()]
    if (!format)
      throw usageError(
        `${file} must end with ${Object.keys(formats).join(', ')}: that says how its lines are.`,
        { where: file },
      )
    if (after === undefined && !force && fs.existsSync(file))
      throw usageError(`${file} exists already; give another name, or replace it with --force.`, {
        where: file,
      })
    this.#file = file
    this.#format = format
    this.#after = after
  }

  step(event: Parameters<TrainingLog['step']>[0]): void {
    this.#write(() => {
      this.#handle ??= this.#open()
      fs.writeSync(this.#handle, this.#format.line(this.#reader.read(event)))
    })
  }

  epoch(): void {}

  close(): void {
    if (this.#handle !== undefined) fs.closeSync(this.#handle)
    this.#handle = undefined
  }

  /** At the first step: a training that fails before it changes nothing. */
  #open(): number {
    const { head, stepOf } = this.#format
    const file = this.#file
    makeFolder(path.dirname(path.resolve(file)))
    const after = this.#after
    const old = after !== undefined && fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
    const kept = old.split('\n').filter((line) => {
      const step = stepOf(line)
      return step !== undefined && step <= after!
    })
    const temporary = temporaryName(file)
    fs.writeFileSync(temporary, head + kept.map((line) => `${line}\n`).join(''))
    fs.renameSync(temporary, file)
    return fs.openSync(file, 'a')
  }

  #write(write: () => void): void {
    try {
      write()
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw inputError(`${this.#file} cannot be written (${reason}).`, { where: this.#file, cause })
    }
  }
}
