/** The proof of a growth: do the two models compute the same function? */

import { type CompareOptions, compare as compareModels, type Upcoming } from '../check/compare.ts'
import type { Comparison } from '../check/comparison.ts'
import type { Model } from '../model/model.ts'
import { linearFormOf } from '../operators/table.ts'

/**
 * Runs two models (or the files of two) on the same inputs and reports the largest difference of
 * every output. They are equal where every |Δ| ≤ tolerance · max(1, |y|).
 *
 * Large models are computed in stretches of nodes, and large weights of linear layers in slices:
 * memory does not depend on the size of the model. `b` may be a model whose file is still being
 * written: the file is what counts, but a large `a` is computed in the meantime.
 *
 * @throws difference where their inputs or outputs have other names or types; input where one of
 *   them does not load or run; whatever an upcoming file fails with
 */
export const compare = (
  a: Model | string,
  b: Model | string | Upcoming,
  options: CompareOptions = {},
): Promise<Comparison> => compareModels(a, b, { linearForm: linearFormOf, ...options })
