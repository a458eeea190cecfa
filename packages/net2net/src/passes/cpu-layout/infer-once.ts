/** Inference for passes that follow on one another: most of them leave most models as they are, and need to know the same. */
import type { Model } from '../../model/model.ts'
import type { ValueInfo } from '../../operators/contract/infer.ts'
import { inferModel } from '../../operators/inference.ts'

const inferred = new WeakMap<Model, ReadonlyMap<string, ValueInfo>>()

/** What is known of every value; of the same model it is worked out once. */
export function inferOnce(model: Model): ReadonlyMap<string, ValueInfo> {
  const known = inferred.get(model) ?? inferModel(model)
  inferred.set(model, known)
  return known
}
