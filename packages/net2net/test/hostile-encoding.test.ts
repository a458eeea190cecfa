/** Files that are no models, or broken as protobuf: refused, with the field named. */
import { expect, test } from 'vitest'
import { decodeModel } from '../src/onnx/decode.ts'
import {
  fine,
  good,
  type HostileCase,
  printable,
  refusal,
  testRefusals,
  withAttribute,
  withWeight,
  x,
  y,
} from '../testing/hostile.ts'
import * as w from '../testing/wire-writer.ts'

const many = (field: w.Bytes, count: number) => w.join(Array.from({ length: count }, () => field))
const text = (content: string) => new TextEncoder().encode(content)
/** An If in an If in an If …, so many levels deep. */
function nested(levels: number): w.Bytes {
  let graph = w.concat(w.node('Relu', ['x'], ['leaf']), w.output('leaf'))
  for (let i = 0; i < levels; i++)
    graph = w.concat(
      w.node('If', ['x'], [`o${i}`], w.attribute('then_branch', 5, w.block(6, graph))),
      w.output(`o${i}`),
    )
  return w.model(x, graph)
}

/** A chain of sequence types, so many levels deep. */
function nestedType(levels: number): w.Bytes {
  let type = w.block(1, w.int(1, 1))
  for (let i = 0; i < levels; i++) type = w.block(4, w.block(1, type))
  return w.model(...fine, w.block(13, w.block(1, 'v'), w.block(2, type)))
}
const cases: readonly HostileCase[] = [
  // Not a model at all.
  ['an empty file', new Uint8Array(0), /^The model is not an ONNX file: it is empty/],
  ['plain text', text('Hello, this is no model.\n'), /^The model is not an ONNX file/],
  ['JSON', text('{"graph": {}}'), /^The model is not an ONNX file/],
  [
    'a PNG',
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    /^The model is not an ONNX file/,
  ],
  ['a zip archive', text('PK\x03\x04\x14\x00\x00\x00\x08\x00'), /^The model is not an ONNX/],
  [
    'an HDF5 file',
    Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10),
    /^The model is not an ONNX file/,
  ],
  ['zeros', new Uint8Array(1000), /^The model is not an ONNX file: byte 0/],
  ['ones', new Uint8Array(1000).fill(255), /^The model is not an ONNX file/],
  ['a model without a graph', w.modelWith(), /^The model is not an ONNX model: it has no graph/],

  // Broken encoding.
  ['a truncated file', good.subarray(0, good.length - 5), /^the model: field 7 .* truncated/],
  [
    'a file that ends in a tag',
    w.concat(good, Uint8Array.of(0x80)),
    /^the model ends inside a number/,
  ],
  [
    'a length that ends nowhere',
    w.modelWith(w.claim(7, 2 ** 40)),
    /^the model: field 7 .* claims 1099511627776 bytes/,
  ],
  [
    'a raw_data longer than its tensor',
    withWeight('w', [1], [w.claim(9, 2 ** 31)]),
    /graph\.initializer\[0\]: field 9 .* claims 2147483648/,
  ],
  [
    'a number of eleven bytes',
    w.concat(good, Uint8Array.of(8), new Uint8Array(11).fill(0x80)),
    /number .* too long/,
  ],
  [
    'field number zero',
    w.modelWith(w.block(7, ...fine, Uint8Array.of(0, 0))),
    /^graph: byte \d+ is not the start/,
  ],
  [
    'a group',
    w.modelWith(w.block(7, ...fine, Uint8Array.of(0x0b, 0x0c))),
    /^graph: field 1 .* wire type 3/,
  ],
  ['an integer where a message belongs', w.modelWith(w.int(7, 5)), /^graph has wire type 0/],
  ['text where an integer belongs', w.concat(w.block(1, 'x'), good), /^ir_version has wire type 2/],
  [
    'a name that is not UTF-8',
    w.model(...fine, w.block(2, Uint8Array.of(0xc3, 0x28))),
    /^graph\.name is not UTF-8/,
  ],
  [
    'an input name that is not UTF-8',
    w.model(...fine, w.block(1, w.block(1, Uint8Array.of(0xff)))),
    /^graph\.node\[1\]\.input\[0\] is not UTF-8/,
  ],
  ['two graphs', w.concat(good, w.block(7, ...fine)), /graph is given twice/],
  [
    'two tensors in one attribute',
    withAttribute('t', 4, w.block(5, w.tensor('', [0], [])), w.block(5, w.tensor('', [0], []))),
    /graph\.node\[0\]\.attribute\[0\]: field t is given twice/,
  ],
  [
    'int32 list cut off',
    withWeight('w', [2], [w.block(5, Uint8Array.of(1, 0x80))], 6),
    /initializer\[0\] "w": int32_data: its last number is cut off/,
  ],

  // Versions.
  ['no IR version', w.concat(w.block(8, w.int(2, 18)), w.block(7, ...fine)), /^ir_version is 0/],
  ['a negative IR version', w.concat(good, w.int(1, -1)), /^ir_version is -1/],
  ['an IR version of the far future', w.concat(good, w.int(1, 1000)), /^ir_version is 1000/],
  ['no operator set', w.concat(w.int(1, 8), w.block(7, ...fine)), /^opset_import is empty/],
  [
    'a negative operator set',
    w.concat(good, w.block(8, w.int(2, -3))),
    /^opset_import\[1\]: version -3/,
  ],
  [
    'two versions of one operator set',
    w.concat(good, w.block(8, w.int(2, 11))),
    /^opset_import\[1\]: "" is imported as 18 and as 11/,
  ],

  // Too much of everything.
  [
    'subgraphs 1,000 deep',
    nested(1000),
    /^graph\.node\[0\]\.attribute\[0\]\.g\.node.*nested more than 100 deep/,
  ],
  [
    'types 1,000 deep',
    nestedType(1000),
    /^graph\.value_info\[0\]\.type.*nested more than 100 deep/,
  ],
  [
    'a million empty nodes',
    w.model(...fine, many(w.block(1), 1_000_000)),
    /graph\.node\[\d+\]: the model has more than 750000 parts/,
  ],
  [
    'a million unknown fields',
    w.model(...fine, many(w.int(99, 1), 1_000_000)),
    /graph: the model has more than 750000 parts/,
  ],
  [
    'three million inputs of a node',
    w.model(...fine, w.block(1, w.block(4, 'Sum'), many(w.block(1), 3_000_000))),
    /graph\.node\[1\]\.input.* more than 2000000 list entries/,
  ],
  [
    'three million integers in an attribute',
    withAttribute('a', 7, w.block(8, new Uint8Array(3_000_000))),
    /graph\.node\[0\]\.attribute\[0\]\.ints\[0\]: .* more than 2000000 list entries/,
  ],

  // Data in other files, where there is no other file.
  [
    'external data of bytes in memory',
    withWeight('w', [1], [w.external({ location: 'w.bin' })]),
    /"w": its data lie in another file \("w\.bin"\)/,
  ],
  [
    'external data and data',
    withWeight('w', [1], [w.raw(4), w.external({ location: 'w.bin' })]),
    /"w": data_location is EXTERNAL, but/,
  ],
  [
    'external data without a location',
    withWeight('w', [1], [w.external({ offset: '0' })]),
    /"w": external_data has no location/,
  ],
  [
    'external data in a sparse tensor',
    w.model(
      ...fine,
      w.block(15, w.block(1, w.tensor('s', [1], [w.external({ location: '/etc/passwd' })]))),
    ),
    /graph\.sparse_initializer\[0\]\.values\.data_location/,
  ],
  [
    'external data in a function',
    w.concat(
      good,
      w.block(
        25,
        w.block(
          7,
          w.block(4, 'Constant'),
          w.attribute('value', 4, w.block(5, w.tensor('', [1], [w.external({ location: 'x' })]))),
        ),
      ),
    ),
    /functions\[0\]\.node\[0\]\.attribute\[0\]\.t\.data_location/,
  ],
]

testRefusals(cases)

test('subgraphs of a reasonable depth are accepted', () => {
  expect(decodeModel(nested(20)).graph.nodes).toHaveLength(1)
})

test('names from a hostile file are escaped and cut short in messages', () => {
  const name = `\x1b[31m\u202e${'n'.repeat(10_000)}`
  const error = refusal(w.model(x, w.node('Relu', [name], ['y']), y))
  expect(error.message).toMatch(printable)
  expect(error.message.length).toBeLessThan(300)
})
