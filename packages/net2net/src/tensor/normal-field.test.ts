import { describe, expect, it } from 'vitest'
import { deviationFrom, normalCdf } from '../../testing/distribution.ts'
import { normalsByPosition } from './normal-field.ts'

/** The normals one by one. */
function normalsOf(seed: number, purpose: string): (position: number) => number {
  const add = normalsByPosition(seed, purpose)
  const value = new Float64Array(1)
  return (position) => {
    value[0] = 0
    add(value, 0, 1, position, 1)
    return value[0]!
  }
}

const COUNT = 400_000

describe('normals by position', () => {
  const at = normalsOf(5, 'test')
  const values = Float64Array.from({ length: COUNT }, (_, i) => at(i))

  it('are distributed as normals, tails included (Kolmogorov–Smirnov)', () => {
    expect(deviationFrom(normalCdf, values)).toBeLessThan(1.95)
    const beyond = values.filter((value) => Math.abs(value) > 3.442619855899).length
    const expected = 2 * COUNT * normalCdf(-3.442619855899)
    expect(Math.abs(beyond - expected)).toBeLessThan(5 * Math.sqrt(expected))
    expect(Math.max(...values.subarray(0, 100_000))).toBeGreaterThan(3.6)
  })

  it('are independent of their neighbours, of other keys, and beyond 2^32', () => {
    const far = normalsOf(5, 'test')
    const other = normalsOf(5, 'other')
    const seeded = normalsOf(6, 'test')
    const correlation = (b: (i: number) => number) => {
      let sum = 0
      for (let i = 0; i < COUNT; i++) sum += values[i]! * b(i)
      return sum / COUNT
    }
    const limit = 5 / Math.sqrt(COUNT)
    for (const b of [
      (i: number) => at(i + 1),
      (i: number) => at(i + 4096),
      (i: number) => far(i + 2 ** 32),
      other,
      seeded,
      // The squares too.
      (i: number) => values[i]! * (at(i + 1) ** 2 - 1),
    ])
      expect(Math.abs(correlation(b))).toBeLessThan(2 * limit)
  })

  it('do not depend on what was drawn before', () => {
    const again = normalsOf(5, 'test')
    for (let i = COUNT - 1; i >= 0; i -= 997) expect(again(i)).toBe(values[i])
    for (const position of [2 ** 31, 2 ** 40]) expect(again(position)).toBe(at(position))
  })

  it('are added to a range, with a weight', () => {
    const sums = Float64Array.from({ length: 20 }, (_, i) => i)
    normalsByPosition(5, 'test')(sums, 3, 17, 100, -2)
    expect([...sums]).toEqual(
      Array.from(sums, (_, i) => (i < 3 || i >= 17 ? i : i - 2 * values[97 + i]!)),
    )
  })
})
