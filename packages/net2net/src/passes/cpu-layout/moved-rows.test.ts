import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { movedRows } from './moved-rows.ts'

const transposition = (shape: readonly Dim[], perm: readonly number[]): Model => {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', shape)
  builder.nodeOutputs('Transpose', [x], { perm }, { outputs: ['y'] })
  builder.output('y', 'float32')
  return builder.model()
}

const operatorsOf = (model: Model) => model.graph.nodes.map(({ opType }) => opType)

async function run(model: Model, dims: readonly number[]) {
  const session = await nodeRuntime.createSession(encodeModel(model), { threads: 1 })
  const { y } = await session.run({ x: normalTensor(randomStream(1, 'rows'), dims) })
  await session.release()
  return { dims: [...y!.dims], data: [...y!.data] }
}

/** Five axes, of which the first one stays, and so do some of the last ones; the others in any order. */
const moves = fc
  .record({
    dims: fc.tuple(...Array.from({ length: 5 }, () => fc.integer({ min: 1, max: 9 }))),
    order: fc.shuffledSubarray([1, 2, 3], { minLength: 3 }),
    row: fc.integer({ min: 1, max: 20 }),
    isOpen: fc.boolean(),
  })
  .map(({ dims, order, row, isOpen }) => ({
    dims: [...dims.slice(0, 4), row],
    perm: [0, ...order, 4],
    isOpen,
  }))

test('rows are where a transposition puts them, to the bit', () =>
  fc.assert(
    fc.asyncProperty(moves, async ({ dims, perm, isOpen }) => {
      const model = transposition(isOpen ? ['batch', ...dims.slice(1)] : dims, perm)
      expect(await run(movedRows(model), dims)).toEqual(await run(model, dims))
    }),
    {
      seed: testSeed,
      numRuns: 60,
      examples: [
        [{ dims: [3, 7, 9, 11, 16], perm: [0, 3, 1, 2, 4], isOpen: false }],
        [{ dims: [3, 70, 1, 4, 16], perm: [0, 2, 3, 1, 4], isOpen: true }],
      ],
    },
  ))

test.each([
  [['batch', 4, 64, 64], [0, 2, 1, 3], true],
  [[8, 64, 8, 64], [0, 2, 1, 3], true],
  // In whole rows of two axes.
  [[8, 64, 8, 4, 16], [0, 2, 1, 3, 4], true],
  // Samples move, or single elements; few rows, long rows; a size that is not known.
  [['batch', 64, 64, 64], [1, 0, 2, 3], false],
  [['batch', 64, 64, 64], [0, 1, 3, 2], false],
  [[8, 16, 8, 64], [0, 2, 1, 3], false],
  [[8, 64, 8, 1024], [0, 2, 1, 3], false],
  [['batch', null, 64, 64], [0, 2, 1, 3], false],
] as const)('%j by %j: in rows? %s', (shape, perm, isMoved) => {
  const used = operatorsOf(movedRows(transposition(shape, perm)))
  expect(used.includes('Gather')).toBe(isMoved)
  expect(used.includes('Transpose')).toBe(!isMoved)
})
