/** What a growth adds to the size of a model. */
import {
  applyPlan,
  countMultiplyAdds,
  countParameters,
  type GrowthPlan,
  type Solution,
} from '../growth/index.ts'
import type { Model } from '../model/model.ts'

export class GrowthCosts {
  readonly #model: Model
  readonly #parameters: number
  readonly #multiplyAdds: number | null

  constructor({ model }: Solution) {
    this.#model = model
    this.#parameters = countParameters(model)
    this.#multiplyAdds = countMultiplyAdds(model)
  }

  of(plan: GrowthPlan) {
    const grown = applyPlan(this.#model, plan)
    const multiplyAdds = countMultiplyAdds(grown)
    return {
      addedParameters: countParameters(grown) - this.#parameters,
      addedMultiplyAdds:
        multiplyAdds === null || this.#multiplyAdds === null
          ? null
          : multiplyAdds - this.#multiplyAdds,
    }
  }
}
