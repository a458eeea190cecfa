import { describe, expect, it } from 'vitest'
import { normalsByPosition } from './normal-field.ts'

const COUNT = 400_000

/** The standard normal's distribution function (Abramowitz and Stegun 7.1.26, |error| < 1.5e-7). */
function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * z)
  const series =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  const erf = 1 - series * Math.exp(-z * z)
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2
}

describe('normals by position', () => {
  const at = normalsByPosition(5, 'test')
  const values = Float64Array.from({ length: COUNT }, (_, i) => at(i))

  it('are distributed as normals, tails included (Kolmogorov–Smirnov)', () => {
    const sorted = values.slice().sort()
    let distance = 0
    sorted.forEach((value, i) => {
      distance = Math.max(distance, Math.abs(normalCdf(value) - (i + 0.5) / COUNT))
    })
    // Exceeded by one sample in a thousand.
    expect(distance).toBeLessThan(1.95 / Math.sqrt(COUNT))
    const beyond = values.filter((value) => Math.abs(value) > 3.442619855899).length
    const expected = 2 * COUNT * normalCdf(-3.442619855899)
    expect(Math.abs(beyond - expected)).toBeLessThan(5 * Math.sqrt(expected))
    expect(Math.max(...values.subarray(0, 100_000))).toBeGreaterThan(3.6)
  })

  it('are independent of their neighbours, of other keys, and beyond 2^32', () => {
    const far = normalsByPosition(5, 'test')
    const other = normalsByPosition(5, 'other')
    const seeded = normalsByPosition(6, 'test')
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
    const again = normalsByPosition(5, 'test')
    for (let i = COUNT - 1; i >= 0; i -= 997) expect(again(i)).toBe(values[i])
  })
})
