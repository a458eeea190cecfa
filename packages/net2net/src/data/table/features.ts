/** Which features the columns of a table become, from what their cells are. */
import { inputError, usageError } from '../../errors.ts'
import {
  type CategoryEncoding,
  categoryEncodings,
  type Feature,
  type TablePreparation,
} from '../../model/preparation.ts'
import { quote } from '../../model/quote.ts'
import { dtypes } from '../../tensor/dtype.ts'
import type { ModelInput } from '../model-input.ts'
import type { ColumnScan } from './column-scan.ts'
import { type PlacedFeature, widthOf } from './encoders.ts'
import type { Layout } from './layout.ts'

export const missingValues = ['refuse', 'fill', 'drop'] as const

export interface FeatureOptions {
  /**
   * Columns whose values are categories whatever they look like. Default: columns of text whose values recur. More than 256 different
   * ones are taken for categories only here.
   */
  readonly categories?: readonly string[] | undefined
  /** What becomes of a category. Default: what fits the model's input; else one-hot. */
  readonly encoding?: CategoryEncoding | undefined
  /**
   * What becomes of samples that lack a value: they are refused (the default), filled with the mean of the column (the most
   * frequent one of categories), or left out.
   */
  readonly missing?: (typeof missingValues)[number] | undefined
  /** Numbers minus their mean, divided by their standard deviation. Default: as they are. */
  readonly standardize?: boolean | undefined
}

/** A column that is to be a feature, and what its cells are. */
export interface ScannedColumn {
  readonly at: number
  readonly scan: ColumnScan
}

/** With more different values than that, a column is no categories unless somebody says so. */
const mostCategories = 256
/** So few different values are categories however few samples there are. */
const fewCategories = 10

/**
 * @throws input, naming line and column, where a cell is empty or no number among numbers, or where a
 *   column is text of too many different values
 */
export function planFeatures(
  columns: readonly ScannedColumn[],
  layout: Layout,
  options: FeatureOptions,
): readonly PlacedFeature[] {
  const asked = new Set(options.categories?.map((name) => columnOf(name, columns, layout)))
  return columns.map((column) => ({
    feature: featureOf(column, layout, options, asked.has(column.at)),
    at: column.at,
  }))
}

function columnOf(name: string, columns: readonly ScannedColumn[], layout: Layout): number {
  const at = layout.at(layout.header ? name : Number(name))
  if (columns.some((column) => column.at === at)) return at
  throw usageError(`The column ${name} is no feature, and cannot be one of categories.`)
}

function featureOf(
  { at, scan }: ScannedColumn,
  layout: Layout,
  { missing = 'refuse', standardize = false }: FeatureOptions,
  isAsked: boolean,
): Feature {
  const name = layout.header ? { name: layout.header[at]! } : {}
  const { firstEmpty, firstText } = scan
  if (isAsked || (scan.texts > 0 && !scan.isMeantAsNumbers)) {
    const categories = categoriesOf(at, scan, layout, isAsked)
    if (firstEmpty && missing === 'refuse') throw layout.empty(at, '', firstEmpty.line)
    const fill = missing === 'fill' ? { fill: scan.mostFrequent ?? '' } : {}
    return { ...name, categories, ...(firstEmpty ? fill : {}) }
  }
  if (firstText) throw layout.notNumber(at, firstText.text, firstText.line, 'features')
  const hole = scan.firstMissing
  if (hole && (missing === 'refuse' || scan.numbers === 0))
    throw layout.empty(at, hole.text, hole.line)
  return {
    ...name,
    ...(missing === 'fill' ? { fill: scan.mean } : {}),
    ...(standardize ? { mean: scan.mean, deviation: scan.deviation } : {}),
  }
}

function categoriesOf(
  at: number,
  scan: ColumnScan,
  layout: Layout,
  isAsked: boolean,
): readonly string[] {
  const values = scan.values
  const most = Math.max(fewCategories, Math.min(mostCategories, scan.rows / 2))
  if (values && (isAsked || values.length <= most))
    return scan.texts > 0 ? values : [...values].sort((a, b) => Number(a) - Number(b))
  const count = values ? values.length.toLocaleString('en') : 'more than a million'
  throw inputError(
    `${layout.in(at)} holds text of ${count} different values, such as ${quote(scan.firstText?.text ?? '')}: too many for categories.`,
    {
      hint: 'Choose the columns that are features, name this one as categories, or read it as text, in characters or bytes.',
    },
  )
}

/**
 * Gives each feature to an input of the model, and chooses the encoding that fits the inputs.
 *
 * @throws input where none fits, or where an input gets no column
 */
export function fitFeatures(
  features: readonly PlacedFeature[],
  inputs: readonly ModelInput[],
  layout: Layout,
  asked: CategoryEncoding | undefined,
): { readonly placed: readonly PlacedFeature[]; readonly encoding: CategoryEncoding } {
  const placed = inputs.length > 1 ? shareOut(features, inputs, layout) : features
  const of = ({ name }: ModelInput) =>
    placed.filter(({ feature }) => inputs.length === 1 || feature.input === name)
  const areIds = inputs.some(({ dtype }) => dtypes[dtype].kind === 'integer')
  const tried = asked ? [asked] : areIds ? [...categoryEncodings].reverse() : categoryEncodings
  const encoding = tried.find((one) =>
    inputs.every((input) => {
      const places = placesIn(input)
      return places === undefined || places === totalWidth(of(input), one)
    }),
  )
  if (encoding) return { placed, encoding }
  const [first] = tried
  const wrong = inputs.find((input) => placesIn(input) !== totalWidth(of(input), first!))!
  const parts = of(wrong).map(({ feature, at }) => {
    const width = widthOf(feature, first!)
    return `${layout.label(at)}${width > 1 ? ` (${width})` : ''}`
  })
  const shown = parts.length > 12 ? [...parts.slice(0, 12), '…'] : parts
  const [count, places] = [totalWidth(of(wrong), first!), placesIn(wrong)]
  throw inputError(
    `${layout.source} has ${count} feature${count === 1 ? '' : 's'}, but the model${inputs.length > 1 ? `'s input ${quote(wrong.name)}` : ''} takes ${places}: ${shown.join(', ')}.`,
    { where: layout.source },
  )
}

const placesIn = ({ dims }: ModelInput) => dims?.reduce((a, b) => a * b, 1)

const totalWidth = (features: readonly PlacedFeature[], encoding: CategoryEncoding) =>
  features.reduce((sum, { feature }) => sum + widthOf(feature, encoding), 0)

/** Columns that are called like an input are its; one other input takes what is left. */
function shareOut(
  features: readonly PlacedFeature[],
  inputs: readonly ModelInput[],
  layout: Layout,
): readonly PlacedFeature[] {
  const names = new Set(features.map(({ feature }) => feature.name))
  const others = inputs.filter(({ name }) => !names.has(name))
  const [rest] = others
  const isNamed = ({ feature }: PlacedFeature) => inputs.some(({ name }) => name === feature.name)
  if (others.length > 1 || (rest && features.every(isNamed)))
    throw inputError(
      `${layout.source} has no column for the model's input${others.length > 1 ? 's' : ''} ${others.map(({ name }) => quote(name)).join(', ')}; it has ${[...names].join(', ')}.`,
      { hint: 'Of several inputs, each has a column of its name; one takes all others.' },
    )
  return features.flatMap((one) => {
    const input = isNamed(one) ? one.feature.name : rest?.name
    return input === undefined ? [] : [{ ...one, feature: { ...one.feature, input } }]
  })
}

/** Whether a preparation says more than names and order, which the model has elsewhere. */
export const saysMore = ({ features }: TablePreparation): boolean =>
  features.some(
    ({ categories, fill, mean, input }) =>
      categories !== undefined || fill !== undefined || mean !== undefined || input !== undefined,
  )
