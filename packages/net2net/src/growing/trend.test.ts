import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import '../../testing/seed.ts'
import { chanceOfMajority, chanceOfRise, fewestValues, firstRise, level } from './trend.ts'

/** All orders of 0, 1, …, n − 1. */
const orders = (n: number): readonly (readonly number[])[] =>
  n === 0
    ? [[]]
    : orders(n - 1).flatMap((order) =>
        Array.from({ length: n }, (_, at) => [...order.slice(0, at), n - 1, ...order.slice(at)]),
      )

const share = <T>(items: readonly T[], isMeant: (item: T) => boolean) =>
  items.filter(isMeant).length / items.length

/** The last two entries change places so often that this many pairs fall. */
function withFallingPairs(n: number, falling: number): readonly number[] {
  const values = Array.from({ length: n }, (_, i) => i)
  for (let left = falling, end = n; left > 0; end--) {
    const moved = Math.min(left, end - 1)
    const [largest] = values.splice(end - 1, 1)
    values.splice(end - 1 - moved, 0, largest!)
    left -= moved
  }
  return values
}

describe('the chance of a rise', () => {
  test('is the share of all orders that rise as much', () => {
    for (const n of [2, 3, 4, 5, 6]) {
      const chances = orders(n).map(chanceOfRise)
      for (const chance of new Set(chances))
        expect(share(chances, (each) => each <= chance + 1e-12)).toBeCloseTo(chance, 10)
    }
  })
  // Kendall, Rank Correlation Methods, appendix table 1: the probability that S is at least so large.
  test.each([
    [4, 6, 0.042],
    [5, 8, 0.042],
    [6, 11, 0.028],
    [8, 18, 0.016],
    [9, 20, 0.022],
    [10, 23, 0.023],
  ])('of %i values with S = %i is %f, as in the tables', (n, s, wanted) => {
    const falling = ((n * (n - 1)) / 2 - s) / 2
    expect(chanceOfRise(withFallingPairs(n, falling))).toBeCloseTo(wanted, 3)
  })
  test('knows nothing but the order', () => {
    const growing = (x: number) => Math.sign(x) * x * x + x
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 30 }), (values) => {
        expect(chanceOfRise(values.map(growing))).toBe(chanceOfRise(values))
      }),
    )
  })
  test('is never said to be smaller than it is where there are many values', () => {
    for (const falling of [500, 700, 800]) {
      const [exact, bound] = [60, 61].map((n) => chanceOfRise(withFallingPairs(n, falling)))
      expect(bound).toBeGreaterThan(exact! / 4)
      expect(bound).toBeLessThan(1)
    }
  })
})

test('the chance of a majority is the binomial one', () => {
  for (const n of [0, 1, 5, 8])
    for (let count = 0; count <= n + 1; count++) {
      const sides = Array.from(
        { length: 2 ** n },
        (_, bits) => bits.toString(2).replaceAll('0', '').length,
      )
      expect(chanceOfMajority(count, n)).toBeCloseTo(
        share(sides, (ones) => ones >= count),
        12,
      )
    }
})

describe('a rise that is looked for again and again', () => {
  test('is found in noise as rarely as all looks together may err', () => {
    for (const n of [fewestValues, 6, 7, 8])
      expect(share(orders(n), (order) => firstRise(order) !== undefined)).toBeLessThan(level)
  })
  test('stays shown, whatever comes later', () => {
    const rising = [1, 2, 3, 4, 5]
    expect(firstRise(rising.slice(0, 4))).toBeUndefined()
    const shown = firstRise(rising)
    expect(shown).toMatchObject({ values: 5, chance: expect.closeTo(1 / 120, 10) })
    expect(firstRise([...rising, ...Array<number>(30).fill(3)])).toEqual(shown)
  })
})
