import { describe, expect, test } from 'vitest'
import { estimate, excludesZero, fixed, pValue, within } from './statistics.ts'

describe('estimate', () => {
  // Student's table: t(0.975; 1, 4, 9) = 12.706, 2.776, 2.262; t(0.995; 4) = 4.604.
  test.each([
    [[0, 2], 0.95, 12.7062],
    [[1, 2, 3, 4, 5], 0.95, 2.77645],
    [[1, 2, 3, 4, 5], 0.99, 4.60409],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.95, 2.26216],
  ])('of %j at %d has the margin of the table', (values, level, t) => {
    const { n, mean, deviation = 0, low = 0, high = 0 } = estimate(values, level)!
    expect(n).toBe(values.length)
    const expected = values.reduce((sum, value) => sum + value, 0) / n
    expect(mean).toBeCloseTo(expected, 12)
    const squares = values.reduce((sum, value) => sum + (value - expected) ** 2, 0)
    expect(deviation).toBeCloseTo(Math.sqrt(squares / (n - 1)), 12)
    expect(high - mean).toBeCloseTo((t * deviation) / Math.sqrt(n), 4)
    expect(mean - low).toBeCloseTo(high - mean, 12)
  })

  test('of one value has no interval, of none nothing', () => {
    expect(estimate([3])).toEqual({ n: 1, mean: 3 })
    expect(excludesZero(estimate([3])!)).toBe(false)
    expect(estimate([])).toBeUndefined()
  })
})

test('an interval ends where what it is of does', () => {
  const wide = estimate([0.1, 0.9])!
  expect([wide.low! < 0, wide.high! > 1]).toEqual([true, true])
  expect(within(wide, 0, 1)).toEqual({ ...wide, low: 0, high: 1 })
  expect(within(wide, 0)).toEqual({ ...wide, low: 0 })
  expect(within(estimate([3]), 0)).toEqual({ n: 1, mean: 3 })
  expect(within(undefined, 0)).toBeUndefined()
})

test('a number that rounds to zero has no sign', () => {
  expect([-0.00001, -0.04, -0.06, 0].map((value) => fixed(value, 1))).toEqual([
    '0.0',
    '0.0',
    '-0.1',
    '0.0',
  ])
})

describe('pValue', () => {
  // Student 1908, the sleep data: differences of two drugs, t = 4.0621 with 9 degrees, p = 0.00283.
  test("of Student's sleep data", () => {
    const differences = [1.2, 2.4, 1.3, 1.3, 0, 1, 1.8, 0.8, 4.6, 1.4]
    expect(pValue(differences)).toBeCloseTo(0.00283, 5)
    const { mean, low, high } = estimate(differences)!
    expect(mean).toBeCloseTo(1.58, 10)
    expect(low).toBeCloseTo(0.7001, 4)
    expect(high).toBeCloseTo(2.4599, 4)
  })

  test('of equal values is 1 at zero and 0 elsewhere; of one there is none', () => {
    expect(pValue([0, 0, 0])).toBe(1)
    expect(pValue([2, 2, 2])).toBe(0)
    expect(pValue([2])).toBeUndefined()
  })
})
