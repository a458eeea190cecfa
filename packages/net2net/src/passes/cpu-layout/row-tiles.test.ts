import fc from 'fast-check'
import { expect, test } from 'vitest'
import { testSeed } from '../../../testing/seed.ts'
import type { ImageConvolution } from '../../operators/decompositions/convolution-columns.ts'
import { mostInputs } from '../../operators/helpers/minimal-filtering.ts'
import { gradientTiles, isTiledByProduct, pairsOfRows, rowTiles } from './row-tiles.ts'

interface Drawn {
  readonly channels: number
  readonly filters: number
  readonly kernel: number
  readonly stride: number
  readonly dilation: number
  readonly size: number
}

function convolution(drawn: Partial<Drawn> = {}): ImageConvolution {
  const usual = { channels: 64, filters: 64, kernel: 3, stride: 1, dilation: 1, size: 16 }
  const { channels, filters, kernel, stride, dilation, size } = { ...usual, ...drawn }
  const begin = Math.floor(((kernel - 1) * dilation) / 2)
  const pads = { begin, end: (kernel - 1) * dilation - begin }
  const axis = { kernel, stride, dilation, pads, input: size, output: Math.ceil(size / stride) }
  return { batch: 'n', channels, filters, groups: 1, rows: axis, columns: axis }
}

test('the tiles hold all rows, and none in vain', () =>
  fc.assert(
    fc.property(
      fc.record({
        channels: fc.constantFrom(16, 64, 256),
        filters: fc.constantFrom(16, 64, 256),
        kernel: fc.integer({ min: 1, max: 8 }),
        stride: fc.constant(1),
        dilation: fc.integer({ min: 1, max: 3 }),
        size: fc.integer({ min: 1, max: 100 }),
      }),
      (drawn) => {
        const found = rowTiles(convolution(drawn))
        if (!found) return
        const { step, size, dilation, tiles } = found
        expect(size).toBe(step + drawn.kernel - 1)
        expect(size).toBeLessThanOrEqual(mostInputs)
        const line = tiles / dilation
        expect(line * step * dilation).toBeGreaterThanOrEqual(drawn.size)
        expect((line - 1) * step * dilation).toBeLessThan(drawn.size)
      },
    ),
    { seed: testSeed, numRuns: 300 },
  ))

test('they pay for kernels of several rows, and the more the more channels there are', () => {
  expect(rowTiles(convolution())).toBeDefined()
  for (const none of [{ kernel: 1 }, { kernel: 8 }, { stride: 2 }, { size: 1 }])
    expect(rowTiles(convolution(none)), JSON.stringify(none)).toBeUndefined()
  expect(rowTiles(convolution({ channels: 16, filters: 16, size: 64 }))).toBeUndefined()
  expect(rowTiles(convolution({ channels: 256, filters: 256, size: 64 }))).toBeDefined()
  // A weight of 9 MB is filtered once in a step, whatever the image.
  expect(rowTiles(convolution({ channels: 512, filters: 512, size: 2 }))).toBeUndefined()
})

test('a product gives the tiles of low images, and of dilated rows', () => {
  const isByProduct = (height: number, dilation = 1) => {
    const tiling = rowTiles(convolution({ size: height, dilation, filters: 256 }))!
    return isTiledByProduct({ batch: 'n', channels: 32, numbers: 32 * height, height }, tiling)
  }
  expect(isByProduct(8)).toBe(true)
  expect(isByProduct(64)).toBe(false)
  expect(isByProduct(16, 2)).toBe(true)
})

test('a gradient pays where its tiles save more than they cost', () => {
  expect(gradientTiles(convolution())).toBeDefined()
  expect(gradientTiles(convolution({ channels: 256, filters: 256 }))).toBeDefined()
  for (const none of [{ channels: 16, filters: 16 }, { stride: 2 }, { kernel: 1 }])
    expect(gradientTiles(convolution(none)), JSON.stringify(none)).toBeUndefined()
})

test('pairs of rows pay for many channels, and the more where others read the same tiles', () => {
  const paysFor = (drawn: Partial<Drawn>, readers = 1) =>
    pairsOfRows(convolution(drawn), readers) !== undefined
  const three = { first: 0, count: 1, taps: 3 }
  expect(pairsOfRows(convolution(), 1)).toEqual({ parts: [three], dilation: 1, pairs: 8 })
  expect(pairsOfRows(convolution({ channels: 256, size: 15 }), 1)?.pairs).toBe(8)
  expect(pairsOfRows(convolution({ dilation: 2 }), 1)).toMatchObject({ dilation: 2, pairs: 4 })
  expect(pairsOfRows(convolution({ kernel: 6 }), 1)?.parts).toEqual([
    { first: 0, count: 3, taps: 2 },
  ])
  expect(pairsOfRows(convolution({ kernel: 7 }), 1)?.parts).toEqual([
    { first: 0, count: 2, taps: 2 },
    { ...three, first: 4 },
  ])
  expect(paysFor({ channels: 256, filters: 256 })).toBe(true)
  expect(paysFor({ filters: 16, size: 64 })).toBe(false)
  expect(paysFor({ filters: 16, size: 64 }, 2)).toBe(true)
  for (const none of [{ kernel: 1 }, { stride: 2 }, { dilation: 3 }, { size: 1 }])
    expect(paysFor(none), JSON.stringify(none)).toBe(false)
  // A weight of 9 MB is filtered once in a step, whatever the image.
  expect(paysFor({ channels: 512, filters: 512, size: 2 })).toBe(false)
})
