import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testSeed } from '../../../testing/seed.ts'
import { countOfParts, type KernelImages } from './kernel-parts.ts'

const kernels = fc.record({
  batch: fc.constant('n'),
  rows: fc.integer({ min: 1, max: 200 }),
  columns: fc.integer({ min: 1, max: 200 }),
  groups: fc.integer({ min: 1, max: 64 }),
  filters: fc.integer({ min: 1, max: 128 }),
})
const blocks = fc.constantFrom(8, 16)
const images = fc.integer({ min: 1, max: 300 })
const megabyte = 2 ** 20

/** What a part reads: its filters of up to four blocks, and a block of channels. */
const bytesOf = ({ rows, columns, filters }: KernelImages, block: number, count: number) =>
  4 * count * rows * columns * (Math.min(filters, 4 * block) + block)

describe('a kernel is taken apart', () => {
  const isAllowed = (channels: number, size: number) => channels < size || channels % size === 0

  test('into as many parts as ONNX Runtime takes for channels in no blocks, each of whole images', () => {
    fc.assert(
      fc.property(images, kernels, blocks, (count, kernel, size) => {
        fc.pre(isAllowed(kernel.groups, size))
        const parts = countOfParts(count, kernel, size)
        expect(count % parts).toBe(0)
        expect(parts).toBeLessThan(size)
        expect(isAllowed(kernel.groups * parts, size)).toBe(true)
      }),
      { seed: testSeed },
    )
  })

  test('only as far as it has to be for a second-level cache, and as far as it can be', () => {
    fc.assert(
      fc.property(images, kernels, blocks, (count, kernel, size) => {
        fc.pre(isAllowed(kernel.groups, size))
        const parts = countOfParts(count, kernel, size)
        const more = Array.from({ length: size - 1 }, (_, i) => i + 1).filter(
          (n) => count % n === 0 && isAllowed(kernel.groups * n, size),
        )
        const fits = (n: number) => bytesOf(kernel, size, count / n) <= megabyte
        if (parts > 1) expect(bytesOf(kernel, size, count)).toBeGreaterThan(megabyte / 2)
        if (!fits(parts)) expect(parts).toBe(Math.max(...more))
      }),
      { seed: testSeed },
    )
  })
})
