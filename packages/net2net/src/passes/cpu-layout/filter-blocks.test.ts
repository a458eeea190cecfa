import fc from 'fast-check'
import { expect, test } from 'vitest'
import { float32 } from '../../tensor/tensor.ts'
import { fromFilterBlocks, toFilterBlocks } from './filter-blocks.ts'

const sizes = fc.record({
  block: fc.constantFrom(2, 4, 8),
  outer: fc.integer({ min: 1, max: 3 }),
  count: fc.integer({ min: 1, max: 3 }),
  kernel: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
})

test('the elements of a pair of blocks follow on one another for each tap', () => {
  fc.assert(
    fc.property(sizes, ({ block, outer, count, kernel }) => {
      const dims = [outer * block, count * block, ...kernel]
      const [filters = 0, channels = 0] = dims
      const taps = kernel.reduce((a, b) => a * b, 1)
      const weight = float32(
        dims,
        Float32Array.from({ length: filters * channels * taps }, (_, i) => i),
      )
      const blocked = toFilterBlocks(weight, block)
      expect(blocked.dims).toEqual(dims)
      for (const [i, value] of blocked.data.entries()) {
        const filter = i % block
        const channel = Math.floor(i / block) % block
        const tap = Math.floor(i / block ** 2) % taps
        const pair = Math.floor(i / block ** 2 / taps)
        const [m, c] = [Math.floor(pair / count) * block + filter, (pair % count) * block + channel]
        expect(Number(value)).toBe((m * channels + c) * taps + tap)
      }
      expect(fromFilterBlocks(blocked, block)).toEqual(weight)
    }),
  )
})
