import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeIdx } from './idx.ts'

/** An IDX file of the given type code, written with DataView as the format's definition says. */
function idx(code: number, dims: readonly number[], elements: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * dims.length + elements.length)
  const view = new DataView(bytes.buffer)
  bytes.set([0, 0, code, dims.length])
  dims.forEach((dim, i) => {
    view.setUint32(4 + 4 * i, dim)
  })
  bytes.set(elements, 4 + 4 * dims.length)
  return bytes
}

describe('decodeIdx', () => {
  test('reads bytes of any shape without copying them', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }), (dims) => {
        const count = dims.reduce((a, b) => a * b, 1)
        const elements = Uint8Array.from({ length: count }, (_, i) => (i * 7) % 256)
        const file = idx(8, dims, elements)
        const tensor = decodeIdx(file)
        expect(tensor.dtype).toBe('uint8')
        expect(tensor.dims).toEqual(dims)
        expect([...(tensor.data as Uint8Array)]).toEqual([...elements])
        expect(tensor.data.buffer).toBe(file.buffer)
      }),
    )
  })

  test('reads big-endian floats and integers', () => {
    const floats = new DataView(new ArrayBuffer(8))
    floats.setFloat32(0, 1.5)
    floats.setFloat32(4, -2.25)
    expect([
      ...(decodeIdx(idx(13, [2], new Uint8Array(floats.buffer))).data as Float32Array),
    ]).toEqual([1.5, -2.25])
    const shorts = Uint8Array.from([0x01, 0x02, 0xff, 0xfe])
    expect([...(decodeIdx(idx(11, [2], shorts)).data as Int16Array)]).toEqual([258, -2])
  })

  test.each([
    ['not IDX', Uint8Array.from([1, 2, 3, 4]), /not an IDX file/],
    ['unknown type', Uint8Array.from([0, 0, 10, 0]), /not an IDX file/],
    ['empty', new Uint8Array(0), /not an IDX file/],
    ['header cut', idx(8, [2, 3], new Uint8Array(6)).subarray(0, 9), /truncated/],
    ['one byte short', idx(8, [2, 3], new Uint8Array(5)), /truncated.*18 bytes.*\[2, 3\].*has 17/],
    ['one byte over', idx(8, [2, 3], new Uint8Array(7)), /too long/],
    ['absurd shape', idx(8, [4e9, 4e9, 4e9], new Uint8Array(6)), /truncated/],
  ])('refuses a file that is %s', (_, bytes, message) => {
    expect(() => decodeIdx(bytes, 'data')).toThrow(message)
    expect(() => decodeIdx(bytes)).toThrow(expect.objectContaining({ kind: 'input' }))
  })
})
