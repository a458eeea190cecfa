import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ArrayDataset } from './dataset.ts'
import { split } from './split.ts'

const bytes = (count: number) =>
  new ArrayDataset(
    {
      input: {
        dtype: 'float32',
        dims: [2],
        data: Uint8Array.from({ length: 2 * count }, (_, i) => (i * 37) % 256),
        divisor: 255,
      },
    },
    { dtype: 'int32', dims: [], data: Uint8Array.from({ length: count }, (_, i) => i) },
  )

describe('batches', () => {
  test('divide bytes as float32 does, wherever these begin in their memory', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.nat(9),
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: 0.5, max: 300, noNaN: true }),
        (values, before, width, divisor) => {
          const rows = Math.floor(values.length / width)
          fc.pre(rows > 0)
          const memory = new Uint8Array(before + values.length)
          memory.set(values, before)
          const data = memory.subarray(before, before + rows * width)
          const input = { dtype: 'float32', dims: [width], data, divisor } as const
          const target = { dtype: 'int32', dims: [], data: new Uint8Array(rows) } as const
          const [batch] = new ArrayDataset({ input }, target).batches(rows)
          const expected = Float32Array.from(data, (value) => value / divisor)
          expect(batch!.inputs.input!.data).toEqual(expected)
        },
      ),
    )
  })

  test('hold every sample once, in the given order, the last batch included', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }).chain((count) =>
          fc.tuple(
            fc.constant(count),
            fc.integer({ min: 1, max: 12 }),
            fc.shuffledSubarray(
              Array.from({ length: count }, (_, i) => i),
              { minLength: 1 },
            ),
          ),
        ),
        ([count, size, order]) => {
          const dataset = bytes(count)
          const seen: number[] = []
          const sizes: number[] = []
          for (const { inputs, target } of dataset.batches(size, order)) {
            const rows = target.dims[0]!
            expect(inputs.input!.dims).toEqual([rows, 2])
            sizes.push(rows)
            for (let i = 0; i < rows; i++) {
              const sample = (target.data as Int32Array)[i]!
              seen.push(sample)
              const expected = [(2 * sample * 37) % 256, ((2 * sample + 1) * 37) % 256].map((v) =>
                Math.fround(v / 255),
              )
              expect([...(inputs.input!.data as Float32Array).slice(2 * i, 2 * i + 2)]).toEqual(
                expected,
              )
            }
          }
          expect(seen).toEqual(order)
          expect(sizes.slice(0, -1).every((n) => n === size)).toBe(true)
        },
      ),
    )
  })

  test('can be had as the bytes that are stored, with what to divide them by', () => {
    const dataset = bytes(5)
    const { samples, divisors } = dataset.bytes!
    expect(divisors).toEqual(new Map([['input', 255]]))
    for (const order of [undefined, [4, 0, 2]]) {
      const [batch] = samples.batches(5, order)
      const rows = order ?? [0, 1, 2, 3, 4]
      expect(batch!.inputs.input).toMatchObject({ dtype: 'uint8', dims: [rows.length, 2] })
      expect([...batch!.inputs.input!.data]).toEqual(
        rows.flatMap((row) => [(2 * row * 37) % 256, ((2 * row + 1) * 37) % 256]),
      )
      expect([...batch!.target.data]).toEqual(rows)
    }
    const floats = { dtype: 'float32', dims: [], data: new Float32Array(3) } as const
    expect(new ArrayDataset({ x: floats }, floats).bytes).toBeUndefined()
  })

  test('reuse their buffers', () => {
    const buffers = new Set<ArrayBufferLike>()
    for (const { inputs } of bytes(64).batches(8)) buffers.add(inputs.input!.data.buffer)
    expect(buffers.size).toBe(1)
  })
})

test('columns of different lengths are refused', () => {
  const column = { dtype: 'float32', dims: [], data: new Float32Array(3) } as const
  expect(() => new ArrayDataset({ x: column }, { ...column, data: new Float32Array(4) })).toThrow(
    /input x has 3 samples, but its target has 4/,
  )
})

test('what is no column, no batch size and no sample is refused', () => {
  const column = { dtype: 'float32', dims: [2], data: new Float32Array(4) } as const
  const wrong: readonly unknown[] = [
    undefined,
    [1, 2],
    { ...column, data: [1, 2] },
    { ...column, dims: undefined },
    { ...column, dims: [0] },
    { ...column, dtype: 'float' },
    { ...column, data: new Float32Array(3) },
  ]
  for (const value of wrong)
    expect(() => new ArrayDataset({ x: value as never }, column)).toThrow(
      expect.objectContaining({ kind: 'usage', where: 'x' }),
    )
  const data = new ArrayDataset({ x: column }, column)
  for (const size of [0, -1, 1.5, Number.NaN])
    expect(() => [...data.batches(size)]).toThrow(/size of a batch must be a whole number/)
  for (const order of [[2], [-1], [0.5]]) {
    expect(() => [...data.batches(1, order)]).toThrow(/no sample .*samples 0 to 1/)
    expect(() => data.pick(order)).toThrow(/no sample .*samples 0 to 1/)
  }
  expect(() => split(data, 1.5)).toThrow(/from 0 to 1, not 1.5/)
})

test('integers arrive as they are, or are refused', () => {
  const integers = ['int8', 'uint8', 'int32', 'int64', 'uint64'] as const
  fc.assert(
    fc.property(
      fc.constantFrom(...integers),
      fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt(-300n, 300n)),
      (dtype, value) => {
        const x = { dtype: 'float32', dims: [], data: new Float32Array(1) } as const
        const target = { dtype, dims: [], data: BigInt64Array.of(value) }
        const data = new ArrayDataset({ x }, target)
        const bits = BigInt(dtype.replace(/\D/g, ''))
        const fits = dtype.startsWith('u')
          ? BigInt.asUintN(Number(bits), value) === value
          : BigInt.asIntN(Number(bits), value) === value
        const take = () => data.batches(1).next().value!.target.data[0]
        if (fits) expect(BigInt(take()!)).toBe(value)
        else expect(take).toThrow(`target holds ${value}`)
      },
    ),
  )
  const fraction = { dtype: 'int32', dims: [], data: Float64Array.of(0.5) } as const
  expect(() => [...new ArrayDataset({}, fraction).batches(1)]).toThrow(/target holds 0.5/)
})

test('slices share memory, picks copy, splits lose nothing', () => {
  const dataset = bytes(10)
  expect(dataset.slice(2, 5).inputs.input!.data.buffer).toBe(dataset.inputs.input!.data.buffer)
  expect([...dataset.slice(2, 5).target.data]).toEqual([2, 3, 4])
  expect([...dataset.pick([7, 1]).target.data]).toEqual([7, 1])
  const { train, test: held } = split(dataset, 0.3, 1)
  expect([train.length, held.length]).toEqual([7, 3])
  const all = [...train.target.data, ...held.target.data].map(Number)
  expect(all.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})
