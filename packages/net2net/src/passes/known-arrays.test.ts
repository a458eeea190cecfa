import { expect, test } from 'vitest'
import { numbers, run } from '../../testing/compare-steps.ts'
import { testSeed } from '../../testing/seed.ts'
import { GraphBuilder } from '../model/builder.ts'
import { linksOf } from '../model/links.ts'
import type { Model } from '../model/model.ts'
import { inferModel } from '../operators/inference.ts'
import { randomStream } from '../tensor/random.ts'
import { elementCount, float32, int64, type LazyTensor, Tensor } from '../tensor/tensor.ts'
import { KnownArrays } from './known-arrays.ts'

const random = randomStream(testSeed, 'known arrays')
const draws = (dims: readonly number[], next: () => number) =>
  Array.from({ length: elementCount(dims) }, next)

/** Numbers with few places, so that equal ones occur; never 0, by which some are divided. */
const reals = (...dims: number[]) =>
  float32(
    dims,
    draws(dims, () => (random.below(40) - 20.5) / 7),
  )
const wholes = (...dims: number[]) =>
  int64(
    draws(dims, () => (random.below(2) === 0 ? -1 : 1) * (1 + random.below(9))),
    dims,
  )
const flags = (...dims: number[]) =>
  new Tensor('bool', dims, Uint8Array.from(draws(dims, () => random.below(2))))
const below = (size: number, ...dims: number[]) =>
  int64(
    draws(dims, () => random.below(2 * size) - size),
    dims,
  )

/** A value of constants, beside one input that no value depends on. */
function modelOf(layers: (builder: GraphBuilder, of: Constant) => string): Model {
  const builder = new GraphBuilder()
  builder.input('x', 'float32', [1])
  const value = layers(builder, (tensor) => builder.constant(tensor))
  // An Identity makes it an output, whatever inference knows of it.
  builder.output(builder.node('Identity', [value]))
  return builder.model()
}
type Constant = (tensor: LazyTensor) => string
type Case = Parameters<typeof modelOf>[0]

const arraysOf = (model: Model) =>
  new KnownArrays(inferModel(model), linksOf(model.graph).producers)

async function expectKnown(layers: Case, what: string): Promise<void> {
  const model = modelOf(layers)
  const { name } = model.graph.outputs[0]!
  const known = arraysOf(model).of(name)
  const tensor = (await run(model, { x: float32([1], [0]) }))[name]!
  expect(known?.dims, what).toEqual(tensor.dims)
  // Adding 0 makes −0 a 0.
  expect(
    known!.elements.map((element) => Number(element) + 0),
    what,
  ).toEqual(numbers(tensor).map((value) => value + 0))
}

/** Operators on two operands that are repeated to the same sizes. */
const joins = ['Add', 'Sub', 'Mul', 'Div', 'Min', 'Max']
const comparisons = ['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual']

const cases: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    [...joins, ...comparisons].flatMap((opType) => [
      [opType, (b, of) => b.node(opType, [of(reals(3, 1, 2)), of(reals(4, 1))])] as [string, Case],
      [`${opType} of integers`, (b, of) => b.node(opType, [of(wholes(2)), of(wholes(3, 2))])],
    ]),
  ),
  And: (b, of) => b.node('And', [of(flags(3, 4)), of(flags(4))]),
  Or: (b, of) => b.node('Or', [of(flags(3, 4)), of(flags(4))]),
  Not: (b, of) => b.node('Not', [of(flags(5))]),
  Where: (b, of) => b.node('Where', [of(flags(3, 1)), of(reals(2, 1, 4)), of(reals())]),
  ...Object.fromEntries(
    ['Abs', 'Neg', 'Floor', 'Ceil', 'Sign', 'Identity'].map((opType) => [
      opType,
      (b, of) => b.node(opType, [of(reals(20))]),
    ]),
  ),
  'Cast to integers': (b, of) => b.node('Cast', [of(reals(20))], { to: 7 }),
  'Cast to truth': (b, of) => b.node('Cast', [of(below(2, 9))], { to: 9 }),
  CastLike: (b, of) => b.node('CastLike', [of(reals(20)), b.node('Cast', ['x'], { to: 6 })]),
  'a quotient rounded down': (b, of) => {
    const [large, small] = [1 + random.below(400), 1 + random.below(30)]
    const own = b.node(
      'Range',
      [0, 90, 1].map((value) => of(int64([value], []))),
    )
    const product = b.node('Mul', [own, of(int64([large], []))])
    const real = (value: string) => b.node('Cast', [value], { to: 1 })
    return b.node('Floor', [b.node('Div', [real(product), real(of(int64([small], [])))])])
  },
  Range: (b, of) =>
    b.node(
      'Range',
      [9, -4, -3].map((value) => of(int64([value], []))),
    ),
  Transpose: (b, of) => b.node('Transpose', [of(reals(2, 3, 4))], { perm: [2, 0, 1] }),
  'Transpose without an order': (b, of) => b.node('Transpose', [of(reals(2, 3, 4))]),
  Unsqueeze: (b, of) => b.node('Unsqueeze', [of(reals(2, 3)), of(int64([-1, 1]))]),
  Squeeze: (b, of) => b.node('Squeeze', [of(reals(1, 3, 1)), of(int64([-1]))]),
  'Squeeze of all': (b, of) => b.node('Squeeze', [of(reals(1, 3, 1))]),
  Reshape: (b, of) => b.node('Reshape', [of(reals(2, 3, 4)), of(int64([0, -1]))]),
  Expand: (b, of) => b.node('Expand', [of(reals(3, 1)), of(int64([2, 1, 4]))]),
  Concat: (b, of) => b.node('Concat', [of(reals(2, 1, 2)), of(reals(2, 3, 2))], { axis: -2 }),
  Gather: (b, of) => b.node('Gather', [of(reals(2, 5, 3)), of(below(5, 2, 2))], { axis: 1 }),
  'Gather of one': (b, of) => b.node('Gather', [of(reals(2, 5)), of(below(5))], { axis: -1 }),
  GatherND: (b, of) => b.node('GatherND', [of(reals(4, 4, 2)), of(below(4, 3, 2))]),
  ReduceSum: (b, of) => b.node('ReduceSum', [of(wholes(2, 3, 4)), of(int64([0, -1]))]),
  'ReduceSum of all': (b, of) => b.node('ReduceSum', [of(wholes(2, 3))], { keepdims: 0 }),
}

test.each(Object.entries(cases))('%s: what ONNX Runtime computes', (name, layers) =>
  expectKnown(layers, `seed ${testSeed}: ${name}`),
)

test('numbers that a type does not hold, or that nobody can know, are not known', () => {
  const isKnown = (layers: Case): boolean => {
    const model = modelOf(layers)
    return arraysOf(model).of(model.graph.outputs[0]!.name) !== undefined
  }
  const many = (b: GraphBuilder, of: Constant) =>
    b.node('Mul', [of(int64([2 ** 40])), of(int64([2 ** 40]))])
  expect(isKnown(many)).toBe(false)
  const three = int64([3], [1])
  expect(isKnown((b, of) => b.node('Div', [of(three), of(int64([0]))]))).toBe(false)
  expect(isKnown((b, of) => b.node('Gather', [of(reals(3)), of(int64([3]))]))).toBe(false)
  expect(isKnown((b, of) => b.node('Expand', [of(reals(1)), of(int64([2 ** 12, 2 ** 12]))]))).toBe(
    false,
  )
  expect(isKnown((b, of) => b.node('Add', [of(reals(1)), 'x']))).toBe(false)
  expect(isKnown((b, of) => b.node('Erf', [of(reals(1))]))).toBe(false)
  expect(
    isKnown((b, of) =>
      b.node('Range', [of(int64([0], [])), of(int64([2 ** 40], [])), of(int64([1], []))]),
    ),
  ).toBe(false)
})
