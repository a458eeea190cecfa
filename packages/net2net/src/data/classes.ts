/** From what a data set calls its classes to the indices that a model knows them by. */
import { inputError } from '../errors.ts'
import { shown } from '../model/classes.ts'
import type { Column } from './dataset.ts'

/** What a target means: one of several classes, or a quantity. */
export const targetKinds = ['class', 'value'] as const
export type TargetKind = (typeof targetKinds)[number]

/** Class indices, and the names of the classes where the labels are not indices themselves. */
export interface Labels {
  readonly column: Column
  readonly classes?: readonly string[]
}

/**
 * Labels as class indices. Whole numbers from 0 on are indices already. All others are numbered in
 * the order of their values: numbers by size, text by the alphabet (UTF-16).
 *
 * @param known names of classes whose numbering is to be followed
 * @param place what to call label i in a message
 * @throws input for a label that is none of the known classes
 */
export function labelsOf(
  labels: readonly string[],
  known: readonly string[] | undefined,
  place: (i: number) => string,
): Labels {
  const numeric = labels.every((label) => label.trim() !== '' && Number.isFinite(Number(label)))
  const names = numeric ? labels.map((label) => String(Number(label))) : labels
  const areIndices = numeric && labels.every((label) => isIndex(Number(label)))
  const inKnown = indexOfNames(known ?? [])
  if (areIndices && !names.every((name) => inKnown.has(name)))
    return { column: indexColumn(labels.map(Number)) }
  if (known) return { column: indexColumn(names.map((_, i) => numberOf(i))), classes: known }
  const distinct = [...new Set(names)]
  const classes = numeric
    ? distinct.sort((a, b) => Number(a) - Number(b))
    : // By UTF-16 units, which depends on no language settings.
      distinct.sort()
  const indices = indexOfNames(classes)
  return { column: indexColumn(names.map((name) => indices.get(name)!)), classes }

  function numberOf(i: number): number {
    const index = inKnown.get(names[i]!)
    if (index !== undefined) return index
    throw inputError(`${place(i)} is none of the classes ${shown(known!)}.`)
  }
}

const isIndex = (value: number) => Number.isInteger(value) && value >= 0

const indexOfNames = (names: readonly string[]): ReadonlyMap<string, number> =>
  new Map(names.map((name, i) => [name, i]))

/** Batches refuse what does not fit into int32; it must arrive there as it is. */
function indexColumn(indices: readonly number[]): Column {
  const fits = indices.every((index) => index < 2 ** 31)
  return { dtype: 'int32', dims: [], data: (fits ? Int32Array : Float64Array).from(indices) }
}
