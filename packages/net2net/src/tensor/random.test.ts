import { describe, expect, it } from 'vitest'
import { deviationFrom, normalCdf } from '../../testing/distribution.ts'
import { permutation, type RandomStream, randomStream } from './random.ts'

const COUNT = 200_000
const draw = (next: (random: RandomStream) => number, random: RandomStream, count = COUNT) =>
  Float64Array.from({ length: count }, () => next(random))
const normal = (random: RandomStream) => random.normal()

describe('random streams', () => {
  it('are uniform on [0, 1), and normal (Kolmogorov–Smirnov)', () => {
    const uniform = draw((random) => random.uniform(), randomStream(1, 'uniform'))
    expect(deviationFrom((x) => x, uniform)).toBeLessThan(1.95)
    expect(uniform.every((value) => value >= 0 && value < 1)).toBe(true)
    expect(deviationFrom(normalCdf, draw(normal, randomStream(1, 'normal')))).toBeLessThan(1.95)
  })

  it('are independent of other seeds, of other purposes, and of themselves a step later', () => {
    const values = draw(normal, randomStream(1, 'a', 2))
    for (const others of [
      draw(normal, randomStream(2, 'a', 2)),
      draw(normal, randomStream(1, 'b', 2)),
      draw(normal, randomStream(1, 'a', 3)),
      // The second of a pair.
      values.subarray(1),
    ]) {
      const products = values.subarray(0, others.length).map((value, i) => value * others[i]!)
      const correlation = products.reduce((a, b) => a + b, 0) / products.length
      expect(Math.abs(correlation)).toBeLessThan(5 / Math.sqrt(products.length))
    }
  })

  it('are the same for the same key', () => {
    const [a, b] = [randomStream(3, 'x', 7), randomStream(3, 'x', 7)]
    expect(draw(normal, a, 100)).toEqual(draw(normal, b, 100))
    expect(a.below(1e6)).toBe(b.below(1e6))
  })

  it('draw each integer below n equally often', () => {
    const random = randomStream(1, 'below')
    const counts = new Uint32Array(7)
    for (let i = 0; i < 70_000; i++) counts[random.below(7)]!++
    // χ² with 6 degrees of freedom: above 22.5 once in a thousand.
    expect(counts.reduce((sum, n) => sum + (n - 10_000) ** 2 / 10_000, 0)).toBeLessThan(22.5)
    expect(random.below(1)).toBe(0)
  })
})

describe('a random permutation', () => {
  it('has each number once', () => {
    for (const n of [0, 1, 2, 100])
      expect([...permutation(n, randomStream(1, n))].sort((a, b) => a - b)).toEqual(
        Array.from({ length: n }, (_, i) => i),
      )
  })

  it('is each of all permutations equally often', () => {
    const random = randomStream(1, 'permutations')
    const counts = new Map<string, number>()
    for (let i = 0; i < 24_000; i++) {
      const key = `${permutation(4, random)}`
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
    expect(counts.size).toBe(24)
    // χ² with 23 degrees of freedom: above 49.7 once in a thousand.
    const chi2 = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)
    expect(chi2).toBeLessThan(49.7)
  })
})
