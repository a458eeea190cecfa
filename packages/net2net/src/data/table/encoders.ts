/** From the cells of a table to numbers: features, labels and values. */
import { inputError } from '../../errors.ts'
import { shown } from '../../model/classes.ts'
import type { CategoryEncoding, Feature } from '../../model/preparation.ts'
import type { NumericDType } from '../../tensor/tensor.ts'
import {
  hintOfOtherClasses,
  type LabelNumbering,
  numberLabels,
  type TargetKind,
} from '../classes.ts'
import { isMissing, isNumber } from './cells.ts'
import type { ColumnScan } from './column-scan.ts'
import type { Layout } from './layout.ts'
import type { TableRow } from './rows.ts'

/** What can be written into: an array that holds the numbers as they are. */
export type Numbers = Float32Array | Float64Array | Int32Array

/** Makes numbers of a line of a table: one sample of one array. */
export interface RowEncoder {
  /** Type of the batches. */
  readonly dtype: NumericDType
  /** Shape of one sample. */
  readonly dims: readonly number[]
  /** The type that holds all numbers that come. */
  readonly storage: 'float32' | 'float64' | 'int32'
  /** Whether a cell of the line has no value, and none to take instead. */
  lacks(row: TableRow): boolean
  /** @throws input, naming line and column, where a value is missing, or is none that is known */
  encode(row: TableRow, into: Numbers, at: number): void
}

/** A feature, and the column that it is in. */
export interface PlacedFeature {
  readonly feature: Feature
  readonly at: number
}

/** How many numbers a feature becomes. */
export const widthOf = ({ categories }: Feature, encoding: CategoryEncoding): number =>
  categories && encoding === 'one-hot' ? categories.length : 1

export function featuresEncoder(
  features: readonly PlacedFeature[],
  encoding: CategoryEncoding,
  layout: Layout,
  { dtype, dims }: { readonly dtype: NumericDType; readonly dims?: readonly number[] | undefined },
): RowEncoder {
  const parts = features.map((one) => featurePart(one, encoding, layout))
  const width = parts.reduce((sum, part) => sum + part.width, 0)
  return {
    dtype,
    dims: dims ?? [width],
    storage: dtype === 'float32' ? 'float32' : 'float64',
    lacks: (row) => parts.some((part) => part.lacks(row)),
    encode(row, into, at) {
      let offset = at
      for (const part of parts) {
        part.encode(row, into, offset)
        offset += part.width
      }
    },
  }
}

interface FeaturePart extends Pick<RowEncoder, 'lacks' | 'encode'> {
  readonly width: number
}

function featurePart(
  { feature, at: column }: PlacedFeature,
  encoding: CategoryEncoding,
  layout: Layout,
): FeaturePart {
  const { categories, fill, mean = 0, deviation = 1 } = feature
  if (!categories)
    return {
      width: 1,
      lacks: ({ cells }) => fill === undefined && isEmpty(cells[column]!),
      encode({ cells, line }, into, at) {
        const text = cells[column]!
        const value = isEmpty(text) ? fill : text
        if (value === undefined) throw layout.empty(column, text, line)
        if (typeof value === 'string' && !isNumber(value))
          throw layout.notNumber(column, text, line, 'features')
        into[at] = (Number(value) - mean) / deviation
      },
    }
  const indices = new Map(categories.map((name, i) => [name, i]))
  const width = widthOf(feature, encoding)
  return {
    width,
    lacks: ({ cells }) => fill === undefined && cells[column] === '',
    encode({ cells, line }, into, at) {
      const text = cells[column]!
      const name = text === '' && fill !== undefined ? String(fill) : text
      if (name === '') throw layout.empty(column, text, line)
      // Numbers are the same however they are written.
      const index = indices.get(name) ?? indices.get(String(Number(name)))
      if (index === undefined)
        throw inputError(
          `${layout.cell(column, text, line)} is none of the categories ${shown(categories)}.`,
          { hint: 'A model knows the values that its training data had.' },
        )
      if (encoding === 'ids') into[at] = index
      else {
        into.fill(0, at, at + width)
        into[at + index] = 1
      }
    },
  }
}

const isEmpty = (text: string) => text === '' || isMissing(text)

/** Class indices, or values, from the column of the target. */
export interface TargetEncoder extends RowEncoder {
  readonly classes?: readonly string[]
}

/** @throws input where values are no numbers, or missing among numbers */
export function targetEncoder(
  at: number,
  scan: ColumnScan,
  layout: Layout,
  options: {
    readonly targetKind?: TargetKind | undefined
    readonly classes?: readonly string[] | undefined
    readonly leavesOut: boolean
  },
): TargetEncoder {
  const { targetKind, classes: known, leavesOut } = options
  const missing = scan.firstMissing
  // Among numbers, such a word is no class; among words it may be one.
  const hasWord = scan.firstWord !== undefined && scan.texts === 0
  if (!leavesOut && missing && (hasWord || scan.firstEmpty))
    throw layout.empty(at, (scan.firstEmpty ?? missing).text, (scan.firstEmpty ?? missing).line)
  const lacks = ({ cells }: TableRow) =>
    cells[at] === '' || (scan.texts === 0 && isMissing(cells[at]!))
  const areValues =
    targetKind === 'value' || (targetKind === undefined && scan.isNumeric && !scan.isWhole)
  if (areValues) {
    const wrong = scan.firstText
    if (wrong) throw layout.notNumber(at, wrong.text, wrong.line, 'values')
    return {
      dtype: 'float32',
      dims: [1],
      storage: 'float32',
      lacks,
      encode({ cells }, into, to) {
        into[to] = Number(cells[at])
      },
    }
  }
  const labels = scan.values
  if (!labels)
    throw inputError(
      `${layout.in(at)} has more than a million different values: too many for classes.`,
      { hint: 'A loss of values, such as mse, takes numbers.' },
    )
  const counted = scan.texts === 0 ? labels.filter(isNumber) : labels
  const numbering: LabelNumbering = numberLabels(counted, known)
  // Batches refuse what does not fit into int32; it must arrive there as it is.
  const fits = counted.every((label) => (numbering.indexOf(label) ?? 0) < 2 ** 31)
  return {
    dtype: 'int32',
    dims: [],
    storage: fits ? 'int32' : 'float64',
    ...(numbering.classes ? { classes: numbering.classes } : {}),
    lacks,
    encode({ cells, line }, into, to) {
      const index = numbering.indexOf(cells[at]!)
      if (index === undefined)
        throw inputError(
          `${layout.cell(at, cells[at]!, line)} is none of the classes ${shown(numbering.classes!)}.`,
          { hint: hintOfOtherClasses },
        )
      into[to] = index
    },
  }
}

/** How much each sample counts. @throws input where a weight is negative or no number */
export function weightsEncoder(at: number, layout: Layout): RowEncoder {
  return {
    dtype: 'float32',
    dims: [],
    storage: 'float32',
    lacks: ({ cells }) => isEmpty(cells[at]!),
    encode({ cells, line }, into, to) {
      const text = cells[at]!
      if (isEmpty(text)) throw layout.empty(at, text, line)
      if (!isNumber(text)) throw layout.notNumber(at, text, line, 'weights')
      if (Number(text) < 0)
        throw inputError(`${layout.cell(at, text, line)} is negative, and weights must not be.`)
      into[to] = Number(text)
    },
  }
}
