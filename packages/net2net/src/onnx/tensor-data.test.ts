import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as w from '../../testing/wire-writer.ts'
import { type DType, dtypes } from '../tensor/dtype.ts'
import type { LazyTensor, TypedArray } from '../tensor/tensor.ts'
import { decodeModel } from './decode.ts'
import { encodeModel } from './encode.ts'

/** The field numbers of TensorProto. */
const fields = { float: 4, int32: 5, int64: 7, double: 10, uint64: 11 } as const

/** One initializer with the given data fields. */
function decode(dtype: DType, count: number, ...data: readonly w.Bytes[]): LazyTensor {
  const bytes = w.model(
    w.input('x', 1),
    w.output('x', 1),
    w.initializer('w', [count], data, dtypes[dtype].code),
  )
  return decodeModel(bytes).graph.initializers.get('w')!.tensor
}

const read = (tensor: LazyTensor) => Buffer.from(tensor.read(0, tensor.byteLength))
const bytesOf = (array: TypedArray) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)

/** A list of numbers, cut at random into packed pieces and single entries. */
function pieces(
  number: number,
  entries: readonly w.Bytes[],
  wireType: number,
  cuts: readonly boolean[],
) {
  const result: w.Bytes[] = []
  for (let i = 0; i < entries.length; ) {
    const length = cuts[i] ? 1 : 3
    const piece = entries.slice(i, i + length)
    const single = w.concat(Uint8Array.of(number * 8 + wireType), piece[0]!)
    result.push(length === 1 ? single : w.block(number, ...piece))
    i += length
  }
  return result
}

const array = <T>(values: fc.Arbitrary<T>) => fc.array(values, { maxLength: 20 })
const cuts = fc.array(fc.boolean(), { minLength: 20, maxLength: 20 })
const big = (min: bigint, max: bigint) => fc.bigInt({ min, max })

const integers: readonly (readonly [
  DType,
  keyof typeof fields,
  fc.Arbitrary<bigint>,
  (values: bigint[]) => TypedArray,
])[] = [
  ['int32', 'int32', big(-(2n ** 31n), 2n ** 31n - 1n), (v) => Int32Array.from(v, Number)],
  ['int16', 'int32', big(-(2n ** 15n), 2n ** 15n - 1n), (v) => Int16Array.from(v, Number)],
  ['uint16', 'int32', big(0n, 2n ** 16n - 1n), (v) => Uint16Array.from(v, Number)],
  ['float16', 'int32', big(0n, 2n ** 16n - 1n), (v) => Uint16Array.from(v, Number)],
  ['bfloat16', 'int32', big(0n, 2n ** 16n - 1n), (v) => Uint16Array.from(v, Number)],
  ['int8', 'int32', big(-128n, 127n), (v) => Int8Array.from(v, Number)],
  ['uint8', 'int32', big(0n, 255n), (v) => Uint8Array.from(v, Number)],
  ['bool', 'int32', big(0n, 1n), (v) => Uint8Array.from(v, Number)],
  ['float8e4m3fn', 'int32', big(0n, 255n), (v) => Uint8Array.from(v, Number)],
  ['float8e8m0', 'int32', big(0n, 255n), (v) => Uint8Array.from(v, Number)],
  ['int64', 'int64', big(-(2n ** 63n), 2n ** 63n - 1n), (v) => BigInt64Array.from(v)],
  ['uint64', 'uint64', big(0n, 2n ** 64n - 1n), (v) => BigUint64Array.from(v)],
  ['uint32', 'uint64', big(0n, 2n ** 32n - 1n), (v) => Uint32Array.from(v, Number)],
]

describe('typed lists hold the same numbers as raw_data', () => {
  test.each(integers)('%s in %s_data', (dtype, field, values, toArray) => {
    fc.assert(
      fc.property(array(values), cuts, (entries, cuts) => {
        const data = pieces(fields[field], entries.map(w.signed), 0, cuts)
        if (entries.length === 0) return
        const expected = bytesOf(toArray(entries))
        expect(read(decode(dtype, entries.length, ...data))).toEqual(expected)
        expect(read(decode(dtype, entries.length, w.block(9, expected)))).toEqual(expected)
      }),
    )
  })

  test.each([
    ['float32', 'float', 1, 5, (v: number[]) => Float32Array.from(v)],
    ['float64', 'double', 1, 1, (v: number[]) => Float64Array.from(v)],
    ['complex64', 'float', 2, 5, (v: number[]) => Float32Array.from(v)],
    ['complex128', 'double', 2, 1, (v: number[]) => Float64Array.from(v)],
  ] as const)('%s in %s_data', (dtype, field, parts, wireType, toArray) => {
    fc.assert(
      fc.property(
        array(fc.array(fc.double(), { minLength: parts, maxLength: parts })),
        cuts,
        (elements, cuts) => {
          const numbers = elements.flat()
          if (numbers.length === 0) return
          const entries = numbers.map((value) => new Uint8Array(toArray([value]).buffer))
          const data = pieces(fields[field], entries, wireType, cuts)
          expect(read(decode(dtype, elements.length, ...data))).toEqual(bytesOf(toArray(numbers)))
        },
      ),
    )
  })

  test('elements below eight bits come several to an entry', () => {
    const list = w.block(5, Uint8Array.of(0x12, 0x83, 0x01))
    for (const dtype of ['int4', 'uint4', 'float4e2m1'] as const)
      expect([...read(decode(dtype, 3, list))]).toEqual([0x12, 0x83])
    for (const dtype of ['int2', 'uint2'] as const)
      expect([...read(decode(dtype, 7, list))]).toEqual([0x12, 0x83])
  })
})

test.each([
  ['int64', 7, 'varint'],
  ['float32', 4, 'fixed'],
] as const)('long lists of %s are read in any part', (dtype, field, form) => {
  const count = 140_000
  const values = dtype === 'int64' ? new BigInt64Array(count) : new Float32Array(count)
  for (let i = 0; i < count; i++) values[i] = dtype === 'int64' ? BigInt(i * i - 1000) : i / 7
  const list =
    form === 'fixed' ? bytesOf(values) : w.join(Array.from(values as BigInt64Array, w.signed))
  const tensor = decode(dtype, count, w.block(field, list))
  const size = values.BYTES_PER_ELEMENT
  expect(Buffer.from(tensor.read(120_000 * size, 4 * size))).toEqual(
    bytesOf(values.slice(120_000, 120_004)),
  )
  expect(read(tensor).equals(bytesOf(values))).toBe(true)
})

test('a tensor without elements needs no data, and gets an empty raw_data', () => {
  const bytes = w.model(w.input('x', 1), w.output('x', 1), w.initializer('w', [0, 3], []))
  expect(decodeModel(bytes).graph.initializers.get('w')!.tensor.byteLength).toBe(0)
  const again = decodeModel(encodeModel(decodeModel(bytes)))
  expect(again.graph.initializers.get('w')!.tensor.dims).toEqual([0, 3])
})
