/** Where predictions go: a table, JSON lines or arrays, in a file or to the standard output. */
import { createNpz, type NpzWriter } from 'net2net/data'
import { AtomicFiles } from 'net2net/files'
import { Tensor } from 'net2net/tensor'
import type { Prediction, PredictionBatch } from 'net2net/training'
import { usageError } from '../errors.ts'
import type { Io } from './command.ts'
import { classValues, csvLine, jsonRows, TableRows } from './prediction-rows.ts'

export interface PredictionWriter {
  write(batch: PredictionBatch): Promise<void>
  /** All is there, and gets its name. */
  finish(): Promise<void>
  /** Leaves nothing half-written. */
  discard(): Promise<void>
}

export const formats = ['csv', 'jsonl', 'npz'] as const
export type Format = (typeof formats)[number]

/** The format that a file's name asks for. @throws usage where it asks for none that is written */
export function formatOf(file: string | undefined, asked: Format | undefined): Format {
  if (asked) return asked
  if (file === undefined || /\.(csv|tsv|txt)$/i.test(file)) return 'csv'
  if (/\.(jsonl|ndjson)$/i.test(file)) return 'jsonl'
  if (/\.npz$/i.test(file)) return 'npz'
  throw usageError(
    `${file} is of no known kind: predictions are written as .csv, .jsonl or .npz.`,
    {
      where: file,
    },
  )
}

/** A function that gets texts one after the other. */
type Put = (text: string) => Promise<void>

/** Writes to the standard output. */
export function outputWriter(io: Io, format: 'csv' | 'jsonl' | 'document'): PredictionWriter {
  const put: Put = async (text) => io.out(text)
  const rows = format === 'csv' ? csvRows(put) : format === 'jsonl' ? jsonLines(put) : list(put)
  return { ...rows, discard: async () => undefined }
}

/** Writes to a file, which is whole or not there. */
export async function fileWriter(
  file: string,
  format: Format,
  force: boolean | undefined,
): Promise<PredictionWriter> {
  if (format === 'npz') return npzRows(await createNpz(file, { force }))
  const files = new AtomicFiles({ force })
  const target = await files.create(file)
  const put: Put = (text) => target.write(text)
  const rows = format === 'csv' ? csvRows(put) : jsonLines(put)
  return {
    write: rows.write,
    async finish() {
      await rows.finish()
      await files.publish()
    },
    discard: () => files.discard(),
  }
}

type Rows = Omit<PredictionWriter, 'discard'>

function csvRows(put: Put): Rows {
  const table = new TableRows()
  return {
    async write(batch) {
      const isFirst = table.columns === undefined
      const lines = table.rows(batch).map(csvLine)
      await put((isFirst ? csvLine(table.columns ?? []) : '') + lines.join(''))
    },
    finish: async () => undefined,
  }
}

const jsonLines = (put: Put): Rows => ({
  write: (batch) =>
    put(
      jsonRows(batch)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    ),
  finish: async () => undefined,
})

/** One JSON document with all predictions. */
function list(put: Put): Rows {
  let samples = 0
  return {
    async write(batch) {
      const rows = jsonRows(batch).map((row) => JSON.stringify(row))
      await put(`${samples === 0 ? '{"predictions":[\n' : ',\n'}${rows.join(',\n')}`)
      samples += batch.length
    },
    finish: () => put(`\n],"samples":${samples}}\n`),
  }
}

function npzRows(npz: NpzWriter): PredictionWriter {
  const named = new Set<string>()
  const append = async (name: string, prediction: Prediction, isAlone: boolean) => {
    const { values, probabilities, classes } = prediction
    if (!probabilities) return npz.append(name, values)
    const prefix = isAlone ? '' : `${name}.`
    const labels = classValues(prediction)
    if (!named.has(name)) await npz.append(`${prefix}classes`, arrayOf(labels))
    named.add(name)
    await npz.append(`${prefix}probabilities`, probabilities)
    if (!classes) return
    const own = Array.from(classes.data, (c) => labels[c]!)
    // Names of classes at many places would be many: there, their indices stand.
    const width = labels.reduce<number>((most, label) => Math.max(most, String(label).length), 1)
    const isRow = classes.dims.length === 1
    await npz.append(`${prefix}class`, isRow ? arrayOf(own, labels) : classes, width)
  }
  return {
    async write({ outputs, names }) {
      const entries = Object.entries(outputs)
      for (const [name, prediction] of entries) await append(name, prediction, entries.length === 1)
      if (names) await npz.append('file', names)
    },
    async finish() {
      await npz.publish()
      await npz.discard()
    },
    discard: () => npz.discard(),
  }
}

/** Names as they are; numbers as int64 where all classes are whole, otherwise as float64. */
function arrayOf(
  values: readonly (string | number)[],
  labels = values,
): Tensor | readonly string[] {
  const numbers = values.filter((value) => typeof value === 'number')
  if (numbers.length < values.length) return values.map(String)
  const dims = [values.length]
  return labels.every(Number.isSafeInteger)
    ? new Tensor('int64', dims, BigInt64Array.from(numbers, BigInt))
    : new Tensor('float64', dims, Float64Array.from(numbers))
}
