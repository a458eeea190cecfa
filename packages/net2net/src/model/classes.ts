/**
 * The names of the classes that a model tells apart, in the order of its outputs: kept in the
 * file's own metadata (ModelProto.metadata_props), so that they survive growth and other tools; or those that the graph itself
 * gives, as classifiers of scikit-learn do.
 */
import { inputError } from '../errors.ts'
import type { Model } from './model.ts'
import { labelsOf } from './wrapped-outputs.ts'

/** The metadata key: a JSON list of strings. */
export const CLASSES_KEY = 'net2net.classes'

/** The model's class names; undefined where it has none, or where they are not a list of strings. */
export function classesOf({ graph, metadata }: Model): readonly string[] | undefined {
  const text = metadata.get(CLASSES_KEY)
  if (text === undefined) return labelsOf(graph)
  try {
    const value: unknown = JSON.parse(text)
    const isList = Array.isArray(value) && value.length > 0
    return isList && value.every((name) => typeof name === 'string') ? value : undefined
  } catch {
    return undefined
  }
}

/** The model with these class names. */
export const withClasses = (model: Model, classes: readonly string[]): Model => ({
  ...model,
  metadata: new Map(model.metadata).set(CLASSES_KEY, JSON.stringify(classes)),
})

/**
 * Refuses data whose classes are not those of the model, in the same order. Whoever has no names
 * fits everything: then only the numbers of the classes count.
 *
 * @throws input, naming both lists
 */
export function mustHaveClassesOf(
  model: Model,
  classes: readonly string[] | undefined,
  data = 'The data',
): void {
  const own = classesOf(model)
  if (!own || !classes || isSame(own, classes)) return
  throw inputError(
    `${data} have the classes ${shown(classes)}, but the model tells ${shown(own)} apart.`,
    {
      hint: `A class is known by its place: give data with the model's classes${
        model.metadata.has(CLASSES_KEY)
          ? `, or remove the entry ${CLASSES_KEY} from the model's metadata to train it for others`
          : ''
      }.`,
    },
  )
}

const isSame = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((name, i) => name === b[i])

/** At most ten names. */
export const shown = (names: readonly string[]): string =>
  names.length > 10
    ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`
    : names.join(', ')
