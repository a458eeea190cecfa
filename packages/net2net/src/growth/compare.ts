/** The proof of a growth: do the two models compute the same function? */

import { type CompareOptions, compare as compareModels } from '../check/compare.ts'
import type { Comparison } from '../check/comparison.ts'
import type { Model } from '../model/model.ts'
import { linearFormOf } from '../operators/table.ts'

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. They are equal where every |Δ| ≤ tolerance · max(1, |y|).
 *
 * Large models are computed in stretches of nodes, and large weights of linear layers in slices:
 * memory does not depend on the size of the model. Either may be a staged model, whose files are still
 * being written: each weight is waited for until it is there.
 *
 * @throws difference where their inputs or outputs have other names or types; input where one of
 *   them does not load or run; whatever the writing of a staged model fails with
 */
export const compare = (
  a: Model | string,
  b: Model | string,
  options: CompareOptions = {},
): Promise<Comparison> => compareModels(a, b, { linearForm: linearFormOf, ...options })
