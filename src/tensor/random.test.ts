import { describe, expect, it } from 'vitest'
import { normalsByPosition } from './normal-field.ts'

const COUNT = 200_000
const draw = (normal: (position: number) => number, from = 0) =>
  Array.from({ length: COUNT }, (_, i) => normal(from + i))
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const covariance = (a: readonly number[], b: readonly number[]) => {
  const [left, right] = [mean(a), mean(b)]
  return mean(a.map((value, i) => (value - left) * (b[i]! - right)))
}

describe('normals by position', () => {
  const values = draw(normalsByPosition(1, 'a'))

  it('have the moments and the quantiles of the normal distribution', () => {
    expect(Math.abs(mean(values))).toBeLessThan(0.01)
    expect(Math.abs(mean(values.map((x) => x * x)) - 1)).toBeLessThan(0.015)
    expect(Math.abs(mean(values.map((x) => x ** 4)) - 3)).toBeLessThan(0.1)
    const below = (x: number) => values.filter((value) => value < x).length / COUNT
    for (const [x, p] of [
      [-2, 0.02275],
      [-1, 0.15866],
      [0, 0.5],
      [0.5, 0.69146],
      [1.5, 0.93319],
      [3, 0.99865],
    ] as const)
      expect(Math.abs(below(x) - p)).toBeLessThan(0.004)
    expect(values.every((value) => Math.abs(value) < 6)).toBe(true)
  })

  it('are independent of their neighbours, of other keys and of far positions', () => {
    const bound = 4 / Math.sqrt(COUNT)
    for (const others of [
      draw(normalsByPosition(1, 'a'), 1),
      draw(normalsByPosition(1, 'a'), 4096),
      draw(normalsByPosition(1, 'b')),
      draw(normalsByPosition(2, 'a')),
      draw(normalsByPosition(1, 'a'), 2 ** 32),
    ])
      expect(Math.abs(covariance(values, others))).toBeLessThan(bound)
  })

  it('are the same for the same key and position', () => {
    const [a, b] = [normalsByPosition(3, 'x', 7), normalsByPosition(3, 'x', 7)]
    for (const position of [0, 1, 12345, 2 ** 31, 2 ** 40]) expect(a(position)).toBe(b(position))
  })
})
