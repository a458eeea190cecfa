import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectSameOutputs, operatorsOf } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Model, Shape } from '../../model/model.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'
import { wholeTranspositions } from './whole-transpositions.ts'

/** x in the first sizes, with its last axes exchanged, in the second ones. */
function transposition(
  shape: Shape,
  joined: readonly number[],
  result: readonly number[],
  perm = [0, 2, 1],
): Model {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', shape)
  const first = builder.node('Reshape', [x, builder.constant(int64(joined))])
  const turned = builder.node('Transpose', [first], { perm })
  const y = builder.constant(int64(result))
  builder.nodeOutputs('Reshape', [turned, y], {}, { outputs: ['y'] })
  builder.output('y', 'float32')
  return builder.model()
}

const size = fc.integer({ min: 1, max: 5 })
const matrices = fc.record({
  leading: fc.array(size, { minLength: 2, maxLength: 3 }),
  rows: size,
  columns: size,
  isOpen: fc.boolean(),
})

test('transposed matrices are transposed without joining the axes before them', () =>
  fc.assert(
    fc.asyncProperty(matrices, async ({ leading, rows, columns, isOpen }) => {
      const dims = [...leading, rows, columns]
      const shape = isOpen ? ['batch', ...dims.slice(1)] : dims
      const result = [...(isOpen ? [-1, ...leading.slice(1)] : leading), columns, rows]
      const model = transposition(shape, [-1, rows, columns], result)
      const found = wholeTranspositions(model)
      expect(operatorsOf(found)).toEqual(['Transpose', 'Identity'])
      const feeds = { x: normalTensor(randomStream(1, 'matrices'), dims) }
      await expectSameOutputs(found, model, feeds, 1e-12)
    }),
    { seed: testSeed, numRuns: 40 },
  ))

test.each<[string, Model]>([
  [
    'axes that are taken apart in another way',
    transposition([4, 3, 5, 6], [12, 5, 6], [3, 4, 6, 5]),
  ],
  ['rows that were joined', transposition([4, 3, 5, 6], [4, 15, 6], [4, 6, 3, 5])],
  ['matrices of other sizes', transposition([4, 6, 5], [4, 5, 6], [4, 5, 6])],
  ['other axes', transposition([4, 3, 5, 6], [12, 5, 6], [4, 3, 5, 6], [1, 0, 2])],
  ['a matrix', transposition([30], [5, 6], [6, 5], [1, 0])],
])('%s stay as they are', (_, model) => {
  expect(operatorsOf(wholeTranspositions(model))).toEqual(operatorsOf(model))
})
