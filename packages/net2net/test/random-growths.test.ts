/** Random networks that grow several times in a row, in every way that keeps the function, compute the same, or refuse. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compare } from '../src/check/compare.ts'
import { Net2NetError } from '../src/errors.ts'
import { type GrowthStep, grow, inspect } from '../src/growth/index.ts'
import type { Model } from '../src/model/model.ts'
import { randomStream } from '../src/tensor/random.ts'
import { largestDifference } from '../testing/check.ts'
import { attentionNetwork, drawAttention } from './random-networks/attentions.ts'
import { randomNetwork } from './random-networks/generator.ts'
import { randomWeights } from './random-networks/weights.ts'

const NETWORKS = Number(process.env.RANDOM_GROWTHS ?? 150)

const sources = {
  layers: randomNetwork,
  attentions: (seed: number) => attentionNetwork(drawAttention(seed), seed),
  weights: randomWeights,
}

const kinds = ['widen', 'deepen', 'repeat', 'kernel', 'shrink'] as const

function drawStep(model: Model, random: ReturnType<typeof randomStream>): GrowthStep {
  const of = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const layers = inspect(model).layers.map(({ name }) => name)
  const layer = of(layers)
  const widths = () => of(['x1.5', 'x2', 'x3', '+1', '+3'])
  switch (of(kinds)) {
    case 'widen': {
      const widen = { [layer]: widths(), ...(random.uniform() < 0.3 && { [of(layers)]: widths() }) }
      return { widen, noise: of(['none', 'zero-sum'] as const) }
    }
    case 'deepen':
      return { deepen: layer, block: of(['identity', 'residual'] as const) }
    case 'repeat':
      return {
        repeat: of(['*', layer]),
        copy: of(['stack', 'interleave'] as const),
        start: of(['zero', 'identity'] as const),
      }
    case 'kernel':
      return { kernel: { [layer]: of([3, 5, 7]) } }
    case 'shrink':
      return { shrink: '*' }
  }
}

it(`random growths in a row keep the function (${NETWORKS} networks)`, async () => {
  const tally = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('layers', 'layers', 'attentions', 'weights'),
      fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      async (source: keyof typeof sources, seed) => {
        const random = randomStream(seed, 'growths')
        let model = sources[source](seed)
        for (let round = 0; round < 4; round++) {
          const step = drawStep(model, random)
          let grown: Model
          try {
            grown = grow(model, [step], { seed }).model
          } catch (error) {
            if (!(error instanceof Net2NetError)) throw error
            expect(['refused', 'usage'], error.message).toContain(error.kind)
            continue
          }
          const said = JSON.stringify(step)
          if ((await largestDifference(model, grown)) > 1e-5)
            expect((await compare(model, grown)).equal, said).toBe(true)
          const kind = kinds.find((each) => each in step)!
          tally.set(kind, (tally.get(kind) ?? 0) + 1)
          model = grown
        }
      },
    ),
    { numRuns: NETWORKS, endOnFailure: true },
  )
  for (const kind of kinds) expect(tally.get(kind), kind).toBeGreaterThan(0)
}, 300_000)
