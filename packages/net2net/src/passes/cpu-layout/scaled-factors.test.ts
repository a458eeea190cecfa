import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareSteps, expectSameOutputs, type Spec } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { float } from '../../model/attributes.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model } from '../../model/model.ts'
import { inferModel } from '../../operators/inference.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { scaledFactors } from './scaled-factors.ts'

interface Drawn {
  /** Rows of the first factor, what the factors have in common, and columns of the second one. */
  readonly sizes: readonly [number, number, number]
  readonly transA: number
  readonly transB: number
  readonly alpha: number
  readonly isView: boolean
  readonly isFirst: boolean
}
const size = fc.integer({ min: 1, max: 12 })
const drawn: fc.Arbitrary<Drawn> = fc.record({
  sizes: fc.tuple(size, size, size),
  transA: fc.integer({ min: 0, max: 1 }),
  transB: fc.integer({ min: 0, max: 1 }),
  alpha: fc.constantFrom(1, -0.5),
  isView: fc.boolean(),
  isFirst: fc.boolean(),
})

const dimsOf = ({ sizes: [rows, inner, columns], transA, transB }: Drawn) => ({
  a: transA ? [inner, rows] : [rows, inner],
  b: transB ? [columns, inner] : [inner, columns],
})

/** A product, perhaps as another shape, times a number that is fed. */
function modelOf(spec: Drawn, readers: 'one' | 'two'): Model {
  const { sizes, transA, transB, alpha, isView, isFirst } = spec
  const builder = new GraphBuilder()
  for (const [name, dims] of Object.entries(dimsOf(spec))) builder.input(name, 'float32', dims)
  builder.input('rate', 'float32', [])
  const product = builder.node('Gemm', ['a', 'b'], { transA, transB, alpha: float(alpha) })
  const shape = builder.constant(int64([sizes[0], 1, sizes[2]]))
  const gradient = isView ? builder.node('Reshape', [product, shape]) : product
  const factors = isFirst ? ['rate', gradient] : [gradient, 'rate']
  builder.output(builder.node('Mul', factors), 'float32')
  if (readers === 'two') builder.output(builder.node('Neg', [gradient]), 'float32')
  return builder.model()
}

/** Elements that are multiplied by the number. */
function multiplied(model: Model): readonly number[] {
  const infos = inferModel(model)
  return model.graph.nodes
    .filter(({ opType, inputs }) => opType === 'Mul' && inputs.includes('rate'))
    .map(({ outputs: [name = ''] }) =>
      infos.get(name)!.shape!.reduce<number>((count, dim) => count * Number(dim), 1),
    )
}

test('the fewest elements are multiplied: those of a factor, or of the product', async () => {
  await fc.assert(
    fc.asyncProperty(drawn, async (spec) => {
      const model = modelOf(spec, 'one')
      const changed = scaledFactors(model)
      const [rows, inner, columns] = spec.sizes
      const counts = [rows * inner, inner * columns, rows * columns]
      expect(multiplied(changed)).toEqual([Math.min(...counts)])
      const random = randomStream(testSeed, JSON.stringify(spec))
      const { a, b } = dimsOf(spec)
      const feeds = {
        a: normalTensor(random, a),
        b: normalTensor(random, b),
        rate: float32([], [random.normal()]),
      }
      await expectSameOutputs(changed, model, feeds, 1e-5)
    }),
    { seed: testSeed, numRuns: 60 },
  )
})

test('a product that is read as it is stays so', () => {
  fc.assert(
    fc.property(drawn, (spec) => {
      const model = modelOf(spec, 'two')
      expect(scaledFactors(model)).toBe(model)
    }),
    { seed: testSeed },
  )
})

describe('in a step', () => {
  const wide = (width: number): Spec => ({
    input: [8],
    gradients: false,
    layers: (net) => {
      const { builder } = net
      const first = builder.node('MatMul', ['input', net.parameter('m', [8, width])])
      const hidden = builder.node('MatMul', [net.relu(first), net.parameter('n', [width, width])])
      const image = builder.node('Reshape', [
        hidden,
        builder.constant(int64([0, width, 1, 1]), 'image'),
      ])
      return [net.conv(image, [width, width, 1, 1]), width]
    },
  })

  test.each([800, 40])(
    'no gradient of %i × %i weights is multiplied by the rate',
    async (width) => {
      const { graph } = await compareSteps(wide(width))
      const rates = graph.nodes.filter(
        ({ opType, inputs }) => opType === 'Mul' && inputs.includes('learning_rate'),
      )
      const products = new Set(
        graph.nodes.filter(({ opType }) => opType === 'Gemm').flatMap(({ outputs }) => outputs),
      )
      expect(rates.length).toBeGreaterThan(2)
      expect(rates.flatMap(({ inputs }) => inputs).filter((name) => products.has(name))).toEqual([])
    },
  )
})
