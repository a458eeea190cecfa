import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitView, wheelZoom } from '../../page/src/graph/viewport.ts'
import { asNumber, asPercent } from '../../page/src/ui/chart-formats.ts'
import { valuesAt } from '../../page/src/ui/line.ts'
import { tickTexts } from '../../page/src/ui/ticks.ts'

describe('the numbers at an axis', () => {
  it('are written differently where they differ', () => {
    const values = fc.uniqueArray(fc.double({ min: 1e-6, max: 5, noNaN: true }), {
      minLength: 2,
      maxLength: 9,
    })
    fc.assert(
      fc.property(values, (all) => {
        const rounded = [...new Set(all.map((value) => Number(value.toPrecision(8))))]
        expect(new Set(tickTexts(rounded, asNumber)).size).toBe(rounded.length)
        expect(new Set(tickTexts(rounded, asPercent)).size).toBe(rounded.length)
      }),
    )
    expect(tickTexts([0.944, 0.9445, 0.945], asPercent)).toEqual(['94.40%', '94.45%', '94.50%'])
    expect(tickTexts([0.1, null, 0.2], asNumber)).toEqual(['0.1', '', '0.2'])
  })
})

describe('what lines say at a place', () => {
  it('is what stands nearest, in order of the values', () => {
    const line = (label: string, points: readonly (readonly [number, number])[]) => ({
      label,
      colour: 'ink',
      dash: [],
      points,
    })
    const lines = [
      line('low', [
        [0, 1],
        [10, 2],
      ]),
      line('high', [
        [2, 8],
        [8, 9],
      ]),
      line('far', [[90, 5]]),
    ]
    const said = (x: number) =>
      valuesAt(lines, x, 3).map(({ line: { label }, point }) => [label, point[1]])
    expect(said(1)).toEqual([
      ['high', 8],
      ['low', 1],
    ])
    expect(said(9)).toEqual([
      ['high', 9],
      ['low', 2],
    ])
    expect(said(50)).toEqual([])
  })
})

describe('the view', () => {
  it('that fits has all of any drawing in any pane', () => {
    const side = fc.double({ min: 10, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(
        side,
        side,
        fc.integer({ min: 100, max: 3000 }),
        fc.integer({ min: 100, max: 3000 }),
        (width, height, w, h) => {
          const { k, tx, ty } = fitView({ width, height }, { width: w, height: h })
          expect(tx).toBeGreaterThanOrEqual(-1e-6)
          expect(ty).toBeGreaterThanOrEqual(-1e-6)
          expect(width * k + tx).toBeLessThanOrEqual(w + 1e-6)
          expect(height * k + ty).toBeLessThanOrEqual(h + 1e-6)
        },
      ),
    )
  })
  it('is zoomed by at most a seventh at once, and as far back', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e4, max: 1e4, noNaN: true }), (delta) => {
        expect(Math.abs(Math.log(wheelZoom(delta)))).toBeLessThanOrEqual(0.14 + 1e-9)
        expect(wheelZoom(delta) * wheelZoom(-delta)).toBeCloseTo(1, 9)
      }),
    )
  })
})
