import { describe, expect, test } from 'vitest'
import { GraphBuilder } from '../model/builder.ts'
import type { Model } from '../model/model.ts'
import { elementCount, int64, type LazyTensor, Tensor } from '../tensor/tensor.ts'
import { Cutter } from './cut.ts'
import { lookupsOf, nextIds } from './lookups.ts'
import { sideOf } from './side.ts'

/** A table whose bytes follow from where they are. */
function table(rows: number, columns: number, step: number): LazyTensor {
  const dims = [rows, columns]
  return {
    dtype: 'float32',
    dims,
    byteLength: 4 * elementCount(dims),
    read: (offset, length) => Uint8Array.from({ length }, (_, i) => ((offset + i) * step) % 61),
  }
}

/** The sum of what ids look up in each of the tables, or in one of them element by element. */
function lookups(tables: Readonly<Record<string, LazyTensor>>, opType = 'Gather'): Model {
  const graph = new GraphBuilder()
  graph.input('ids', 'int64', [2, 4])
  const found = Object.entries(tables).map(([name, tensor]) =>
    graph.node(opType, [graph.initializer(name, tensor), 'ids'], {}, { name }),
  )
  graph.node('Sum', found, {}, { outputs: ['y'] })
  graph.output('y', 'float32', undefined)
  return graph.model()
}

async function found(
  shapes: Readonly<Record<string, readonly [number, number]>>,
  opType?: string,
  ids: Tensor = int64([0, 1, 2, 3, 3, 2, 1, 0], [2, 4]),
) {
  const sides = [1, 2].map((step) => {
    const tables = Object.entries(shapes).map(([name, shape]) => [name, table(...shape, step)])
    return sideOf(lookups(Object.fromEntries(tables), opType), { ids })
  })
  return lookupsOf(await new Cutter(sides[0]!, sides[1]!).cut(new Set()), { ids })
}

describe('ids that look up every row', () => {
  test('take as many samples as the largest table needs', async () => {
    expect(await found({ one: [500, 6], other: [500, 3] })).toEqual({
      rows: new Map([['ids', 500]]),
      count: 63,
      hidden: new Set(),
    })
  })

  test('exist only for the smallest table where several have the same ids', async () => {
    const { rows, hidden } = await found({ one: [700, 6], other: [500, 6] })
    expect([...rows]).toEqual([['ids', 500]])
    expect([...hidden]).toEqual(['one'])
  })

  test('are not drawn for large tables, and not where single elements are looked up', async () => {
    expect([...(await found({ one: [2 ** 22, 6] })).hidden]).toEqual(['one'])
    const byElement = await found({ one: [500, 4] }, 'GatherElements')
    expect(byElement).toMatchObject({ count: 0, hidden: new Set(['one']) })
  })

  test.each([
    ['int64', int64([0, 0, 0, 0], [2, 2]), [8n, 9n, 0n, 1n]],
    ['int32', new Tensor('int32', [2, 2], new Int32Array(4)), [8, 9, 0, 1]],
  ])('begin again with the first row: %s', (dtype, ids, expected) => {
    const next = nextIds(ids, 2, 10)
    expect(next).toMatchObject({ dtype, dims: [2, 2] })
    expect([...next.data]).toEqual(expected)
  })
})
