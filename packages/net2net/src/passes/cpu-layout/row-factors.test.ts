import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareSteps, expectSameOutputs, operatorsOf } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { rowFactors } from './row-factors.ts'

interface Rows {
  readonly dims: readonly number[]
  readonly isOpen: boolean
  readonly opType: 'Mul' | 'Div' | 'Add' | 'Sub'
  readonly repeatedFirst: boolean
  /** Whether a number multiplies what is repeated. */
  readonly isScaled: boolean
  readonly times: number
  /** Who else reads the repeated numbers, or the product. */
  readonly reader: 'none' | 'of the numbers' | 'of the product'
}

/** A sum of x and, so many times, of x and a number for each row. */
function sums({ dims, isOpen, opType, repeatedFirst, isScaled, times, reader }: Rows): Model {
  const builder = new GraphBuilder()
  const open = (sizes: readonly number[]) =>
    sizes.map((dim, k): Dim => (isOpen && k === 0 ? 'batch' : dim))
  const x = builder.input('x', 'float32', open(dims))
  const numbers = builder.input('numbers', 'float32', open([...dims.slice(0, -1), 1]))
  const sizes = builder.constant(int64([...dims.map(() => 1).slice(0, -1), dims.at(-1)!]))
  const repeated = builder.node('Expand', [numbers, sizes])
  const two = builder.constant(float32([], [2]))
  const scaled = isScaled ? builder.node('Mul', [repeated, two]) : repeated
  const value = builder.node(opType, repeatedFirst ? [scaled, x] : [x, scaled])
  const terms = [x, ...Array<string>(times).fill(value)]
  builder.nodeOutputs(terms.length === 2 ? 'Add' : 'Sum', terms, {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  if (reader !== 'none') {
    const read = reader === 'of the numbers' ? scaled : value
    builder.nodeOutputs('Abs', [read], {}, { outputs: ['z'] })
    builder.output('z', 'float32')
  }
  return builder.model()
}

const drawn: fc.Arbitrary<Rows> = fc.record({
  dims: fc.array(fc.integer({ min: 2, max: 6 }), { minLength: 2, maxLength: 4 }),
  isOpen: fc.boolean(),
  opType: fc.constantFrom('Mul', 'Mul', 'Div', 'Add', 'Sub'),
  repeatedFirst: fc.boolean(),
  isScaled: fc.boolean(),
  times: fc.integer({ min: 1, max: 3 }),
  reader: fc.constantFrom('none', 'none', 'of the numbers', 'of the product'),
})

test('numbers of rows are not repeated, and products that are added up twice are doubled', () =>
  fc.assert(
    fc.asyncProperty(drawn, async (given) => {
      const { opType, times, reader, dims } = given
      const model = sums(given)
      const found = rowFactors(model)
      const used = operatorsOf(found)
      expect(used.includes('Expand')).toBe(reader === 'of the numbers')
      const isMultiplied = opType === 'Mul' && times > 1 && reader !== 'of the product'
      const sum = found.graph.nodes.find(({ outputs }) => outputs[0] === 'y')!
      expect(sum.inputs).toHaveLength(isMultiplied ? 2 : 1 + times)
      const random = randomStream(1, 'rows')
      const feeds = {
        x: normalTensor(random, dims),
        numbers: normalTensor(random, [...dims.slice(0, -1), 1]),
      }
      await expectSameOutputs(found, model, feeds, 1e-6)
    }),
    { seed: testSeed, numRuns: 100 },
  ))

test('long sums are added up by twos, the numbers of rows among themselves', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('whole', 'repeated', 'column', 'row'), {
        minLength: 3,
        maxLength: 6,
      }),
      async (kinds) => {
        const shapes = { whole: [256, 160], repeated: [256, 1], column: [256, 1], row: [160] }
        const builder = new GraphBuilder()
        const sizes = builder.constant(int64([1, 160]))
        const terms = kinds.map((kind, i) => {
          const input = builder.input(`x${i}`, 'float32', shapes[kind])
          return kind === 'repeated' ? builder.node('Expand', [input, sizes]) : input
        })
        builder.nodeOutputs('Sum', terms, {}, { outputs: ['y'] })
        builder.output('y', 'float32')
        const model = builder.model()
        const found = rowFactors(model)
        const isLong = kinds.some((kind) => kind === 'whole' || kind === 'repeated')
        const isWide = isLong || (kinds.includes('column') && kinds.includes('row'))
        const used = operatorsOf(found)
        expect(used.includes('Sum')).toBe(!isWide)
        if (kinds.includes('whole')) expect(used).not.toContain('Expand')
        const random = randomStream(3, 'long sums')
        const feeds = Object.fromEntries(
          kinds.map((kind, i) => [`x${i}`, normalTensor(random, shapes[kind])]),
        )
        await expectSameOutputs(found, model, feeds, 1e-6)
      },
    ),
    { seed: testSeed, numRuns: 60 },
  ))

test('numbers that are repeated over other axes stay as they are', () => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['batch', 4, 5])
  const vector = builder.input('vector', 'float32', [1, 4, 5])
  const single = builder.input('single', 'float32', [1, 1, 1])
  const all = builder.node('Expand', [single, builder.constant(int64([1, 4, 5]))])
  const sizes = builder.node('Shape', [x])
  const product = builder.node('Mul', [x, builder.node('Expand', [vector, sizes])])
  builder.nodeOutputs('Add', [product, builder.node('Mul', [x, all])], {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  const model = builder.model()
  expect(operatorsOf(rowFactors(model))).toEqual(operatorsOf(model))
})

/** As exporters write RMSNorm for runtimes that do not have it. */
test.each(['Mul', 'Pow'])('a root-mean-square norm, its squares by %s', async (square) => {
  const lowered = await compareSteps({
    input: [6, 8],
    layers: ({ builder }) => {
      const m = builder.constant(normalTensor(randomStream(2, 'm'), [8, 8], { scale: 0.3 }), 'm')
      const x = builder.node('MatMul', ['input', m])
      const number = (value: number) => builder.constant(float32([], [value]))
      const squares = builder.node(square, [x, square === 'Mul' ? x : number(2)])
      const mean = builder.node('ReduceMean', [squares, builder.constant(int64([-1]))])
      const norm = builder.node('Sqrt', [builder.node('Add', [mean, number(1e-5)])])
      return [builder.node('Mul', [x, builder.node('Reciprocal', [norm])]), 48]
    },
  })
  expect(operatorsOf(lowered)).not.toContain('Expand')
})
