import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memorySource } from './bytes.ts'
import { type Fill, fillTensor } from './fill.ts'
import { fromFloat16, toFloat16 } from './half.ts'
import { decode, encode, gather, lazyFill } from './lazy.ts'
import { elementCount, float32, int64, materialize, Tensor, toNumbers } from './tensor.ts'

/** Random dimensions, and for some of the axes an index list and factors. */
const cases = fc
  .array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
  .chain((dims) =>
    fc.record({
      dims: fc.constant(dims),
      selections: fc
        .subarray(
          dims.map((_, axis) => axis),
          { minLength: 0 },
        )
        .chain((axes) =>
          fc.tuple(
            ...axes.map((axis) =>
              fc
                .array(fc.integer({ min: 0, max: dims[axis]! - 1 }), { minLength: 1, maxLength: 8 })
                .chain((index) =>
                  fc.record({
                    axis: fc.constant(axis),
                    index: fc.constant(Uint32Array.from(index)),
                    factors: fc.option(
                      fc
                        .array(fc.constantFrom(1, 0.5, 0.25, 3), {
                          minLength: index.length,
                          maxLength: index.length,
                        })
                        .map((values) => Float64Array.from(values)),
                      { nil: undefined },
                    ),
                  }),
                ),
            ),
          ),
        ),
    }),
  )

/** Gather by the definition: one element at a time. */
function naive(
  source: Tensor<'float32'>,
  selections: readonly { axis: number; index: Uint32Array; factors?: Float64Array | undefined }[],
) {
  const dims = source.dims.map(
    (size, axis) => selections.find((s) => s.axis === axis)?.index.length ?? size,
  )
  return Array.from({ length: elementCount(dims) }, (_, position) => {
    let rest = position
    let offset = 0
    let stride = 1
    let factor = 1
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const at = rest % dims[axis]!
      rest = Math.floor(rest / dims[axis]!)
      const selection = selections.find((s) => s.axis === axis)
      offset += (selection?.index[at] ?? at) * stride
      factor *= selection?.factors?.[at] ?? 1
      stride *= source.dims[axis]!
    }
    return source.data[offset]! * factor
  })
}

describe('lazy gathers', () => {
  it('equal the definition, read as a whole and by ranges', () => {
    fc.assert(
      fc.property(cases, fc.nat(), fc.nat(), ({ dims, selections }, a, b) => {
        const source = float32(
          dims,
          Array.from({ length: elementCount(dims) }, (_, i) => i + 1),
        )
        const clean = selections.map(({ axis, index, factors }) => ({
          axis,
          index,
          ...(factors && { factors }),
        }))
        const lazy = gather(source, clean)
        const expected = naive(source, clean)
        expect(toNumbers(lazy)).toEqual(expected)
        const [start, end] = [a % (expected.length + 1), b % (expected.length + 1)].sort(
          (x, y) => x - y,
        )
        const part = lazy.read(start! * 4, (end! - start!) * 4).slice()
        expect([...new Float32Array(part.buffer)]).toEqual(expected.slice(start, end))
        expect([...source.data]).toEqual(
          expected.length >= 0 ? Array.from({ length: elementCount(dims) }, (_, i) => i + 1) : [],
        )
      }),
      { numRuns: 500 },
    )
  })

  it('reads only what it needs of rows that are too long to hold', () => {
    // 12 MB in one row: the first axis is gathered, so a row is the whole tensor.
    const [rows, width] = [3, 1024 * 1024]
    let read = 0
    const source = {
      dtype: 'float32' as const,
      dims: [rows, width],
      byteLength: rows * width * 4,
      read(offset: number, length: number) {
        read += length
        return new Uint8Array(
          Float32Array.from({ length: length / 4 }, (_, i) => offset / 4 + i).buffer,
        )
      },
    }
    const lazy = gather(source, [{ axis: 0, index: Uint32Array.of(0, 1, 2, 1) }])
    const bytes = lazy.read((3 * width + 5) * 4, 40).slice()
    expect([...new Float32Array(bytes.buffer)]).toEqual(
      Array.from({ length: 10 }, (_, i) => width + 5 + i),
    )
    expect(read).toBe(40)
  })

  it('computes with float16 and leaves other types alone', () => {
    const source = new Tensor('float16', [3], Uint16Array.from([1, 2, 3], toFloat16))
    const lazy = gather(source, [
      { axis: 0, index: Uint32Array.of(0, 2, 2), factors: Float64Array.of(1, 0.5, 0.5) },
    ])
    expect(Array.from(materialize(lazy).data as Uint16Array, fromFloat16)).toEqual([1, 1.5, 1.5])
    const integers = gather(int64([5, 6, 7]), [{ axis: 0, index: Uint32Array.of(2, 2, 0) }])
    expect(toNumbers(integers)).toEqual([7, 7, 5])
    expect(() =>
      toNumbers(
        gather(int64([1]), [{ axis: 0, index: Uint32Array.of(0), factors: Float64Array.of(2) }]),
      ),
    ).toThrow()
  })

  it('passes every element once, with its position, to the change', () => {
    const lazy = gather(float32([100_000], new Float32Array(100_000)), [], (values, start) => {
      for (let i = 0; i < values.length; i++) values[i]! += start + i
    })
    const data = materialize(lazy).data as Float32Array
    expect(data[70_000]).toBe(70_000)
    expect(data.every((value, i) => value === i)).toBe(true)
  })
})

describe('lazy fills', () => {
  it('equal filled tensors', () => {
    const fill = { kind: 'normal', mean: 0, deviation: 1 } as const
    expect(materialize(lazyFill(fill, 'float32', [3, 4], 7, 'x')).data).toEqual(
      fillTensor(fill, 'float32', [3, 4], 7, 'x').data,
    )
    expect(materialize(lazyFill(fill, 'float64', [3, 4], 7, 'x')).data).toEqual(
      fillTensor(fill, 'float64', [3, 4], 7, 'x').data,
    )
    const half = materialize(lazyFill({ kind: 'identity', axes: [0, 1] }, 'float16', [2, 2], 0))
    expect(Array.from(half.data as Uint16Array, fromFloat16)).toEqual([1, 0, 0, 1])
  })
  it('can be read from anywhere to anywhere', () => {
    const fills: readonly Fill[] = [
      { kind: 'constant', value: 0.5 },
      { kind: 'values', values: Array.from({ length: 4 * 3 * 2 * 3 }, (_, i) => i) },
      { kind: 'identity', axes: [0, 1], at: { 2: 1, 3: 1 } },
      { kind: 'identity', axes: [0, 1], at: { 2: 0, 3: 2 }, wrap: true },
      { kind: 'identity', axes: [1, 3] },
    ]
    const dims = [4, 3, 2, 3]
    fc.assert(
      fc.property(
        fc.constantFrom(...fills),
        fc.constantFrom('float32' as const, 'float64' as const),
        fc.nat(72),
        fc.nat(72),
        (fill, dtype, a, b) => {
          const [start, end] = [Math.min(a, b), Math.max(a, b)]
          const item = dtype === 'float32' ? 4 : 8
          const whole = fillTensor(fill, dtype, dims, 0).read(0, 72 * item)
          expect(lazyFill(fill, dtype, dims, 0).read(start * item, (end - start) * item)).toEqual(
            whole.slice(start * item, end * item),
          )
        },
      ),
    )
  })
})

describe('a gather of which some entries are untouched', () => {
  it('computes the others alone, whatever range is read', () => {
    const [rows, columns] = [6, 100]
    const source = float32(
      [rows, columns],
      Array.from({ length: rows * columns }, (_, i) => i + 1),
    )
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: rows, maxLength: rows }),
        fc.nat({ max: rows * columns - 1 }),
        fc.nat({ max: rows * columns }),
        (untouched, start, wanted) => {
          const axis = { axis: 0, index: Uint32Array.from({ length: rows }, (_, i) => i) }
          const count = Math.min(wanted, rows * columns - start)
          const seen = new Uint8Array(rows * columns)
          const gathered = gather(
            source,
            [axis],
            (values, at) => {
              for (let i = 0; i < values.length; i++) {
                seen[at + i]!++
                values[i]! *= -1
              }
            },
            { axis: 0, flags: Uint8Array.from(untouched, Number) },
          )
          const found = new Float32Array(gathered.read(4 * start, 4 * count).slice().buffer)
          const isRead = (i: number) => i >= start && i < start + count
          const changed = (i: number) => !untouched[Math.floor(i / columns)]
          expect(Array.from(seen)).toEqual(
            Array.from(seen, (_, i) => Number(isRead(i) && changed(i))),
          )
          expect(Array.from(found)).toEqual(
            Array.from(found, (_, i) => (changed(start + i) ? -1 : 1) * (start + i + 1)),
          )
        },
      ),
    )
  })
})

describe('a Buffer of Node', () => {
  it.each([
    ['float32', [1.5, -2, 3e-5]],
    ['int8', [-3, 0, 127]],
    ['int32', [-3, 70_000, 127]],
  ] as const)('holds elements of %s at any offset', (dtype, values) => {
    const plain = new Uint8Array(4 * values.length)
    encode('float32', Float64Array.from(values), plain)
    const bytes = dtype === 'float32' ? plain : new Uint8Array(integers[dtype](values).buffer)
    for (let offset = 0; offset < 4; offset++) {
      const buffer = Buffer.alloc(offset + bytes.length + 1)
      buffer.set(bytes, offset)
      const found = decode(dtype, buffer.subarray(offset, offset + bytes.length))
      expect([...found]).toEqual([...decode(dtype, bytes)])
    }
  })

  it('becomes plain bytes in a tensor and a source, of which slices are copies', () => {
    const buffer = Buffer.from([1, 2, 3, 4])
    const { data } = new Tensor('uint8', [4], buffer)
    for (const bytes of [data, memorySource(buffer).read(0, 4)]) {
      bytes.slice()[0] = 9
      expect([...bytes]).toEqual([1, 2, 3, 4])
      expect(bytes.buffer).toBe(buffer.buffer)
    }
  })
})

const integers = {
  int8: (values: readonly number[]) => Int8Array.from(values),
  int32: (values: readonly number[]) => Int32Array.from(values),
}
