import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectSameOutputs, operatorsOf } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'
import { sumsOfProducts } from './sums-of-products.ts'

interface Attention {
  readonly leading: readonly number[]
  readonly isOpen: boolean
  readonly queries: number
  readonly keys: number
  readonly units: number
  readonly weightsFirst: boolean
  readonly axis: -1 | 'last' | 0
  readonly keepdims: number
  /** Is the product A·B there, before the sums or behind them? */
  readonly product: 'before' | 'behind' | 'none'
}

const dimsOf = ({ leading, queries, keys, units }: Attention) => ({
  a: [...leading, queries, keys],
  x: [...leading, queries, units],
  b: [...leading, keys, units],
})

/** y = A·B, s = Σ A·(X·Bᵀ). */
function attention(given: Attention): Model {
  const { leading, isOpen, weightsFirst, keepdims, product } = given
  const builder = new GraphBuilder()
  const dims = dimsOf(given)
  const input = (name: 'a' | 'b' | 'x') =>
    builder.input(
      name,
      'float32',
      dims[name].map((dim, k): Dim => (isOpen && k === 0 ? 'batch' : dim)),
    )
  const [a, b, x] = [input('a'), input('b'), input('x')]
  const rank = leading.length + 2
  const multiply = () => {
    builder.nodeOutputs('MatMul', [a, b], {}, { outputs: ['y'] })
    builder.output('y', 'float32')
  }
  if (product === 'before') multiply()
  const perm = [...leading.keys(), rank - 1, rank - 2]
  const g = builder.node('MatMul', [x, builder.node('Transpose', [b], { perm })])
  const weighed = builder.node('Mul', weightsFirst ? [a, g] : [g, a])
  const axis = given.axis === 'last' ? rank - 1 : given.axis
  const inputs = [weighed, builder.constant(int64([axis]))]
  builder.nodeOutputs('ReduceSum', inputs, { keepdims }, { outputs: ['s'] })
  builder.output('s', 'float32')
  if (product === 'behind') multiply()
  return builder.model()
}

const attentions: fc.Arbitrary<Attention> = fc.record({
  leading: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
  isOpen: fc.boolean(),
  queries: fc.integer({ min: 1, max: 9 }),
  keys: fc.integer({ min: 2, max: 40 }),
  units: fc.integer({ min: 1, max: 20 }),
  weightsFirst: fc.boolean(),
  axis: fc.constantFrom<Attention['axis']>('last', -1, 0),
  keepdims: fc.constantFrom(0, 1),
  product: fc.constantFrom(
    'before' as const,
    'before' as const,
    'behind' as const,
    'none' as const,
  ),
})

test('sums over the tokens are sums over the units of a head, where these are fewer', () =>
  fc.assert(
    fc.asyncProperty(attentions, async (given) => {
      const model = attention(given)
      const found = sumsOfProducts(model)
      const shorter = given.units < given.keys && given.axis !== 0 && given.product === 'before'
      // The product with the transposed B is left to those who read it.
      expect(operatorsOf(found).includes('Transpose')).toBe(!shorter)
      const random = randomStream(1, 'attention')
      const { a, b, x } = dimsOf(given)
      const feeds = {
        a: normalTensor(random, a),
        b: normalTensor(random, b),
        x: normalTensor(random, x),
      }
      await expectSameOutputs(found, model, feeds, 1e-5)
    }),
    { seed: testSeed, numRuns: 80 },
  ))
