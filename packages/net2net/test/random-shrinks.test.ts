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
import { GraphBuilder } from '../src/model/builder.ts'
import type { Model } from '../src/model/model.ts'
import { encodeModel } from '../src/onnx/encode.ts'
import { nodeRuntime } from '../src/runtime/onnxruntime.node.ts'
import { randomStream } from '../src/tensor/random.ts'
import { float32, toNumbers } from '../src/tensor/tensor.ts'
import { largestDifference } from '../testing/check.ts'
import { randomNetwork } from './random-networks/generator.ts'

const NETWORKS = Number(process.env.RANDOM_SHRINKS ?? 60)
const tally = { returned: 0, zero: 0 }

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
      const isOfCopies = (to: string) =>
        planWiden(grown, { [wide]: to }).units.every(({ init }) => init !== 'added')
      const to = [drawn, 'x2', 'x3'].find(isOfCopies)
      if (to !== undefined) steps.push({ widen: { [wide]: to }, noise })
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
      {
        numRuns: NETWORKS,
        endOnFailure: true,
        examples: [
          // Channels of which two units make one.
          [2030515526, 'none'],
          // Channels of which three may not be copied: twice as many are no multiple of the other two.
          [1281001529, 'none'],
          // An attention whose queries and keys pass a Relu.
          [780998744, 'none'],
        ],
      },
    )
    expect(tally.returned).toBeGreaterThan(NETWORKS / 4)
  },
  10 * 60_000,
)

/** Layers of which many units are zero for every input, or nearly so: weights of one sign, and biases near the sum that bounds allow. */
function nearlyZero(seed: number): Model {
  const random = randomStream(seed, 'nearly zero')
  const b = new GraphBuilder()
  let width = 3
  let x = b.input('x', 'float32', ['n', width])
  for (let i = 0; i < 3; i++) {
    const units = 3 + random.below(4)
    const weight = Array.from({ length: width }, () => Array<number>(units).fill(0))
    const shift = Array.from({ length: units }, (_, unit) => {
      const sign = random.below(4) - 2
      for (const row of weight)
        row[unit] = sign === 0 ? 0 : sign > 0 ? random.normal() : -Math.abs(random.normal())
      const most = weight.reduce((sum, row) => sum + Math.max(0, row[unit]!), 0)
      return [0, -most, -most * 1.0001, -most - 0.1, random.normal()][random.below(5)]!
    })
    const flat = float32([width, units], weight.flat())
    const product = b.node('MatMul', [x, b.constant(flat)], {}, { name: `layer${i}` })
    const sum = b.node('Add', [product, b.constant(float32([units], shift))])
    x = b.node(['Relu', 'Relu', 'Sigmoid', 'Tanh'][random.below(4)]!, [sum])
    width = units
  }
  const last = Array.from({ length: 2 * width }, () => random.normal())
  b.output(b.node('MatMul', [x, b.constant(float32([width, 2], last))]))
  return b.model()
}

it(`units go that are zero for every input, and no others (${2 * NETWORKS} networks)`, async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const model = nearlyZero(seed)
      const small = shrink(model)
      if (countParameters(small) < countParameters(model)) tally.zero++
      const random = randomStream(seed, 'input')
      const x = float32(
        [64, 3],
        Array.from({ length: 192 }, (_, i) => random.normal() * 10 ** ((i % 5) - 1)),
      )
      const [before, after] = await Promise.all(
        [model, small].map(async (each) => {
          const session = await nodeRuntime.createSession(encodeModel(each), { threads: 1 })
          try {
            return toNumbers(Object.values(await session.run({ x }))[0]!)
          } finally {
            await session.release()
          }
        }),
      )
      before!.forEach((y, i) => {
        expect(Math.abs(after![i]! - y)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(y)))
      })
    }),
    { numRuns: 2 * NETWORKS, endOnFailure: true },
  )
  expect(tally.zero).toBeGreaterThan(NETWORKS / 2)
}, 120_000)
