/**
 * How data become the numbers of a model's inputs: which columns are categories, how pictures are cut and
 * normalized, which characters have which ids. Kept in the file's own metadata (ModelProto.metadata_props), so that
 * prediction does what training did.
 */
import type { Model } from './model.ts'

/** The metadata key: a JSON object, a `Preparation`. */
export const PREPARATION_KEY = 'net2net.preparation'

/** A column of a table that a model reads. */
export interface Feature {
  /** Its name; of a table without names there is none, and the order of the columns counts. */
  readonly name?: string
  /** The model's input that it belongs to; default: the only one, or the one that no column is called like. */
  readonly input?: string
  /** Its values in the order of their numbers, where they are categories. */
  readonly categories?: readonly string[]
  /** What a missing value is taken for; default: it is refused. */
  readonly fill?: number | string
  /** Of numbers: what is subtracted from them, and what they are divided by then. */
  readonly mean?: number
  readonly deviation?: number
}

export interface TablePreparation {
  readonly kind: 'table'
  /** In the order of the model's inputs. */
  readonly features: readonly Feature[]
  /** What becomes of a category: a number for each of its values, of which one is 1, or its index. */
  readonly encoding: CategoryEncoding
}

export const categoryEncodings = ['one-hot', 'ids'] as const
export type CategoryEncoding = (typeof categoryEncodings)[number]

export const pictureFits = ['resize', 'crop', 'pad'] as const
/** How a picture of another shape becomes one of the model's: stretched, cut at two sides, or with black at two sides. */
export type PictureFit = (typeof pictureFits)[number]

export interface PicturePreparation {
  readonly kind: 'pictures'
  readonly fit: PictureFit
  /** For each channel, of values from 0 to 1; default: 0 and 1. */
  readonly mean?: readonly number[]
  readonly deviation?: readonly number[]
}

export const textUnits = ['bytes', 'characters', 'tokens'] as const
/** What a text falls into: bytes of UTF-8, characters (code points), or tokens that another program made. */
export type TextUnit = (typeof textUnits)[number]

export interface TextPreparation {
  readonly kind: 'text'
  readonly units: TextUnit
  /** Of characters: what each id stands for. `''` is padding, and U+FFFD stands for all that are not there. */
  readonly vocabulary?: readonly string[]
  /** The column of a table that the text is in, its name or its place from 0. Default: a text of its own, whose next unit is predicted. */
  readonly column?: string | number
}

export type Preparation = TablePreparation | PicturePreparation | TextPreparation

/** How data are made ready for a model; undefined where it does not tell in a form that is known. */
export function preparationOf({ metadata }: Model): Preparation | undefined {
  const text = metadata.get(PREPARATION_KEY)
  if (text === undefined) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isPreparation(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The model with this preparation of its data. */
export const withPreparation = (model: Model, preparation: Preparation): Model => ({
  ...model,
  metadata: new Map(model.metadata).set(PREPARATION_KEY, JSON.stringify(preparation)),
})

type Unknown<T> = Partial<Record<T extends unknown ? keyof T : never, unknown>>

function isPreparation(value: unknown): value is Preparation {
  const of = Object(value) as Unknown<Preparation>
  if (of.kind === 'table')
    return (
      isOneOf(categoryEncodings, of.encoding) &&
      Array.isArray(of.features) &&
      of.features.length > 0 &&
      of.features.every(isFeature)
    )
  if (of.kind === 'pictures')
    return (
      isOneOf(pictureFits, of.fit) &&
      isOptional(of.mean, isNumbers) &&
      isOptional(of.deviation, isDivisors)
    )
  return (
    of.kind === 'text' &&
    isOneOf(textUnits, of.units) &&
    isOptional(of.vocabulary, isTexts) &&
    (of.units !== 'characters' || of.vocabulary !== undefined) &&
    isOptional(of.column, (column) => isText(column) || isNumber(column))
  )
}

function isFeature(value: unknown): value is Feature {
  const of = Object(value) as Unknown<Feature>
  return (
    isOptional(of.name, isText) &&
    isOptional(of.input, isText) &&
    isOptional(of.categories, isTexts) &&
    isOptional(of.fill, (fill) => isText(fill) || isNumber(fill)) &&
    isOptional(of.mean, isNumber) &&
    isOptional(of.deviation, isDivisor)
  )
}

const isOptional = (value: unknown, is: (value: unknown) => boolean) =>
  value === undefined || is(value)
const isOneOf = (known: readonly string[], value: unknown) => isText(value) && known.includes(value)
const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => Number.isFinite(value)
const isDivisor = (value: unknown) => isNumber(value) && value > 0
const isList = (value: unknown, is: (value: unknown) => boolean) =>
  Array.isArray(value) && value.length > 0 && value.every(is)
const isNumbers = (value: unknown) => isList(value, isNumber)
const isDivisors = (value: unknown) => isList(value, isDivisor)
const isTexts = (value: unknown) => isList(value, isText)
