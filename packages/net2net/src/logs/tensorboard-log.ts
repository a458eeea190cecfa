/** Event files for TensorBoard. Node only. */
import fs from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { folderError, makeFolder } from '../files/make-folder.ts'
import { restartRecord, summaryRecord, versionRecord } from './event-file.ts'
import { type LogOptions, StepReader, type TrainingLog } from './log.ts'

/** Each number of a step under `train/NAME`, each of the validation under `validation/NAME`, over the steps. */
export class TensorBoardLog implements TrainingLog {
  readonly #folder: string
  readonly #after: number | undefined
  readonly #reader = new StepReader()
  #handle: number | undefined

  constructor(folder: string, { after }: Pick<LogOptions, 'after'>) {
    this.#folder = folder
    this.#after = after
  }

  step(event: Parameters<TrainingLog['step']>[0]): void {
    const { step, epoch, ...numbers } = this.#reader.read(event)
    this.#write(step, named('train', { epoch, ...numbers }))
  }

  epoch({ step, valLoss, valAccuracy, metrics }: Parameters<TrainingLog['epoch']>[0]): void {
    const values = named('validation', { loss: valLoss, accuracy: valAccuracy, ...metrics })
    if (Object.keys(values).length > 0) this.#write(step, values)
  }

  close(): void {
    if (this.#handle !== undefined) fs.closeSync(this.#handle)
    this.#handle = undefined
  }

  #write(step: number, values: Readonly<Record<string, number>>): void {
    try {
      this.#handle ??= this.#open()
      fs.writeSync(this.#handle, summaryRecord({ time: now(), step, values }))
    } catch (cause) {
      throw folderError(this.#folder, cause)
    }
  }

  /** A file of its own: TensorBoard shows all of a folder as one run. */
  #open(): number {
    makeFolder(this.#folder)
    const seconds = String(Math.floor(now())).padStart(10, '0')
    for (let count = 0; ; count++) {
      const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${count}`
      const file = path.join(this.#folder, name)
      if (fs.existsSync(file)) continue
      const handle = fs.openSync(file, 'wx')
      fs.writeSync(handle, versionRecord(now()))
      if (this.#after !== undefined) fs.writeSync(handle, restartRecord(now(), this.#after + 1))
      return handle
    }
  }
}

const now = (): number => Date.now() / 1000

/** Those of the numbers that there are, with tags for names. */
const named = (
  group: string,
  numbers: Readonly<Record<string, number | undefined>>,
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(numbers).flatMap(([name, value]) =>
      value === undefined ? [] : [[`${group}/${name}`, value]],
    ),
  )
