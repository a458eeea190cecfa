import { expect, test } from 'vitest'
import { dense, residual, sequential } from '../layers/index.ts'
import { GraphBuilder } from '../model/builder.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { describePlan, grow, planDeepen, planRepeat, planWiden, solve } from './index.ts'

const network = sequential(
  [dense(3, { name: 'one', activation: 'relu' }), dense(2, { name: 'two' })],
  { input: [4] },
)

test('says what grows, and what becomes of its parameters', () => {
  expect(describePlan(planWiden(network, { one: 5 }))).toEqual([
    'units of  from  to  initialization',
    'one          3   5  net2wider',
    '',
    'parameter   before  after  how',
    'one.weight  3×4     5×4    axis 0 copied',
    'one.bias    3       5      axis 0 copied',
    'two.weight  2×3     2×5    axis 1 split',
  ])
})

test('says what is inserted', () => {
  expect(describePlan(planDeepen(network, ['one']))).toEqual([
    'new layer   after  nodes        initialization',
    'one-deeper  one    Gemm + Relu  net2deeper',
  ])
  expect(describePlan({ ...planWiden(network, { one: 5 }), units: [], parameters: [] })).toEqual([])
})

test('says what is repeated, and what of it is zero', () => {
  const blocks = sequential([residual([dense(4, { name: 'up' })]), dense(2)], { input: [4] })
  expect(describePlan(planRepeat(blocks, ['up']))).toEqual([
    'repeated  nodes  parameters  zero at first',
    'up            2           2  up_copy1.weight, up_copy1.bias',
  ])
})

test('says what is cloned, and which sizes change', () => {
  // Two layers share a weight, and a Reshape has the width as a number.
  const b = new GraphBuilder()
  b.input('x', 'float32', ['n', 2])
  b.initializer('w', float32([2, 2], [1, 2, 3, 4]))
  b.node('MatMul', ['x', 'w'], {}, { name: 'first', outputs: ['y'] })
  b.node('Reshape', ['y', b.constant(int64([-1, 2]), 'sizes')], {}, { outputs: ['z'] })
  b.node('MatMul', ['z', 'w'], {}, { name: 'second', outputs: ['out'] })
  b.output('out', 'float32', ['n', 2])
  const lines = describePlan(planWiden(b.model(), { first: 3 }))
  expect(lines).toContainEqual(expect.stringMatching(/^first +2 +3 +net2wider$/))
  expect(lines).toContainEqual(expect.stringMatching(/^w\S+ +2×2 +.*, a copy of w$/))
  expect(lines).toContainEqual(expect.stringMatching(/^sizes\S*\[1\] +2 +3$/))
})

test('a solution gives the plans of its model', () => {
  const steps = [{ widen: { one: 5 } }, { deepen: 'one' }] as const
  const solution = solve(network)
  const { model: _, ...fromSolution } = grow(solution, steps, { seed: 3 })
  const { model: __, ...fromModel } = grow(network, steps, { seed: 3 })
  expect(fromSolution).toEqual(fromModel)
  expect(planDeepen(solution, ['two'])).toEqual(planDeepen(network, ['two']))
})
