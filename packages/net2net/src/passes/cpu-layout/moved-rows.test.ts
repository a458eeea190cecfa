import fc from 'fast-check'
import { expect, test } from 'vitest'
import { expectSameOutputs } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { testSeed } from '../../../testing/seed.ts'
import { GraphBuilder } from '../../model/builder.ts'
import type { Dim, Model } from '../../model/model.ts'
import { encodeModel } from '../../onnx/encode.ts'
import { nodeRuntime } from '../../runtime/onnxruntime.node.ts'
import { randomStream } from '../../tensor/random.ts'
import { int64 } from '../../tensor/tensor.ts'
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

/** Parts of x along its last axis, each in heads, which come before the tokens. */
function heads(shape: readonly Dim[], parts: readonly number[], row: number, axis = -1): Model {
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', shape)
  const names = parts.map((_, i) => `part${i}`)
  const sizes = builder.constant(int64(parts))
  builder.nodeOutputs('Split', [x, sizes], { axis }, { outputs: names })
  for (const [i, part] of parts.entries()) {
    const inHeads = builder.constant(int64([-1, Number(shape[1]), part / row, row]))
    const rows = builder.node('Reshape', [names[i]!, inHeads])
    builder.nodeOutputs('Transpose', [rows], { perm: [0, 2, 1, 3] }, { outputs: [`y${i}`] })
    builder.output(`y${i}`, 'float32')
  }
  return builder.model()
}

test('rows of what was split off are taken from the whole, to the bit', () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({
        tokens: fc.integer({ min: 1, max: 40 }),
        row: fc.integer({ min: 4, max: 12 }),
        counts: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 3 }),
        isOpen: fc.boolean(),
      }),
      async ({ tokens, row, counts, isOpen }) => {
        const parts = counts.map((count) => count * row)
        const width = parts.reduce((a, b) => a + b, 0)
        const batch = 60
        const model = heads([isOpen ? 'batch' : batch, tokens, width], parts, row)
        const found = movedRows(model)
        const [before, after] = [model, found].map(operatorsOf)
        // An open batch counts as 32.
        const isLong = (count: number) => count * tokens * (isOpen ? 32 : batch) >= 2049
        const moved = counts.filter(isLong).length
        expect(after!.filter((name) => name === 'Gather')).toHaveLength(moved)
        expect(after!.includes('Split')).toBe(moved < counts.length)
        expect(before).toContain('Split')
        const feeds = { x: normalTensor(randomStream(1, 'heads'), [batch, tokens, width]) }
        await expectSameOutputs(found, model, feeds, 1e-12)
      },
    ),
    { seed: testSeed, numRuns: 40 },
  ))

test('a part stays one where the whole is no rows of that length, or is split along another axis', () => {
  // 72 numbers of which 8 and 64 are heads of 16.
  const model = heads(['batch', 64, 64], [64], 16)
  expect(operatorsOf(movedRows(model))).not.toContain('Split')
  const builder = new GraphBuilder()
  const x = builder.input('x', 'float32', ['batch', 64, 72])
  const parts = builder.nodeOutputs(
    'Split',
    [x, builder.constant(int64([8, 64]))],
    { axis: 2 },
    { outputs: ['first', 'second'] },
  )
  const rows = builder.node('Reshape', [parts[1]!, builder.constant(int64([-1, 64, 4, 16]))])
  builder.nodeOutputs('Transpose', [rows], { perm: [0, 2, 1, 3] }, { outputs: ['y'] })
  builder.output('y', 'float32')
  expect(operatorsOf(movedRows(builder.model()))).toEqual(
    expect.arrayContaining(['Split', 'Gather']),
  )
  const tokens = heads(['batch', 64, 64], [32, 32], 16, 1)
  expect(operatorsOf(movedRows(tokens))).toContain('Split')
})
