import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { logarithmicTicks } from '../../page/src/ui/ticks.ts'

describe('the numbers at a logarithmic axis', () => {
  it('are few, within the axis, in order, and round', () => {
    const exponent = fc.double({ min: -9, max: 9, noNaN: true })
    fc.assert(
      fc.property(exponent, fc.double({ min: 0.01, max: 12, noNaN: true }), (start, decades) => {
        const [low, high] = [10 ** start, 10 ** (start + decades)]
        const ticks = logarithmicTicks(low, high)
        expect(ticks.length).toBeGreaterThanOrEqual(decades > 0.1 ? 2 : 0)
        expect(ticks.length).toBeLessThan(12)
        for (const [i, tick] of ticks.entries()) {
          expect(tick).toBeGreaterThanOrEqual(low)
          expect(tick).toBeLessThanOrEqual(high)
          if (i > 0) expect(tick).toBeGreaterThan(ticks[i - 1]!)
          expect(Number(tick.toPrecision(4))).toBe(tick)
        }
      }),
    )
  })

  it('are what one would write', () => {
    expect(logarithmicTicks(0.03, 2.6)).toEqual([0.05, 0.1, 0.2, 0.5, 1, 2])
    expect(logarithmicTicks(0.0004, 2.6)).toEqual([0.001, 0.01, 0.1, 1])
    expect(logarithmicTicks(0.21, 0.74)).toEqual([0.3, 0.4, 0.5, 0.6, 0.7])
    expect(logarithmicTicks(0, 1)).toEqual([])
  })
})
