import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from './half.ts'

describe('half precision', () => {
  it('round-trips every float16 and bfloat16 that is a number', () => {
    for (let pattern = 0; pattern < 65536; pattern++) {
      const half = fromFloat16(pattern)
      if (!Number.isNaN(half)) expect(toFloat16(half)).toBe(pattern)
      const brain = fromBfloat16(pattern)
      if (!Number.isNaN(brain)) expect(toBfloat16(brain)).toBe(pattern)
    }
  })

  it('rounds to the nearest float16', () => {
    fc.assert(
      fc.property(fc.double({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const pattern = toFloat16(value)
        const error = Math.abs(fromFloat16(pattern) - value)
        for (const neighbour of [pattern - 1, pattern + 1]) {
          const other = fromFloat16(neighbour & 0xffff)
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value))
        }
      }),
    )
  })

  it('knows the corners', () => {
    expect(toFloat16(1)).toBe(0x3c00)
    expect(toFloat16(65519)).toBe(0x7bff)
    expect(toFloat16(65520)).toBe(0x7c00)
    expect(toFloat16(-Infinity)).toBe(0xfc00)
    expect(toFloat16(2 ** -24)).toBe(1)
    expect(toFloat16(2 ** -25)).toBe(0)
    expect(Number.isNaN(fromFloat16(toFloat16(Number.NaN)))).toBe(true)
    // Ties go to the even neighbour.
    expect(toFloat16(1 + 2 ** -11)).toBe(0x3c00)
    expect(toFloat16(1 + 3 * 2 ** -11)).toBe(0x3c02)
    expect(toBfloat16(1 + 2 ** -8)).toBe(0x3f80)
    expect(Number.isNaN(fromBfloat16(toBfloat16(Number.NaN)))).toBe(true)
  })
})
