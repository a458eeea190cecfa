import { expect, test } from 'vitest'
import { GraphBuilder } from '../model/builder.ts'
import type { SessionValue } from '../runtime/runtime.ts'
import { float32, int64 } from '../tensor/tensor.ts'
import { compare } from './compare.ts'
import { indexRanges } from './index-ranges.ts'
import { inputAttempts } from './random-inputs.ts'

const ids: SessionValue = { name: 'ids', dtype: 'int64', shape: ['batch', 'length'] }
const mask: SessionValue = { name: 'mask', dtype: 'int64', shape: ['batch', 'length'] }
const inputs = [ids, mask]

/** The inputs of some samples, drawn as the first guess has it. */
const drawn = (count: number, ranges?: ReadonlyMap<string, number>) => {
  const draw = inputAttempts(inputs, inputs, 3, ranges).next().value!
  return Array.from({ length: count }, (_, i) => draw(i))
}
const numbersOf = (name: string, samples: ReturnType<typeof drawn>) =>
  samples.flatMap((feeds) => Array.from(feeds[name]!.data, Number))

test('ids go over the whole vocabulary', () => {
  const found = numbersOf('ids', drawn(8, new Map([['ids', 500]])))
  expect(Math.max(...found)).toBeGreaterThan(450)
  expect(Math.min(...found)).toBeLessThan(50)
  expect(found.every((id) => id >= 0 && id < 500)).toBe(true)
})

test('what stands beside ids is a mask', () => {
  expect(new Set(numbersOf('mask', drawn(2, new Map([['ids', 500]]))))).toEqual(new Set([0, 1]))
})

test('lengths vary from sample to sample, and both inputs have the same', () => {
  const samples = drawn(2)
  const lengths = samples.map((feeds) => feeds.ids!.dims[1])
  expect(new Set(lengths).size).toBe(2)
  for (const feeds of samples) expect(feeds.mask!.dims).toEqual(feeds.ids!.dims)
})

test('a model that takes one length alone gets that', async () => {
  const graph = new GraphBuilder()
  graph.input('x', 'float32', ['batch', 'length'])
  graph.node(
    'Add',
    ['x', graph.constant(float32([64], new Float32Array(64)))],
    {},
    { outputs: ['y'] },
  )
  graph.output('y', 'float32', undefined)
  expect(await compare(graph.model(), graph.model())).toMatchObject({ equal: true, samples: 4 })
})

test('the range of ids is the size of the table that they are looked up in, behind casts and views', () => {
  const graph = new GraphBuilder()
  graph.input('ids', 'int32', ['batch', 'length'])
  graph.input('kinds', 'int64', ['batch', 'length'])
  graph.input('count', 'int64', ['batch'])
  const table = graph.constant(float32([70, 4], new Float32Array(280)))
  const narrow = graph.constant(float32([4, 3], new Float32Array(12)))
  const flat = graph.node('Reshape', [
    graph.node('Cast', ['ids'], { to: 7 }),
    graph.constant(int64([-1])),
  ])
  const word = graph.node('Gather', [table, flat])
  const kind = graph.node('Gather', [narrow, 'kinds'], { axis: 1 })
  for (const value of [word, kind, 'count']) graph.output(value)
  expect(indexRanges(graph.model())).toEqual(
    new Map([
      ['ids', 70],
      ['kinds', 3],
    ]),
  )
})
