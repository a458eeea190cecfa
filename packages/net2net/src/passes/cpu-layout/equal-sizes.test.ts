import { expect, test } from 'vitest'
import { numbers, run } from '../../../testing/compare-steps.ts'
import { normalTensor } from '../../../testing/gradient-check.ts'
import { GraphBuilder } from '../../model/builder.ts'
import { randomStream } from '../../tensor/random.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { equalSizes } from './equal-sizes.ts'

test('sizes of the same name are read once, and what is filled with them is one value', async () => {
  const builder = new GraphBuilder()
  const images = builder.input('images', 'float32', ['batch', 4])
  const others = builder.input('others', 'float32', ['rows', 4])
  // Rows of ones, as many as a value has.
  const ones = (value: string) => {
    const sizes = builder.node('Shape', [value], { start: 0, end: 1 })
    const row = builder.node('ConstantOfShape', [sizes], { value: float32([1], [1]) })
    return builder.node('MatMul', [row, value])
  }
  // The number of these rows has no name: it depends on the values.
  const chosen = builder.node(
    'Compress',
    [
      images,
      builder.node('Greater', [
        builder.node('ReduceMax', [images, builder.constant(int64([1]))], { keepdims: 0 }),
        builder.constant(float32([], [0.5])),
      ]),
    ],
    { axis: 0 },
  )
  const sums = [images, builder.node('Neg', [images]), others, chosen].map(ones)
  for (const [i, sum] of sums.entries()) {
    builder.nodeOutputs('Identity', [sum], {}, { outputs: [`y${i}`] })
    builder.output(`y${i}`, 'float32')
  }
  const model = builder.model()
  const changed = equalSizes(model)
  const count = (opType: string) =>
    changed.graph.nodes.filter((node) => node.opType === opType).length
  expect([count('Shape'), count('ConstantOfShape'), count('MatMul')]).toEqual([3, 3, 4])
  const random = randomStream(1, 'sizes')
  const feeds = { images: normalTensor(random, [5, 4]), others: normalTensor(random, [3, 4]) }
  const [found, wanted] = [await run(changed, feeds), await run(model, feeds)]
  for (const i of sums.keys()) expect(numbers(found[`y${i}`]!)).toEqual(numbers(wanted[`y${i}`]!))
})

test('a name that two inputs have for lengths of their own tells nothing', async () => {
  const builder = new GraphBuilder()
  const inputs = ['source', 'goal'].map((name) =>
    builder.input(name, 'float32', ['batch', 'length']),
  )
  for (const [i, value] of inputs.entries())
    for (const [k, what] of ['samples', 'positions'].entries()) {
      const size = builder.node('Shape', [value], { start: k, end: k + 1 })
      builder.nodeOutputs('Neg', [size], {}, { outputs: [`${what}${i}`] })
      builder.output(`${what}${i}`, 'int64')
    }
  const changed = equalSizes(builder.model())
  expect(changed.graph.nodes.filter(({ opType }) => opType === 'Shape')).toHaveLength(3)
  const random = randomStream(1, 'lengths')
  const feeds = { source: normalTensor(random, [2, 7]), goal: normalTensor(random, [2, 5]) }
  const found = await run(changed, feeds)
  expect(numbers(found.positions0!)).toEqual([-7])
  expect(numbers(found.positions1!)).toEqual([-5])
})
