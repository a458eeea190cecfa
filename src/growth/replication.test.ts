import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { balancedMap, equalShares, randomMap } from './replication.ts'

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

  it('have shares that sum to one over the copies of each unit', () => {
    fc.assert(
      fc.property(sizes, ([from, more]) => {
        const map = randomMap(from, from + more, 0, 'x')
        const shares = equalShares(map)
        const totals: number[] = Array(from).fill(0)
        map.forEach((unit, i) => {
          totals[unit]! += shares[i]!
        })
        for (const total of totals) expect(total).toBeCloseTo(1, 12)
      }),
    )
  })
})
