import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectSameOutputs, operatorsOf } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { scaledGradients } from './scaled-gradients.ts'

interface Means {
  readonly inner: number
  readonly rows: number
  readonly columns: number
  readonly beta1: number
  readonly beta2: number
  readonly hasView: boolean
  readonly factorFirst: boolean
  /** What keeps the product as it is. */
  readonly obstacle?: 'read' | 'an output' | 'scaled' | 'added to' | 'a computed factor' | undefined
}

/** m′ = β₁·m + (1 − β₁)·g, v′ = β₂·v + (1 − β₂)·g² for g = Aᵀ·B. */
function means(given: Means): Model {
  const { inner, rows, columns, beta1, beta2, hasView, factorFirst, obstacle } = given
  const builder = new GraphBuilder()
  const dims = hasView ? [columns, rows, 1] : [rows, columns]
  const [a, b] = [
    builder.input('a', 'float32', [inner, rows]),
    builder.input('b', 'float32', [inner, columns]),
  ]
  const [m, v] = [builder.input('m', 'float32', dims), builder.input('v', 'float32', dims)]
  const rate = builder.input('rate', 'float32', [])
  const number = (value: number) => builder.constant(float32([], [value]))
  const product = builder.node('Gemm', obstacle === 'added to' ? [a, b, number(1)] : [a, b], {
    transA: 1,
    ...(obstacle === 'scaled' && { alpha: float(2) }),
  })
  const g = hasView ? builder.node('Reshape', [product, builder.constant(int64(dims))]) : product
  const scaled = (value: string, factor: string) =>
    builder.node('Mul', factorFirst ? [factor, value] : [value, factor])
  const mean = (name: string, before: string, beta: number, value: string, share: string) => {
    const kept = scaled(before, number(beta))
    builder.nodeOutputs('Add', [kept, scaled(value, share)], {}, { outputs: [name] })
    builder.output(name, 'float32')
  }
  mean('m.next', m, beta1, g, obstacle === 'a computed factor' ? rate : number(1 - beta1))
  mean('v.next', v, beta2, builder.node('Mul', [g, g]), number(1 - beta2))
  if (obstacle === 'read') builder.nodeOutputs('Neg', [g], {}, { outputs: ['more'] })
  if (obstacle === 'read') builder.output('more', 'float32')
  if (obstacle === 'an output') builder.output(product, 'float32')
  return builder.model()
}

const drawn: fc.Arbitrary<Means> = fc.record({
  inner: fc.integer({ min: 1, max: 9 }),
  rows: fc.integer({ min: 1, max: 9 }),
  columns: fc.integer({ min: 1, max: 9 }),
  beta1: fc.constantFrom(0, 0.5, 0.9, 0.99),
  beta2: fc.constantFrom(0.9, 0.99, 0.999),
  hasView: fc.boolean(),
  factorFirst: fc.boolean(),
  obstacle: fc.constantFrom(
    undefined,
    undefined,
    undefined,
    'read',
    'an output',
    'scaled',
    'added to',
    'a computed factor',
  ),
})

const count = (model: Model, opType: string) =>
  operatorsOf(model).filter((name) => name === opType).length

test('a product of matrices scales what a running mean takes of it', () =>
  fc.assert(
    fc.asyncProperty(drawn, async (given) => {
      const model = means(given)
      const found = scaledGradients(model)
      if (given.obstacle) expect(operatorsOf(found)).toEqual(operatorsOf(model))
      else expect(count(found, 'Mul')).toBe(count(model, 'Mul') - 1)
      const random = randomStream(1, 'means')
      const feeds = Object.fromEntries(
        model.graph.inputs.map(({ name, type }) => {
          const shape = type.kind === 'tensor' ? (type.shape as readonly number[]) : []
          return [name, normalTensor(random, shape)]
        }),
      )
      await expectSameOutputs(found, model, feeds, 1e-5)
    }),
    { seed: testSeed, numRuns: 80 },
  ))
