/** Random networks that grew shrink to what they were, and whatever shrinks computes the same function. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compare } from '../src/check/compare.ts'
import { Net2NetError } from '../src/errors.ts'
import {
  countMultiplyAdds,
  countParameters,
  type GrowthStep,
  grow,
  inspect,
  planWiden,
  repeat,
  shrink,
} from '../src/growth/index.ts'
import type { Model } from '../src/model/model.ts'
import { randomStream } from '../src/tensor/random.ts'
import { largestDifference } from '../testing/check.ts'
import { randomNetwork } from './random-networks/generator.ts'

const NETWORKS = Number(process.env.RANDOM_SHRINKS ?? 60)
const tally = { returned: 0 }

const widthsOf = (model: Model) => inspect(model).layers.map(({ name, width }) => [name, width])

function growRandomly(model: Model, seed: number, noise: 'none' | 'zero-sum'): Model {
  const random = randomStream(seed, 'growth')
  let grown = model
  for (let round = 0; round < 2; round++) {
    const { layers } = inspect(grown)
    const pick = (able: readonly { readonly name: string }[]) =>
      able[random.below(able.length)]?.name
    const wide = pick(layers.filter(({ widen, width }) => widen === true && width !== null))
    const deep = pick(layers.filter(({ deepen }) => deepen === true))
    const steps: GrowthStep[] = []
    if (wide !== undefined) {
      const drawn = ['x1.5', 'x2', 'x3'][random.below(3)]!
      // Units that are added through a norm are no copies: they would stay.
      const { units } = planWiden(grown, { [wide]: drawn })
      const target = units.some(({ init }) => init === 'added') ? 'x2' : drawn
      steps.push({ widen: { [wide]: target }, noise })
    }
    if (deep !== undefined && random.uniform() < 0.5)
      steps.push({ deepen: deep, block: random.uniform() < 0.5 ? 'identity' : 'residual' })
    grown = grow(grown, steps, { seed }).model
    try {
      if (random.uniform() < 0.5) grown = repeat(grown, ['*'])
    } catch (error) {
      if (!(error instanceof Net2NetError)) throw error
    }
  }
  return grown
}

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 })

it(
  `grown networks shrink to what they were (${NETWORKS} networks)`,
  async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.constantFrom('none', 'zero-sum'), async (seed, noise) => {
        const model = randomNetwork(seed)
        const small = shrink(model)
        const grown = growRandomly(model, seed, noise)
        const back = shrink(grown)
        for (const each of [small, back])
          if (each !== model && (await largestDifference(model, each)) > 1e-5)
            expect((await compare(model, each)).equal, String(seed)).toBe(true)
        expect(countParameters(back)).toBeLessThanOrEqual(countParameters(grown))
        if (noise === 'zero-sum') return
        // Tensors that growth cloned stay two; everything else is as it was.
        expect(widthsOf(back)).toEqual(widthsOf(small))
        expect(countMultiplyAdds(back)).toBe(countMultiplyAdds(small))
        if (countMultiplyAdds(grown) !== countMultiplyAdds(small)) tally.returned++
      }),
      { numRuns: NETWORKS, endOnFailure: true },
    )
    expect(tally.returned).toBeGreaterThan(NETWORKS / 4)
  },
  10 * 60_000,
)
