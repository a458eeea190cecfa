/**
 * Vocabulary of scaling: in which inputs an output is linear, or only keeps positive factors (Relu, max).
 * Growth splits a unit among its copies with such factors, and follows them through these operators to where
 * they add up to 1 again.
 */
import type { ScalesWith } from '../contract/facets.ts'
import type { Operator } from '../contract/operator.ts'

/** Linear in each of these sets of inputs by itself: `linearIn([0], [1])` is bilinear, a·b. */
export const linearIn = (...sets: readonly (readonly number[])[]): ScalesWith => ({
  inputs: () => sets,
  linear: true,
})

/** φ(α·x) = α·φ(x) for α > 0, in input 0. */
export const positivelyHomogeneous: ScalesWith = { inputs: () => [[0]], linear: false }

const everyInput: ScalesWith['inputs'] = ({ inputs }) => [[...inputs.keys()]]

/** a + b and the like: linear in all inputs together. */
export const linearInAll: ScalesWith = { inputs: everyInput, linear: true }

/** max(a, b) and the like. */
export const positivelyHomogeneousInAll: ScalesWith = { inputs: everyInput, linear: false }

/** A product of all inputs: linear in each. */
export const multilinear: ScalesWith = {
  inputs: ({ inputs }) => [...inputs.keys()].map((i) => [i]),
  linear: true,
}

/** Every entry is an entry of one of the inputs. */
export const joined: ScalesWith = { ...linearInAll, joins: true }

const view = linearIn([0])

/** How factors come out of an operator; undefined where they do not. */
export function scalingOf(operator: Operator | undefined): ScalesWith | undefined {
  const scaling = operator?.scaling ?? 'none'
  return scaling === 'view' ? view : scaling === 'none' ? undefined : scaling
}

/** Does output 0 hold the elements of input 0, moved but unchanged? */
export const movesElements = (operator: Operator | undefined): boolean =>
  operator?.scaling === 'view' || scalingOf(operator)?.moves === true
