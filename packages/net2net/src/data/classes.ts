/** From what a data set calls its classes to the indices that a model knows them by. */

/** What to do where data have classes that a model does not know. */
export const hintOfOtherClasses =
  'A model gets more classes by net2net extend, or while it trains with --replay OLD:SHARE.'

/** What a target means: one of several classes, or a quantity. */
export const targetKinds = ['class', 'value'] as const
export type TargetKind = (typeof targetKinds)[number]

/** How labels are numbered. */
export interface LabelNumbering {
  /** Names of the classes, where labels are not indices themselves. */
  readonly classes?: readonly string[]
  /** The index of a label; undefined where it is none of the classes. */
  indexOf(label: string): number | undefined
}

/**
 * Numbers labels. Whole numbers from 0 on are indices already. All others are numbered in
 * the order of their values: numbers by size, text by the alphabet (UTF-16).
 *
 * @param labels all different ones
 * @param known names of classes whose numbering is to be followed
 */
export function numberLabels(
  labels: readonly string[],
  known: readonly string[] | undefined,
): LabelNumbering {
  const numeric = labels.every((label) => label.trim() !== '' && Number.isFinite(Number(label)))
  const nameOf = (label: string) => (numeric ? String(Number(label)) : label)
  const areIndices = numeric && labels.every((label) => isIndex(Number(label)))
  if (areIndices && !labels.every((label) => known?.includes(nameOf(label))))
    return { indexOf: Number }
  const classes = known ?? sorted([...new Set(labels.map(nameOf))], numeric)
  const indices = new Map(classes.map((name, i) => [name, i]))
  return { classes, indexOf: (label) => indices.get(nameOf(label)) }
}

const isIndex = (value: number) => Number.isInteger(value) && value >= 0

/** Text by UTF-16 units, which depends on no language settings. */
const sorted = (names: string[], numeric: boolean) =>
  numeric ? names.sort((a, b) => Number(a) - Number(b)) : names.sort()
