import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { balancedMap, equalSplit, randomMap, unequalSplit } from './replicate.ts'

const sizes = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 100 }))

describe('replication maps', () => {
  it('are the identity on the old units and stay in range', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), ([from, more], seed) => {
        const map = randomMap(from, from + more, seed, 'conv1')
        expect(map.length).toBe(from + more)
        expect(map.slice(0, from)).toEqual(Array.from({ length: from }, (_, i) => i))
        for (const unit of map) expect(unit >= 0 && unit < from).toBe(true)
      }),
    )
  })

  it('are the same for the same seed and differ between layers', () => {
    expect(randomMap(50, 100, 1, 'a')).toEqual(randomMap(50, 100, 1, 'a'))
    expect(randomMap(50, 100, 1, 'a')).not.toEqual(randomMap(50, 100, 1, 'b'))
    expect(randomMap(50, 100, 1, 'a')).not.toEqual(randomMap(50, 100, 2, 'a'))
  })

  it('copy every unit equally often where that is needed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 2, max: 5 }),
        (from, times) => {
          const counts = new Map<number, number>()
          for (const unit of balancedMap(from, from * times, 3, 'x'))
            counts.set(unit, (counts.get(unit) ?? 0) + 1)
          expect([...counts.values()]).toEqual(Array(from).fill(times))
        },
      ),
    )
  })

  it('have split coefficients that sum to one over the copies of each unit', () => {
    fc.assert(
      fc.property(sizes, fc.integer(), ([from, more], seed) => {
        const map = randomMap(from, from + more, 0, 'x')
        for (const coefficients of [equalSplit(map), unequalSplit(map, 0.5, seed, 'x')]) {
          const totals: number[] = Array(from).fill(0)
          map.forEach((unit, i) => {
            expect(coefficients[i]).toBeGreaterThan(0)
            totals[unit]! += coefficients[i]!
          })
          for (const total of totals) expect(total).toBeCloseTo(1, 12)
        }
      }),
    )
  })

  it('have unequal coefficients as far apart as wanted, other ones for each name and seed', () => {
    const map = Array.from({ length: 20_000 }, (_, i) => i % 10_000)
    const coefficients = (size: number, seed = 1, name = 'a') => unequalSplit(map, size, seed, name)
    // Of two copies, the logarithm of their ratio is normal, with √2 times the size.
    const ratios = coefficients(0.1)
      .slice(0, 10_000)
      .map((coefficient) => Math.log(coefficient / (1 - coefficient)))
    const variance = ratios.reduce((sum, x) => sum + x * x, 0) / ratios.length
    expect(Math.sqrt(variance / 2)).toBeCloseTo(0.1, 2)
    expect(coefficients(0.1)).toEqual(coefficients(0.1))
    expect(coefficients(0.1)).not.toEqual(coefficients(0.1, 2))
    expect(coefficients(0.1)).not.toEqual(coefficients(0.1, 1, 'b'))
    expect(coefficients(0)).toEqual(equalSplit(map))
  })
})
