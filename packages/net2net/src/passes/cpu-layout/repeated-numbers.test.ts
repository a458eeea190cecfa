import fc from 'fast-check'
import { expect, test } from 'vitest'
import { run } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { sent } from '../../../testing/sent-tensors.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'
import { repeatedNumbers } from './repeated-numbers.ts'

type Kind = 'Add' | 'Sub' | 'Mul' | 'Div'

const combination = (kind: Kind, shapes: readonly (readonly Dim[])[]): Model => {
  const builder = new GraphBuilder()
  const inputs = shapes.map((shape, i) => builder.input(`x${i}`, 'float32', shape))
  builder.nodeOutputs(kind, inputs, {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  return builder.model()
}

const expansion = (shape: readonly Dim[], sizes: readonly number[]): Model => {
  const builder = new GraphBuilder()
  const x = builder.input('x0', 'float32', shape)
  builder.nodeOutputs('Expand', [x, builder.constant(int64(sizes))], {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  return builder.model()
}

const isRewritten = (model: Model) =>
  repeatedNumbers(model).graph.nodes.some(({ opType }) => opType === 'MatMul')

const draws = fc.record({
  kind: fc.constantFrom<Kind | 'Expand'>('Add', 'Sub', 'Mul', 'Div', 'Expand'),
  batch: fc.integer({ min: 1, max: 4 }),
  isOpen: fc.boolean(),
  channels: fc.constantFrom(1, 300, 600),
  row: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
  /** Does each image have numbers of its own? */
  isOwn: fc.boolean(),
  isFirst: fc.boolean(),
})

test('the values are the same, to the bit', () =>
  fc.assert(
    fc.asyncProperty(draws, async ({ kind, batch, isOpen, channels, row, isOwn, isFirst }) => {
      const ones = row.map(() => 1)
      const whole = [batch, channels, ...row]
      const numbers = [isOwn ? batch : 1, channels, ...ones]
      const open = (dims: readonly number[]): Dim[] =>
        isOpen && dims[0] === batch ? ['batch', ...dims.slice(1)] : [...dims]
      const random = randomStream(1, 'repeated numbers')
      const dims = kind === 'Expand' ? [numbers] : isFirst ? [numbers, whole] : [whole, numbers]
      const model =
        kind === 'Expand'
          ? expansion(open(numbers), [isOwn ? 1 : batch, 1, ...row])
          : combination(kind, dims.map(open))
      const feeds = Object.fromEntries(dims.map((own, i) => [`x${i}`, normalTensor(random, own)]))
      expect(sent(await run(repeatedNumbers(model), feeds))).toEqual(sent(await run(model, feeds)))
    }),
    { seed: testSeed, numRuns: 80 },
  ))

test.each<[Kind, Dim[], Dim[], boolean]>([
  ['Sub', ['batch', 960, 2, 2], [1, 960, 1, 1], true],
  ['Mul', [8, 576, 4, 4], [1, 576, 1, 1], true],
  ['Add', [1, 128, 3], [16, 128, 3], false],
  // Long rows, few rows, numbers for each image, an operand that is repeated itself.
  ['Sub', ['batch', 960, 8, 8], [1, 960, 1, 1], false],
  ['Sub', [8, 24, 2, 2], [1, 24, 1, 1], false],
  ['Mul', ['batch', 960, 2, 2], ['batch', 960, 1, 1], false],
  ['Mul', [64, 1, 2, 2], [1, 96, 1, 1], false],
])('%s of %j and %j: repeated before? %s', (kind, a, b, expected) => {
  expect(isRewritten(combination(kind, [a, b]))).toBe(expected)
})

test.each<[Dim[], number[], boolean]>([
  [['batch', 1280, 1, 1], [1, 1, 7, 7], true],
  [[8, 96, 1], [8, 96, 64], true],
  // Few rows, axes in front, and what may be one.
  [[2, 96, 1], [2, 96, 64], false],
  [[1, 960, 1], [8, 960, 4], false],
  [[null, 960, 1], [8, 960, 4], false],
])('%j expanded to %j: as a product? %s', (shape, sizes, expected) => {
  expect(isRewritten(expansion(shape, sizes))).toBe(expected)
})
