/**
 * What the numbers of a model's outputs mean, and the columns of the table that it was trained on: kept in
 * the file's own metadata (ModelProto.metadata_props), so that prediction does what training did.
 */
import type { Model } from './model.ts'

/** The metadata key: a JSON object, the name of an output → `OutputMeaning`. */
export const OUTPUTS_KEY = 'net2net.outputs'
/** The metadata key: a JSON list of the names of a table's features, in the order of the model's input. */
export const COLUMNS_KEY = 'net2net.columns'

/** What makes probabilities of an output: over the classes, or of each number by itself. */
export type Activation = 'softmax' | 'sigmoid'

export interface OutputMeaning {
  /** The name of the loss that the output was trained with. */
  readonly loss: string
  /** What makes probabilities of the numbers. They may have it behind them already, as the graph shows. */
  readonly activation?: Activation
  /** The axis of the classes. */
  readonly axis?: number
}

/** What is known of the model's outputs by their names. What does not have this form counts as unknown. */
export function outputMeanings({ metadata }: Model): ReadonlyMap<string, OutputMeaning> {
  const entries = Object.entries(Object(parsed(metadata.get(OUTPUTS_KEY))) as object)
  return new Map(entries.filter((entry): entry is [string, OutputMeaning] => isMeaning(entry[1])))
}

/** The model with this meaning of an output. */
export function withOutputMeaning(model: Model, output: string, meaning: OutputMeaning): Model {
  const meanings = new Map(outputMeanings(model)).set(output, meaning)
  const text = JSON.stringify(Object.fromEntries(meanings))
  return { ...model, metadata: new Map(model.metadata).set(OUTPUTS_KEY, text) }
}

/** The names of the features of the table that the model was trained on; undefined where they are not known. */
export function columnsOf({ metadata }: Model): readonly string[] | undefined {
  const value = parsed(metadata.get(COLUMNS_KEY))
  const isList = Array.isArray(value) && value.every((name) => typeof name === 'string')
  return isList && value.length > 0 ? value : undefined
}

/** The model with these names of its features. */
export const withColumns = (model: Model, columns: readonly string[]): Model => ({
  ...model,
  metadata: new Map(model.metadata).set(COLUMNS_KEY, JSON.stringify(columns)),
})

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function isMeaning(value: unknown): value is OutputMeaning {
  const { loss, activation, axis } = Object(value) as Partial<Record<keyof OutputMeaning, unknown>>
  const isKnown = activation === undefined || activation === 'softmax' || activation === 'sigmoid'
  return typeof loss === 'string' && isKnown && (axis === undefined || Number.isInteger(axis))
}
