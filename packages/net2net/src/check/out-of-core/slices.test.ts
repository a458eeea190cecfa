import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { float32, int64, Tensor } from '../../tensor/tensor.ts'
import { sameBits } from './slices.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

describe.each(['in Node', 'in a browser'])('%s', (where) => {
  const hide = () => {
    if (where === 'in a browser') vi.stubGlobal('Buffer', undefined)
  }

  test('tensors have the same bits as their copies, and others where one bit differs', () => {
    hide()
    fc.assert(
      fc.property(
        fc.array(fc.float(), { minLength: 1, maxLength: 9 }),
        fc.nat(),
        fc.nat(7),
        (values, at, bit) => {
          const tensor = float32([values.length], values)
          const copy = new Tensor('float32', [values.length], tensor.data.slice())
          expect(sameBits(tensor, copy)).toBe(true)
          const bytes = new Uint8Array(copy.data.buffer)
          bytes[at % bytes.length]! ^= 1 << bit
          expect(sameBits(tensor, copy)).toBe(false)
        },
      ),
    )
  })

  test('NaN is the same as itself, 0 another than -0, and types and shapes count', () => {
    hide()
    const vector = (...values: number[]) => float32([values.length], values)
    expect(sameBits(vector(Number.NaN), vector(Number.NaN))).toBe(true)
    expect(sameBits(vector(0), vector(-0))).toBe(false)
    expect(sameBits(vector(0, 0), float32([1, 2], [0, 0]))).toBe(false)
    expect(sameBits(vector(0, 0), int64([0]))).toBe(false)
  })
})
