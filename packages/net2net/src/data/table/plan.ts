/**
 * What the columns of a table become, found out in two passes: every line is scanned, then every line is encoded. So no
 * pass keeps the lines, and a table may be larger than memory.
 */
import { inputError, mustBeOneOf, usageError } from '../../errors.ts'
import { shown } from '../../model/classes.ts'
import {
  categoryEncodings,
  type Preparation,
  type TablePreparation,
  type TextPreparation,
} from '../../model/preparation.ts'
import { dtypes } from '../../tensor/dtype.ts'
import type { NumericDType } from '../../tensor/tensor.ts'
import { type TargetKind, targetKinds } from '../classes.ts'
import type { ModelInput } from '../model-input.ts'
import { idsEncoder, textLength } from '../text/ids-encoder.ts'
import { CharacterScan, type TextOptions } from '../text/units.ts'
import { ColumnScan } from './column-scan.ts'
import {
  featuresEncoder,
  type PlacedFeature,
  type RowEncoder,
  type TargetEncoder,
  targetEncoder,
  weightsEncoder,
} from './encoders.ts'
import {
  type FeatureOptions,
  fitFeatures,
  missingValues,
  planFeatures,
  saysMore,
} from './features.ts'
import { isHeader, Layout } from './layout.ts'
import type { TableRow } from './rows.ts'

export interface TableOptions extends FeatureOptions, Pick<TextOptions, 'text'> {
  /** Name or position (from 0) of the target's column; default: the last. */
  readonly target?: string | number | undefined
  /** Whether the target is a class (an integer or any text) or a value; default: seen from the data. */
  readonly targetKind?: TargetKind | undefined
  /** Names of the classes in the order of a model's outputs; others are refused. Default: those of the data. */
  readonly classes?: readonly string[] | undefined
  /**
   * Names of the features in the order of a model's input: a table with names may have them in any order, and other
   * columns besides. Default: all columns but the target, as they lie.
   */
  readonly columns?: readonly string[] | undefined
  /** The column that says how much each sample counts. Default: all the same. */
  readonly weights?: string | undefined
  /** What a model knows of its data: then the table is read as that of its training was. */
  readonly preparation?: Preparation | undefined
  /** What the model takes. Default: one input of any number of features. */
  readonly inputs?: readonly ModelInput[] | undefined
}

/** What makes arrays of the lines of a table. */
export interface TableEncoders {
  readonly inputs: ReadonlyMap<string, RowEncoder>
  readonly target: TargetEncoder
  readonly weights?: RowEncoder
  /** Names of the features, of a table that has them. */
  readonly columns?: readonly string[]
  readonly preparation?: Preparation
  /** Whether a line is left out for what it lacks. */
  leavesOut(row: TableRow): boolean
}

/** A plan that lines are shown to, one after the other; then it gives the encoders. */
export class TablePlan {
  readonly layout: Layout
  readonly hasHeader: boolean
  readonly #options: TableOptions
  readonly #target: { readonly at: number; readonly scan: ColumnScan }
  readonly #weightsAt: number | undefined
  readonly #features: readonly { readonly at: number; readonly scan: ColumnScan }[]
  readonly #characters: CharacterScan | undefined
  #rows = 0

  /**
   * @param first the first lines, of which one may name the columns
   * @param isNamed whether it does, where that is known
   */
  constructor(
    first: readonly TableRow[],
    options: TableOptions,
    source: string,
    isNamed?: boolean,
  ) {
    mustBeTableOptions(options)
    this.#options = options
    const [head] = first
    if (!head) throw noSamples(source)
    const names = [...(options.columns ?? []), ...(options.categories ?? []), options.weights ?? '']
    this.hasHeader =
      isNamed ??
      isHeader(
        first.map(({ cells }) => cells),
        options.target,
        names.filter((name) => name !== ''),
      )
    this.layout = new Layout(source, head, this.hasHeader)
    const { layout } = this
    if (layout.width < 2) throw noSamples(source)
    const targetAt = layout.at(options.target ?? layout.width - 1)
    this.#target = { at: targetAt, scan: new ColumnScan(true) }
    this.#weightsAt =
      options.weights === undefined
        ? undefined
        : layout.at(layout.header ? options.weights : Number(options.weights))
    const others = [targetAt, this.#weightsAt]
    const positions = featurePositions(layout, others, options)
    const forced = new Set(options.categories)
    this.#features = positions.map((at) => ({
      at,
      scan: new ColumnScan(forced.has(layout.header?.[at] ?? String(at))),
    }))
    const text = textOf(options)
    if (text?.units === 'characters' && !text.vocabulary) this.#characters = new CharacterScan()
  }

  /** Number of lines that were scanned. */
  get rows(): number {
    return this.#rows
  }

  scan(row: TableRow): void {
    this.layout.mustFit(row)
    this.#rows++
    const { cells, line } = row
    const { at, scan } = this.#target
    scan.add(cells[at]!, line)
    if (this.#characters) for (const { at } of this.#features) this.#characters.add(cells[at]!)
    else if (!this.#knows) for (const { at, scan } of this.#features) scan.add(cells[at]!, line)
  }

  get #knows(): boolean {
    return textOf(this.#options) !== undefined || tableOf(this.#options) !== undefined
  }

  finish(): TableEncoders {
    const { layout } = this
    const { source } = layout
    if (this.#rows === 0) throw noSamples(source)
    const { missing, targetKind, classes } = this.#options
    const leavesOut = missing === 'drop'
    const { at, scan } = this.#target
    const inputs = this.#inputs()
    const target = targetEncoder(at, scan, layout, { targetKind, classes, leavesOut })
    const weights =
      this.#weightsAt === undefined ? undefined : weightsEncoder(this.#weightsAt, layout)
    const parts = [...inputs.encoders.values(), target, ...(weights ? [weights] : [])]
    return {
      inputs: inputs.encoders,
      target,
      ...(weights ? { weights } : {}),
      ...(inputs.columns ? { columns: inputs.columns } : {}),
      ...(inputs.preparation ? { preparation: inputs.preparation } : {}),
      leavesOut: (row) => leavesOut && parts.some((part) => part.lacks(row)),
    }
  }

  #inputs() {
    const { layout } = this
    const text = textOf(this.#options)
    if (text) return this.#textInputs(text)
    const inputs = this.#options.inputs ?? anyInput
    const known = tableOf(this.#options)
    const features: readonly PlacedFeature[] = known
      ? this.#features.map(({ at }, i) => ({ at, feature: known.features[i]! }))
      : planFeatures(this.#features, layout, this.#options)
    const { placed, encoding } = known
      ? { placed: features, encoding: known.encoding }
      : fitFeatures(features, inputs, layout, this.#options.encoding)
    const encoders = tableInputs(placed, encoding, layout, inputs)
    const preparation: TablePreparation = {
      kind: 'table',
      features: placed.map(({ feature }) => feature),
      encoding,
    }
    return {
      encoders,
      ...(layout.header ? { columns: placed.map(({ at }) => layout.header![at]!) } : {}),
      ...(saysMore(preparation) ? { preparation } : {}),
    }
  }

  #textInputs(text: Omit<TextPreparation, 'kind'>) {
    const { layout } = this
    const [column, ...others] = this.#features
    if (!column || others.length > 0)
      throw usageError(
        `${layout.source} has several columns that may be the text: ${shown(this.#features.map((one) => layout.label(one.at)))}.`,
        { hint: 'Name the one that is meant as the only column.' },
      )
    const { at } = column
    const name = layout.header?.[at]
    const preparation: TextPreparation = {
      kind: 'text',
      units: text.units,
      ...(text.units === 'characters'
        ? { vocabulary: text.vocabulary ?? this.#characters!.vocabulary('texts') }
        : {}),
      column: name ?? at,
    }
    const [input = anyInput[0]!] = this.#options.inputs ?? []
    const encoder = idsEncoder(
      at,
      preparation,
      input.dtype,
      textLength(input, layout.source),
      layout,
    )
    return {
      encoders: new Map([['input', encoder]]),
      ...(name === undefined ? {} : { columns: [name] }),
      preparation,
    }
  }
}

const anyInput: readonly ModelInput[] = [{ name: 'input', dtype: 'float32', dims: undefined }]

/** One encoder for each input of the model, that has the features given to it. */
export function tableInputs(
  placed: readonly PlacedFeature[],
  encoding: TablePreparation['encoding'],
  layout: Layout,
  inputs: readonly ModelInput[],
): ReadonlyMap<string, RowEncoder> {
  const isOne = inputs.length === 1
  return new Map(
    inputs.map(({ name, dtype, dims }) => {
      const own = isOne ? placed : placed.filter(({ feature }) => feature.input === name)
      const shape = { dtype: batchType(dtype), dims: dims && dims.length < 2 ? dims : undefined }
      return [isOne ? 'input' : name, featuresEncoder(own, encoding, layout, shape)]
    }),
  )
}

/** Floats of any size arrive as float32. */
export const batchType = (dtype: NumericDType): NumericDType =>
  dtypes[dtype].kind === 'integer' ? dtype : 'float32'

/** How the column of text is read, where there is one. */
function textOf({ preparation, text }: TableOptions): Omit<TextPreparation, 'kind'> | undefined {
  if (preparation?.kind === 'text' && preparation.column !== undefined) return preparation
  return text === undefined ? undefined : { units: text }
}

const tableOf = ({ preparation }: TableOptions): TablePreparation | undefined =>
  preparation?.kind === 'table' ? preparation : undefined

function featurePositions(
  layout: Layout,
  others: readonly (number | undefined)[],
  { columns, preparation }: TableOptions,
): readonly number[] {
  const known = namesIn(preparation)
  if (known && layout.header) return layout.positionsOf(known)
  if (columns && layout.header) return columns.map((name) => layout.at(name))
  const positions = Array.from({ length: layout.width }, (_, i) => i).filter(
    (i) => !others.includes(i),
  )
  const count = preparation?.kind === 'table' ? preparation.features.length : positions.length
  if (positions.length !== count)
    throw inputError(
      `${layout.source} has ${positions.length} columns of features, but the model was trained on ${count}.`,
    )
  return positions
}

/** The names of the columns that a model was trained on, where it tells. */
export function namesIn(preparation: Preparation | undefined): readonly string[] | undefined {
  if (preparation?.kind === 'text')
    return typeof preparation.column === 'string' ? [preparation.column] : undefined
  if (preparation?.kind !== 'table') return undefined
  const names = preparation.features.flatMap(({ name }) => (name === undefined ? [] : [name]))
  return names.length === preparation.features.length ? names : undefined
}

function mustBeTableOptions({ targetKind, encoding, missing, text }: TableOptions): void {
  if (targetKind !== undefined) mustBeOneOf('targetKind', targetKind, targetKinds)
  if (encoding !== undefined) mustBeOneOf('encoding', encoding, categoryEncodings)
  if (missing !== undefined) mustBeOneOf('missing', missing, missingValues)
  if (text !== undefined) mustBeOneOf('text', text, ['bytes', 'characters'])
}

export const noSamples = (source: string) =>
  inputError(`${source} holds no samples of at least one feature and a target.`, { where: source })
