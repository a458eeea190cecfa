/** The inputs of a model from a table, read line by line: of any length, in memory that does not depend on it. */
import { inputError } from '../errors.ts'
import type { Preparation } from '../model/preparation.ts'
import { allocate, elementCount, Tensor } from '../tensor/tensor.ts'
import { fillRows } from './dataset.ts'
import type { InputBatch, InputStream } from './inputs.ts'
import type { ModelInput } from './model-input.ts'
import { featuresEncoder, type Numbers, type RowEncoder } from './table/encoders.ts'
import { isHeader, Layout } from './table/layout.ts'
import { batchType, namesIn, tableInputs } from './table/plan.ts'
import type { OpenTable } from './table/rows.ts'
import { idsEncoder, textLength } from './text/ids-encoder.ts'

export interface TableInputs {
  /** Names of the features that the model was trained on; a table with names has them in any order. */
  readonly columns?: readonly string[] | undefined
  /** What the model takes. */
  readonly inputs: readonly ModelInput[]
  /** How its training data were made ready. */
  readonly preparation?: Preparation | undefined
  /** A column that is no feature: its name, or its position from 0. */
  readonly target?: string | number | undefined
}

/**
 * The features of a table as inputs [batch, features]. Where the table and the model both have
 * names, columns are found by these; otherwise by their order, where a column more than the
 * model takes is the target, the last one if nothing else is said.
 *
 * @param open gives the table, anew for each iteration
 * @throws input, when iterated, naming line and column, where a cell is empty or no number, or where a
 *   column is missing or a category is not known
 */
export function tableStream(
  open: () => Promise<OpenTable>,
  options: TableInputs,
  source: string,
): InputStream {
  return {
    length: undefined,
    async *batches(size) {
      const table = await open()
      try {
        yield* readTable(table, size, options, source)
      } finally {
        table.close()
      }
    },
  }
}

async function* readTable(
  { first, isNamed, rows }: OpenTable,
  size: number,
  options: TableInputs,
  source: string,
): AsyncGenerator<InputBatch> {
  const names = namesIn(options.preparation) ?? options.columns ?? []
  const cells = first.map((row) => row.cells)
  // A single line is a sample to a model that knows its columns by their order.
  const isSample = cells.length === 1 && options.preparation !== undefined && names.length === 0
  const hasHeader = isNamed ?? (!isSample && isHeader(cells, options.target, names))
  const layout = new Layout(source, first[0] ?? { cells: [], line: 1 }, hasHeader)
  let parts: Part[] | undefined
  let filled = 0
  let isFirst = true
  for await (const row of rows) {
    if (isFirst && hasHeader) {
      isFirst = false
      continue
    }
    isFirst = false
    layout.mustFit(row)
    parts ??= [...encodersFor(layout, options)].map(([name, one]) => new Part(name, one, size))
    for (const part of parts) part.put(row, filled)
    if (++filled < size) continue
    yield { inputs: Object.fromEntries(parts.map((part) => [part.name, part.take(filled)])) }
    filled = 0
  }
  if (parts && filled > 0)
    yield { inputs: Object.fromEntries(parts.map((part) => [part.name, part.take(filled)])) }
}

/** The numbers of one input, for one batch. */
class Part {
  readonly name: string
  readonly #encoder: RowEncoder
  readonly #row: number
  readonly #data: Numbers

  constructor(name: string, encoder: RowEncoder, size: number) {
    this.name = name
    this.#encoder = encoder
    this.#row = elementCount(encoder.dims)
    this.#data = allocate(encoder.storage, size * this.#row)
  }

  put(row: Parameters<RowEncoder['encode']>[0], sample: number): void {
    this.#encoder.encode(row, this.#data, sample * this.#row)
  }

  /** A tensor of its own: whoever was given the batch may keep it. */
  take(samples: number): Tensor {
    const { dtype, dims } = this.#encoder
    const data = this.#data.subarray(0, samples * this.#row)
    const tensor = new Tensor(dtype, [samples, ...dims], allocate(dtype, data.length))
    fillRows({ dtype, dims, data }, tensor, undefined, 0, `input ${this.name}`)
    return tensor
  }
}

function encodersFor(layout: Layout, options: TableInputs): ReadonlyMap<string, RowEncoder> {
  const { preparation, inputs } = options
  const [input] = inputs
  const positions = featurePositions(layout, options)
  if (preparation?.kind === 'text' && input) {
    const [at, ...more] = positions
    if (at === undefined || more.length > 0)
      throw inputError(
        `${layout.source} must have one column of text; it has ${positions.length} that may be it.`,
      )
    const length = textLength(input, layout.source)
    return new Map([['input', idsEncoder(at, preparation, input.dtype, length, layout)]])
  }
  if (preparation?.kind === 'table') {
    const placed = preparation.features.map((feature, i) => ({ feature, at: positions[i]! }))
    return tableInputs(placed, preparation.encoding, layout, inputs)
  }
  const placed = positions.map((at) => ({ feature: {}, at }))
  const dtype = batchType(input?.dtype ?? 'float32')
  return new Map([['input', featuresEncoder(placed, 'one-hot', layout, { dtype })]])
}

function featurePositions(
  layout: Layout,
  { columns, inputs, preparation, target }: TableInputs,
): readonly number[] {
  const { width, header, source } = layout
  const known = namesIn(preparation) ?? columns
  if (header && known) return layout.positionsOf(known)
  const all = Array.from({ length: width }, (_, i) => i)
  if (target !== undefined) {
    const at = layout.at(target)
    return mustBe(all.filter((i) => i !== at))
  }
  if (preparation?.kind === 'text' && typeof preparation.column === 'number')
    return [layout.at(preparation.column)]
  const features =
    preparation?.kind === 'table'
      ? preparation.features.length
      : inputs[0]?.dims?.reduce((a, b) => a * b, 1)
  if (features === undefined || width === features) return all
  if (width === features + 1) return all.slice(0, -1)
  throw inputError(
    `${source} has ${width} column${width === 1 ? '' : 's'}, but the model takes ${features} features.`,
  )

  function mustBe(positions: readonly number[]): readonly number[] {
    const count = preparation?.kind === 'table' ? preparation.features.length : positions.length
    if (positions.length === count) return positions
    throw inputError(
      `${source} has ${positions.length} columns of features, but the model was trained on ${count}.`,
    )
  }
}
