/** Predictions as rows: of tables, of JSON lines, and of arrays. */
import type { Prediction, PredictionBatch } from 'net2net/training'
import { usageError } from '../errors.ts'

/** A cell of a table: text, or a number in as few digits as tell it from its neighbours. */
type Value = string | number

/** Tables beyond that are read by nobody. */
const mostColumns = 16_384

/** What a class is called: its own name, as a number where all names are numbers, or its index. */
export function classValues({ classNames, probabilities, classAxis = 1 }: Prediction): Value[] {
  const count = probabilities?.dims[classAxis] ?? 0
  if (!classNames) return Array.from({ length: count }, (_, i) => i)
  const numeric = classNames.every((name) => String(Number(name)) === name)
  return numeric ? classNames.map(Number) : [...classNames]
}

/** Rows of a table with the same columns for all batches. */
export class TableRows {
  /** Undefined before the first batch. */
  columns: readonly string[] | undefined

  /** The cells of each sample. @throws usage where the columns differ from those before */
  rows(batch: PredictionBatch): readonly (readonly Value[])[] {
    const blocks = Object.entries(batch.outputs).map(([name, prediction]) =>
      block(name, prediction, Object.keys(batch.outputs).length === 1),
    )
    const columns = unique([
      ...(batch.names ? ['file'] : []),
      ...blocks.flatMap(({ columns }) => columns),
    ])
    if (this.columns && String(this.columns) !== String(columns))
      throw usageError(
        'The predictions differ in their sizes, and a table has the same columns in all lines.',
        { hint: 'Write .jsonl instead.' },
      )
    this.columns = columns
    return Array.from({ length: batch.length }, (_, i) => [
      ...(batch.names ? [batch.names[i]!] : []),
      ...blocks.flatMap(({ cells }) => cells(i)),
    ])
  }
}

interface Block {
  readonly columns: readonly string[]
  cells(sample: number): readonly Value[]
}

function block(name: string, prediction: Prediction, isAlone: boolean): Block {
  const { values, probabilities, classes, classAxis } = prediction
  const prefix = isAlone ? '' : `${name}.`
  const labels = classValues(prediction)
  if (classes && probabilities?.dims.length === 2 && classAxis === 1) {
    const width = labels.length
    mustBeNarrow(name, width)
    return {
      columns: [`${prefix}class`, ...labels.map((label) => `${prefix}${label}`)],
      cells: (i) => [
        labels[classes.data[i]!]!,
        ...numbersOf(probabilities.data.subarray(i * width, (i + 1) * width)),
      ],
    }
  }
  if (classes) {
    // A class at each place, and no room for their probabilities.
    const width = classes.data.length / classes.dims[0]!
    mustBeNarrow(name, width)
    return {
      columns: positions(classes.dims.slice(1)).map((at) => `${prefix}class.${at}`),
      cells: (i) =>
        Array.from(classes.data.subarray(i * width, (i + 1) * width), (c) => labels[c]!),
    }
  }
  const shown = probabilities ?? values
  const width = shown.data.length / shown.dims[0]!
  mustBeNarrow(name, width)
  const places = positions(shown.dims.slice(1))
  const columns =
    probabilities && shown.dims.length === 2
      ? labels.map((label) => `${prefix}${label}`)
      : width === 1
        ? [name]
        : places.map((at) => `${name}.${at}`)
  return { columns, cells: (i) => numbersOf(shown.data.subarray(i * width, (i + 1) * width)) }
}

function mustBeNarrow(name: string, width: number): void {
  if (width > mostColumns)
    throw usageError(
      `The output "${name}" has ${width} numbers a sample: too many for the columns of a table.`,
      { where: name, hint: 'Write .npz or .jsonl instead, or leave it out with --outputs.' },
    )
}

/** The places of a sample's elements: 0.0, 0.1, … */
function positions(dims: readonly number[]): readonly string[] {
  return dims.reduce<readonly string[]>(
    (before, size) =>
      before.flatMap((at) =>
        Array.from({ length: size }, (_, i) => (at === '' ? `${i}` : `${at}.${i}`)),
      ),
    [''],
  )
}

/** A class that is called like another column gives way. */
function unique(names: readonly string[]): readonly string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    let free = name
    while (taken.has(free)) free = `${free}.probability`
    taken.add(free)
    return free
  })
}

/** The numbers of a row; those of float32 with as many digits as tell them apart. */
const numbersOf = (row: ArrayLike<number | bigint>): readonly Value[] =>
  Array.from(row, (value) =>
    typeof value === 'bigint'
      ? String(value)
      : row instanceof Float32Array
        ? shortest(value)
        : value,
  )

/** The number with the fewest digits that float32 rounds to this one. */
export function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return Number.isFinite(value) ? Number(value.toPrecision(9)) : value
}

/** A line of a table. */
export const csvLine = (cells: readonly Value[]): string => `${cells.map(csvCell).join(',')}\n`

const csvCell = (value: Value): string => {
  const text = String(value)
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** One object a sample. */
export function jsonRows({ outputs, names, length }: PredictionBatch): readonly object[] {
  const entries = Object.entries(outputs)
  return Array.from({ length }, (_, i) => {
    const file = names ? { file: names[i]! } : {}
    const of = entries.map(([name, prediction]) => [name, jsonOf(prediction, i)] as const)
    const [only] = of
    if (of.length === 1 && only && entries[0]![1].probabilities)
      return { ...file, ...Object(only[1]) }
    return { ...file, ...Object.fromEntries(of) }
  })
}

function jsonOf(prediction: Prediction, sample: number): unknown {
  const { values, probabilities, classes } = prediction
  const labels = classValues(prediction)
  if (!probabilities) return nested(values, sample, (value) => value)
  const list = nested(probabilities, sample, (value) => value)
  const isRow = probabilities.dims.length === 2
  return {
    ...(classes ? { class: nested(classes, sample, (c) => labels[Number(c)]!) } : {}),
    probabilities: isRow
      ? Object.fromEntries([list].flat().map((value, c) => [String(labels[c]), value]))
      : list,
  }
}

/** One sample of a tensor as nested lists; the element itself where there is one only. */
function nested(
  { data, dims }: Prediction['values'],
  sample: number,
  of: (value: number | bigint) => Value | bigint,
): unknown {
  const size = data.length / dims[0]!
  const inner = dims.slice(1)
  const at = (offset: number): unknown => {
    const value = data[offset]!
    const plain =
      data instanceof Float32Array && typeof value === 'number' ? shortest(value) : value
    const named = of(plain)
    return typeof named === 'bigint' ? Number(named) : named
  }
  if (size === 1 && inner.length <= 1) return at(sample * size)
  const build = (axis: number, offset: number, count: number): unknown => {
    if (axis === inner.length) return at(offset)
    const step = count / inner[axis]!
    return Array.from({ length: inner[axis]! }, (_, i) => build(axis + 1, offset + i * step, step))
  }
  return build(0, sample * size, size)
}
