import { describe, expect, test } from 'vitest'
import { float32, int64, Tensor } from '../tensor/tensor.ts'
import { DifferenceMeter, movement } from './difference.ts'

const vector = (...values: number[]) => float32([values.length], values)
function difference(a: Tensor, b: Tensor) {
  const meter = new DifferenceMeter()
  meter.add(a, b)
  return meter.result()
}

describe('a difference', () => {
  test('is relative to how far the values are spread', () => {
    const small = difference(vector(1e-7, -1e-7), vector(1.1e-7, -1e-7))
    expect(small.maxRel).toBeCloseTo(0.1, 5)
    const shifted = difference(vector(100, 101, 102), vector(100.1, 101, 102))
    expect(shifted.maxRel).toBeCloseTo(0.1 / Math.sqrt(2 / 3), 3)
  })

  test('of few numbers inside a model is relative to their size, for chance may put them near each other', () => {
    const inside = (a: Tensor, b: Tensor) => {
      const meter = new DifferenceMeter('points')
      meter.add(a, b)
      return meter.result().maxRel
    }
    const near = (add: number) => vector(0.5 + add, 0.50001)
    expect(inside(near(0), near(1e-4))).toBeCloseTo(2e-4, 6)
    expect(difference(near(0), near(1e-4)).maxRel).toBeGreaterThan(1)
    const many = (add: number) => vector(0.5 + add, ...Array<number>(9).fill(0.50001))
    expect(inside(many(0), many(1e-4))).toBeGreaterThan(1)
  })

  test('is relative to the numbers themselves where they do not differ from each other', () => {
    expect(difference(vector(1e6, 1e6), vector(1e6 + 5, 1e6)).maxRel).toBeCloseTo(5e-6, 6)
    expect(difference(vector(0, 0), vector(0.5, 0)).maxRel).toBe(0.5)
  })

  test('does not count what the last bits of a number change', () => {
    const next = new Float32Array([1e9 + 64])[0]!
    expect(difference(vector(1e9, -1e9), vector(next, -1e9))).toEqual({ maxAbs: 64, maxRel: 0 })
    const half = (...bits: number[]) => new Tensor('float16', [bits.length], Uint16Array.from(bits))
    expect(difference(half(0x3c00, 0xbc00), half(0x3c01, 0xbc00)).maxRel).toBe(0)
    expect(difference(half(0x3c00, 0xbc00), half(0x3c09, 0xbc00)).maxRel).toBeGreaterThan(5e-3)
  })

  test('has NaN and infinities in the same places, with the same signs', () => {
    const special = vector(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1)
    expect(difference(special, special)).toEqual({ maxAbs: 0, maxRel: 0 })
    const { NaN: nan, POSITIVE_INFINITY: infinite } = Number
    for (const [a, b] of [
      [nan, 1],
      [1, nan],
      [infinite, -infinite],
      [infinite, 2 ** 127],
    ] as const)
      expect(difference(vector(a), vector(b))).toMatchObject({
        maxRel: infinite,
        problem: `${a} became ${b}`,
      })
  })

  test('of integers has no last bits', () => {
    expect(difference(int64([1_000_000, 0]), int64([1_000_001, 0])).maxRel).toBeGreaterThan(0)
  })
})

describe('a movement', () => {
  const many = (value: (i: number) => number) =>
    float32(
      [64],
      Array.from({ length: 64 }, (_, i) => value(i)),
    )

  test('is that of many elements, not of one', () => {
    const before = many((i) => i % 2)
    expect(
      movement(
        before,
        many((i) => (i === 3 ? 0 : i % 2)),
      ),
    ).toBe(0)
    expect(
      movement(
        before,
        many((i) => (i % 2) + 0.1),
      ),
    ).toBeCloseTo(0.2, 4)
  })

  test('of few numbers is a share of their size', () => {
    expect(movement(vector(0.5, 0.50001), vector(0.501, 0.50101))).toBeCloseTo(2e-3, 5)
  })

  test('is none where numbers absorb it', () => {
    expect(
      movement(
        many(() => 1e9),
        many((i) => 1e9 + (i % 3)),
      ),
    ).toBe(0)
    expect(
      movement(
        many(() => Number.NaN),
        many(() => 1),
      ),
    ).toBe(0)
  })
})
