/**
 * Vocabulary of homogeneity: in which inputs an output is linear, or only keeps positive factors
 * (Relu, max). Growth shares a unit out among its copies with such factors: see growth/shares.ts.
 */
import type { HomogeneityFacet, Operator } from '../contract/operator.ts'

/** Linear in each of these sets of inputs by itself: `linearIn([0], [1])` is bilinear, a·b. */
export const linearIn = (...sets: readonly (readonly number[])[]): HomogeneityFacet => ({
  inputs: () => sets,
  linear: true,
})

/** φ(α·x) = α·φ(x) for α > 0, in input 0. */
export const positivelyHomogeneous: HomogeneityFacet = { inputs: () => [[0]], linear: false }

const everyInput: HomogeneityFacet['inputs'] = ({ inputs }) => [[...inputs.keys()]]

/** a + b and the like: linear in all inputs together. */
export const linearInAll: HomogeneityFacet = { inputs: everyInput, linear: true }

/** max(a, b) and the like. */
export const positivelyHomogeneousInAll: HomogeneityFacet = { inputs: everyInput, linear: false }

/** A product of all inputs: linear in each. */
export const multilinear: HomogeneityFacet = {
  inputs: ({ inputs }) => [...inputs.keys()].map((i) => [i]),
  linear: true,
}

/** Every entry is an entry of one of the inputs. */
export const joined: HomogeneityFacet = { ...linearInAll, joins: true }

const view = linearIn([0])

/** What an operator says of itself; a view is linear in what it views. */
export const homogeneityOf = (operator: Operator | undefined): HomogeneityFacet | undefined =>
  operator?.homogeneous ?? (operator?.view ? view : undefined)
