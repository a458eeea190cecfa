import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectSameOutputs, operatorsOf } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32 } from '../../tensor/tensor.ts'
import { turnedProducts, withTransposedFactors } from './turned-products.ts'

interface Product {
  readonly leading: readonly number[]
  readonly isOpen: boolean
  /** Whether one B is for all of the first axis. */
  readonly isRepeated: boolean
  readonly rows: number
  readonly columns: number
  readonly narrow: number
  readonly reader: 'none' | 'Transpose' | 'Transpose and Neg' | 'Neg'
}

const dimsOf = ({ leading, isRepeated, rows, columns, narrow }: Product) => ({
  a: [...leading, rows, columns],
  b: [...(isRepeated ? [1, ...leading.slice(1)] : leading), rows, narrow],
})

/** Aᵀ·B, and what reads it. */
function product(given: Product): Model {
  const builder = new GraphBuilder()
  const { leading, isOpen, isRepeated, reader } = given
  const dims = dimsOf(given)
  const input = (name: 'a' | 'b', open: boolean) =>
    builder.input(
      name,
      'float32',
      dims[name].map((dim, k): Dim => (open && k === 0 ? 'batch' : dim)),
    )
  const [a, b] = [input('a', isOpen), input('b', isOpen && !isRepeated)]
  const rank = leading.length + 2
  const perm = [...leading.keys(), rank - 1, rank - 2]
  const turned = builder.node('Transpose', [a], { perm })
  builder.nodeOutputs('MatMul', [turned, b], {}, { outputs: ['y'] })
  if (reader === 'none') builder.output('y', 'float32')
  // As attention's heads are put side by side.
  const heads = [0, ...Array.from({ length: rank - 2 }, (_, k) => rank - 2 - k), rank - 1]
  for (const name of reader === 'none' ? [] : reader.split(' and ')) {
    const entries = name === 'Transpose' ? { perm: heads } : {}
    builder.nodeOutputs(name, ['y'], entries, { outputs: [`read by ${name}`] })
    builder.output(`read by ${name}`, 'float32')
  }
  return builder.model()
}

const products: fc.Arbitrary<Product> = fc.record({
  leading: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }),
  isOpen: fc.boolean(),
  isRepeated: fc.boolean(),
  rows: fc.integer({ min: 2, max: 60 }),
  columns: fc.integer({ min: 2, max: 60 }),
  narrow: fc.integer({ min: 1, max: 10 }),
  reader: fc.constantFrom('none', 'Transpose', 'Transpose and Neg', 'Neg'),
})

test('products whose first factor is transposed and large are turned', () =>
  fc.assert(
    fc.asyncProperty(products, async (given) => {
      const model = product(given)
      const found = turnedProducts(model)
      const { rows, columns, narrow, reader } = given
      const pays = 5 * narrow < Math.min(rows, columns)
      const [before, after] = [model, found].map(operatorsOf)
      const transpositions = after!.filter((name) => name === 'Transpose').length
      if (!pays) expect(after).toEqual(before)
      else if (reader === 'Transpose and Neg') expect(transpositions).toBe(3)
      else expect(transpositions).toBe(2)
      const random = randomStream(1, 'turned')
      const { a, b } = dimsOf(given)
      const feeds = { a: normalTensor(random, a), b: normalTensor(random, b) }
      await expectSameOutputs(found, model, feeds, 1e-5)
    }),
    { seed: testSeed, numRuns: 80 },
  ))

test('weights, and factors of which only some are known, stay as they are', () => {
  const builder = new GraphBuilder()
  const a = builder.input('a', 'float32', ['batch', 60, 'tokens'])
  const m = builder.input('m', 'float32', [60, 50])
  const b = builder.input('b', 'float32', ['batch', 60, 2])
  const turned = builder.node('Transpose', [a], { perm: [0, 2, 1] })
  builder.nodeOutputs('MatMul', [turned, b], {}, { outputs: ['y'] })
  const matrix = builder.node('Transpose', [m], { perm: [1, 0] })
  builder.nodeOutputs('MatMul', [matrix, m], {}, { outputs: ['z'] })
  for (const name of ['y', 'z']) builder.output(name, 'float32')
  const model = builder.model()
  expect(operatorsOf(turnedProducts(model))).toEqual(operatorsOf(model))
})

interface Transposed {
  readonly rows: number
  readonly inner: number
  readonly columns: number
  readonly isTurned: boolean
  readonly scales: readonly number[]
  readonly isReadTwice: boolean
}

/** (s·A·B)ᵀ, where A is transposed itself or not. */
function transposedProduct(given: Transposed): Model {
  const { rows, inner, columns, isTurned, scales, isReadTwice } = given
  const builder = new GraphBuilder()
  const a = builder.input('a', 'float32', [
    'batch',
    2,
    ...(isTurned ? [inner, rows] : [rows, inner]),
  ])
  const b = builder.input('b', 'float32', ['batch', 2, inner, columns])
  const perm = [0, 1, 3, 2]
  const left = isTurned ? builder.node('Transpose', [a], { perm }) : a
  const product = scales.reduce(
    (value, scale, k) => {
      const factor = builder.constant(float32(k === 0 ? [] : [1], [scale]))
      return builder.node('Mul', k === 0 ? [value, factor] : [factor, value])
    },
    builder.node('MatMul', [left, b]),
  )
  builder.nodeOutputs('Transpose', [product], { perm }, { outputs: ['y'] })
  builder.output('y', 'float32')
  if (isReadTwice) {
    builder.nodeOutputs('Neg', [product], {}, { outputs: ['z'] })
    builder.output('z', 'float32')
  }
  return builder.model()
}

test('a transposed product is the product of the transposed factors, unless that would be turned', () =>
  fc.assert(
    fc.asyncProperty(
      fc.record<Transposed>({
        rows: fc.integer({ min: 1, max: 20 }),
        inner: fc.integer({ min: 1, max: 40 }),
        columns: fc.integer({ min: 1, max: 40 }),
        isTurned: fc.boolean(),
        scales: fc.array(fc.constantFrom(0.5, 3), { maxLength: 2 }),
        isReadTwice: fc.boolean(),
      }),
      async (given) => {
        const { rows, inner, columns, isTurned, isReadTwice } = given
        const model = transposedProduct(given)
        const found = withTransposedFactors(model)
        const stays = isReadTwice || 5 * rows < Math.min(inner, columns)
        const [before, after] = [model, found].map(operatorsOf)
        if (stays) expect(after).toEqual(before)
        // B alone is transposed, and A where it was not.
        else expect(after!.filter((name) => name === 'Transpose')).toHaveLength(isTurned ? 1 : 2)
        if (!stays)
          expect(after!.indexOf('MatMul')).toBeGreaterThan(after!.lastIndexOf('Transpose'))
        const random = randomStream(1, 'transposed')
        const a = normalTensor(random, [3, 2, ...(isTurned ? [inner, rows] : [rows, inner])])
        const b = normalTensor(random, [3, 2, inner, columns])
        await expectSameOutputs(found, model, { a, b }, 1e-5)
      },
    ),
    { seed: testSeed, numRuns: 60 },
  ))
