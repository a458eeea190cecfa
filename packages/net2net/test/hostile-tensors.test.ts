/** Tensors whose data and dimensions do not agree: refused, with the field named. */
import { expect, test } from 'vitest'
import { decodeModel } from '../src/onnx/decode.ts'
import {
  fine,
  good,
  type HostileCase,
  testRefusals,
  withAttribute,
  withWeight,
} from '../testing/hostile.ts'
import * as w from '../testing/wire-writer.ts'

const cases: readonly HostileCase[] = [
  [
    'raw_data too short',
    withWeight('conv1.weight', [64, 1, 3, 3], [w.raw(10)]),
    /graph\.initializer\[0\] "conv1\.weight": raw_data has 10 bytes, dims \[64,1,3,3\] of float32 need 2304/,
  ],
  [
    'raw_data too long',
    withWeight('w', [2], [w.raw(12)]),
    /raw_data has 12 bytes, dims \[2\] of float32 need 8/,
  ],
  [
    'float_data too short',
    withWeight('w', [2], [w.block(4, new Uint8Array(4))]),
    /"w": float_data has 1 entries, dims \[2\] of float32 need 2/,
  ],
  [
    'float_data that ends inside a number',
    withWeight('w', [2], [w.block(4, new Uint8Array(7))]),
    /"w": float_data ends inside a number/,
  ],
  [
    'int64_data too long',
    withWeight('w', [1], [w.block(7, Uint8Array.of(1, 2))], 7),
    /"w": int64_data has 2 entries, dims \[1\] of int64 need 1/,
  ],
  ['an int8 of 300', withWeight('w', [1], [w.int(5, 300)], 3), /"w": int32_data: entry 0 is 300/],
  [
    'string_data too short',
    withWeight('w', [2], [w.block(6, 'one')], 8),
    /"w": string_data has 1 entries, dims \[2\] need 2/,
  ],
  [
    'strings in a float tensor',
    withWeight('w', [1], [w.block(6, 'one')]),
    /"w": string_data cannot hold elements of type float32/,
  ],
  [
    'float_data in an int64 tensor',
    withWeight('w', [1], [w.block(4, new Uint8Array(4))], 7),
    /"w": float_data cannot hold elements of type int64/,
  ],
  ['raw strings', withWeight('w', [1], [w.raw(4)], 8), /"w": raw_data cannot hold strings/],
  [
    'data in two forms',
    withWeight('w', [1], [w.raw(4), w.block(4, new Uint8Array(4))]),
    /initializer\[0\] gives its data as raw_data and as float_data/,
  ],
  [
    'raw_data twice',
    withWeight('w', [1], [w.raw(4), w.raw(4)]),
    /initializer\[0\] gives its data twice/,
  ],
  ['no data', withWeight('w', [2, 2], []), /"w" has no data, dims \[2,2\]/],
  [
    'an unknown element type',
    withWeight('w', [1], [w.raw(4)], 99),
    /"w": data_type 99 is not an element type/,
  ],
  [
    'no element type',
    withWeight('w', [1], [w.raw(4)], 0),
    /"w": data_type 0 is not an element type/,
  ],
  ['a negative size', withWeight('w', [-1, 4], [w.raw(4)]), /"w": dims has the negative size -1/],
  [
    'sizes whose product wraps around to 4',
    withWeight('w', [2n ** 32n, 2n ** 32n + 1n], [w.raw(4)]),
    /"w": dims \[.*\] claim more bytes than any file can hold/,
  ],
  ['a size of 2^62', withWeight('w', [2n ** 62n], [w.raw(4)]), /"w": dims \[.*\] claim more bytes/],
  [
    '2^40 elements',
    withWeight('w', [2n ** 40n], [w.raw(4)]),
    /"w": raw_data has 4 bytes, dims \[1099511627776\] of float32 need 4398046511104/,
  ],
  ['2^40 elements without data', withWeight('w', [2n ** 40n], []), /"w" has no data/],
  ['2^40 strings', withWeight('w', [2n ** 40n], [], 8), /"w": string_data has 0 entries/],
  [
    '2^40 elements of two bits',
    withWeight('w', [2n ** 40n], [w.raw(4)], 25),
    /"w": raw_data has 4 bytes/,
  ],
  [
    '2^40 elements in a tensor attribute',
    withAttribute('value', 4, w.block(5, w.tensor('', [2n ** 40n], [w.raw(4)]))),
    /graph\.node\[0\] "y"\.attribute\[0\] "value"\.t: raw_data has 4 bytes/,
  ],
  [
    'a thousand dimensions',
    withWeight(
      'w',
      Array.from({ length: 1000 }, () => 1),
      [w.raw(4)],
    ),
    /"w": dims has 1000 entries/,
  ],
  [
    'a negative size in a type',
    w.model(w.input('q', -7), ...fine),
    /graph\.input\[0\] "q": type\.shape\.dim\[0\] is -7/,
  ],
  [
    'an overflowing size in a type',
    w.model(w.input('q', 2n ** 62n), ...fine),
    /graph\.input\[0\] "q": type\.shape\.dim\[0\] is 4611686018427387904/,
  ],
]

testRefusals(cases)

test('the same models with sound sizes are accepted', () => {
  expect(decodeModel(good).graph.nodes).toHaveLength(1)
  expect(decodeModel(withWeight('w', [2], [w.raw(8)])).graph.initializers.size).toBe(1)
})
