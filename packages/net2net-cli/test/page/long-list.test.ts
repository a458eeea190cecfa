import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { near, rowsInView } from '../../page/src/ui/rows-in-view.ts'

describe('a long list', () => {
  const lists = fc.record({
    heights: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 60 }),
    top: fc.integer({ min: -500, max: 5000 }),
    length: fc.integer({ min: 1, max: 900 }),
    focused: fc.option(fc.nat(59), { nil: undefined }),
  })

  it('has what is seen, and is as high as if it had all', () => {
    fc.assert(
      fc.property(lists, ({ heights, top, length, focused }) => {
        const bottom = top + length
        const { rows, rest } = rowsInView(heights, { top, bottom }, focused)
        const shown = new Set(rows.map(({ index }) => index))
        let y = 0
        heights.forEach((height, i) => {
          const isSeen = y < bottom && y + height > top
          const isKept = focused !== undefined && Math.abs(i - focused) <= near
          expect(shown.has(i), `row ${i}`).toBe(isSeen || isKept)
          y += height
        })
        const inDocument = rows.reduce((sum, { index, gap }) => sum + gap + heights[index]!, rest)
        expect(inDocument).toBe(y)
      }),
    )
  })

  it('puts every row where it would be among all', () => {
    fc.assert(
      fc.property(lists, ({ heights, top, length, focused }) => {
        let y = 0
        for (const { index, gap } of rowsInView(heights, { top, bottom: top + length }, focused)
          .rows) {
          y += gap
          expect(y).toBe(heights.slice(0, index).reduce((a, b) => a + b, 0))
          y += heights[index]!
        }
      }),
    )
  })
})
