import { describe, expect, test } from 'vitest'
import { runGraph } from '../../../testing/run-graph.ts'
import { float32 } from '../../tensor/tensor.ts'
import { emitUniform, nextKey, randomKey } from './uniform.ts'

async function draw(dims: readonly number[], seed: number, step: number, stream = 0) {
  const value = float32(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)))
  const { u, next } = await runGraph({ value, key: randomKey(seed, step) }, (emitter) => ({
    u: emitUniform(emitter, 'key', 'value', stream),
    next: nextKey(emitter, 'key'),
  }))
  return { dims: u.dims, numbers: u.data as Float32Array, next: [...next.data] }
}

const correlation = (a: Float32Array, b: Float32Array) => {
  const n = Math.min(a.length, b.length)
  let sum = 0
  for (let i = 0; i < n; i++) sum += (a[i]! - 0.5) * (b[i]! - 0.5) * 12
  return sum / n
}

describe('uniform numbers in the graph', () => {
  test('have the shape and range that is asked for', async () => {
    for (const dims of [[], [1], [7], [2, 3], [4, 1, 5, 6], [1, 1000]]) {
      const { dims: found, numbers } = await draw(dims, 1, 0)
      expect(found).toEqual(dims)
      expect(numbers.every((u) => u >= 0 && u < 1)).toBe(true)
    }
  })

  test('are uniform, and independent of their neighbours, their step and their stream', async () => {
    const dims = [200, 500]
    const base = (await draw(dims, 3, 17)).numbers
    const count = base.length
    // Each statistic is a mean of n terms: five standard deviations.
    const bound = 5 / Math.sqrt(count)
    const buckets = new Array<number>(64).fill(0)
    for (const u of base) buckets[Math.floor(u * 64)]!++
    const chi2 = buckets.reduce((sum, n) => sum + (n - count / 64) ** 2 / (count / 64), 0)
    expect(chi2).toBeLessThan(63 + 5 * Math.sqrt(2 * 63))
    for (const other of [
      (await draw(dims, 3, 18)).numbers,
      (await draw(dims, 4, 17)).numbers,
      (await draw(dims, 3, 17, 1)).numbers,
      base.subarray(1),
      base.subarray(2),
      base.subarray(500),
      base.subarray(501),
      base.subarray(1000),
      base.subarray(499),
    ])
      expect(Math.abs(correlation(base, other))).toBeLessThan(bound)
    // Pairs fill the unit square.
    const cells = new Array<number>(256).fill(0)
    for (let i = 0; i + 1 < count; i += 2)
      cells[Math.floor(base[i]! * 16) * 16 + Math.floor(base[i + 1]! * 16)]!++
    const expected = count / 2 / 256
    const pairs = cells.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
    expect(pairs).toBeLessThan(255 + 5 * Math.sqrt(2 * 255))
    // Row sums of masks are as spread as independent ones.
    const rows = Array.from({ length: 200 }, (_, r) =>
      base.subarray(r * 500, (r + 1) * 500).reduce((sum, u) => sum + (u < 0.5 ? 1 : 0), 0),
    )
    const variance = rows.reduce((sum, n) => sum + (n - 250) ** 2, 0) / 200
    expect(variance).toBeGreaterThan(125 * 0.6)
    expect(variance).toBeLessThan(125 * 1.5)
    const columns = Array.from({ length: 500 }, (_, c) => {
      let sum = 0
      for (let r = 0; r < 200; r++) sum += base[r * 500 + c]! < 0.5 ? 1 : 0
      return sum
    })
    const across = columns.reduce((sum, n) => sum + (n - 100) ** 2, 0) / 500
    expect(across).toBeGreaterThan(50 * 0.7)
    expect(across).toBeLessThan(50 * 1.4)
  })

  test('are a function of the key, which counts the steps', async () => {
    const a = await draw([10, 10], 5, 2)
    expect((await draw([10, 10], 5, 2)).numbers).toEqual(a.numbers)
    expect(a.next).toEqual([5, 3])
  })
})
