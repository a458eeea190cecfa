/** Broken and hostile model files: each is refused in one sentence that names the field. */
import { performance } from 'node:perf_hooks'
import { expect, test } from 'vitest'
import { Net2NetError } from '../src/errors.ts'
import { decodeModel } from '../src/onnx/decode.ts'
import * as w from '../src/onnx/testing/wire-writer.ts'

const x = w.input('x', 1)
const y = w.output('y', 1)
const relu = w.node('Relu', ['x'], ['y'])
const fine = [x, relu, y]
const good = w.model(...fine)
const withWeight = (...weight: Parameters<typeof w.initializer>) =>
  w.model(...fine, w.initializer(...weight))
const withAttribute = (...fields: Parameters<typeof w.attribute>) =>
  w.model(x, w.node('Relu', ['x'], ['y'], w.attribute(...fields)), y)
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

const cases: readonly (readonly [name: string, bytes: w.Bytes, message: RegExp])[] = [
  // Not a model at all.
  ['an empty file', new Uint8Array(0), /^model: is not an ONNX file, for it is empty/],
  ['plain text', text('Hello, this is no model.\n'), /^model: is not an ONNX file/],
  ['JSON', text('{"graph": {}}'), /^model: is not an ONNX file/],
  [
    'a PNG',
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    /^model: is not an ONNX file/,
  ],
  ['a zip archive', text('PK\x03\x04\x14\x00\x00\x00\x08\x00'), /^model: is not an ONNX/],
  [
    'an HDF5 file',
    Uint8Array.of(0x89, 0x48, 0x44, 0x46, 13, 10, 26, 10),
    /^model: is not an ONNX file/,
  ],
  ['zeros', new Uint8Array(1000), /^model: is not an ONNX file: byte 0/],
  ['ones', new Uint8Array(1000).fill(255), /^model: is not an ONNX file/],
  ['a model without a graph', w.modelWith(), /model: is not an ONNX model, for it has no graph/],

  // Broken encoding.
  ['a truncated file', good.subarray(0, good.length - 5), /^model: field 7 .* truncated/],
  [
    'a file that ends in a tag',
    w.concat(good, Uint8Array.of(0x80)),
    /^model: ends inside a number/,
  ],
  [
    'a length that ends nowhere',
    w.modelWith(w.claim(7, 2 ** 40)),
    /^model: field 7 .* claims 1099511627776 bytes/,
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
  ['an integer where a message belongs', w.modelWith(w.int(7, 5)), /^graph: has wire type 0/],
  [
    'text where an integer belongs',
    w.concat(w.block(1, 'x'), good),
    /^ir_version: has wire type 2/,
  ],
  [
    'a name that is not UTF-8',
    w.model(...fine, w.block(2, Uint8Array.of(0xc3, 0x28))),
    /^graph\.name: is not UTF-8/,
  ],
  [
    'an input name that is not UTF-8',
    w.model(...fine, w.block(1, w.block(1, Uint8Array.of(0xff)))),
    /^graph\.node\[1\]\.input\[0\]: is not UTF-8/,
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
  ['no IR version', w.concat(w.block(8, w.int(2, 18)), w.block(7, ...fine)), /^ir_version: is 0/],
  ['a negative IR version', w.concat(good, w.int(1, -1)), /^ir_version: is -1/],
  ['an IR version of the far future', w.concat(good, w.int(1, 1000)), /^ir_version: is 1000/],
  ['no operator set', w.concat(w.int(1, 8), w.block(7, ...fine)), /^opset_import: is empty/],
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

  // Nodes, values and their order.
  [
    'a cycle',
    w.model(x, w.node('Add', ['x', 'b'], ['a']), w.node('Relu', ['a'], ['b']), w.output('b')),
    /graph\.node\[\d\]: the graph has a cycle of 2 nodes \("b" \(Relu\) → "a" \(Add\)\)/,
  ],
  [
    'a node that feeds itself',
    w.model(x, w.node('Relu', ['y'], ['y']), y),
    /graph\.node\[0\]: .* cycle of 1 node/,
  ],
  [
    'a cycle through a subgraph',
    w.model(
      x,
      w.node(
        'If',
        ['x'],
        ['a'],
        w.attribute('then_branch', 5, w.block(6, w.node('Relu', ['y'], ['i']), w.output('i'))),
      ),
      w.node('Relu', ['a'], ['y']),
      y,
    ),
    /graph\.node\[\d\]: .* cycle of 2/,
  ],
  [
    'a cycle within a subgraph',
    w.model(
      x,
      w.node(
        'If',
        ['x'],
        ['y'],
        w.attribute(
          'then_branch',
          5,
          w.block(6, w.node('Relu', ['j'], ['i']), w.node('Relu', ['i'], ['j']), w.output('i')),
        ),
      ),
      y,
    ),
    /graph\.node\[0\]\.attribute "then_branch"\.g\.node\[\d\]: .* cycle/,
  ],
  [
    'an undefined node input',
    w.model(x, w.node('Add', ['x', 'ghost'], ['y']), y),
    /graph\.node\[0\] "y" \(Add\): input\[1\] "ghost" is not defined/,
  ],
  [
    'an undefined graph output',
    w.model(...fine, w.output('ghost')),
    /graph\.output\[1\]: "ghost" is not defined/,
  ],
  [
    'an undefined value in a subgraph',
    w.model(
      x,
      w.node(
        'If',
        ['x'],
        ['y'],
        w.attribute('then_branch', 5, w.block(6, w.node('Relu', ['ghost'], ['i']), w.output('i'))),
      ),
      y,
    ),
    /graph\.node\[0\] "y" \(If\): captured value "ghost" is not defined/,
  ],
  [
    'two nodes with one output',
    w.model(...fine, relu),
    /graph\.node\[1\] "y" \(Relu\): output\[0\] "y" is already defined/,
  ],
  [
    'a node that gives one name twice',
    w.model(x, w.node('Split', ['x'], ['y', 'y']), y),
    /graph\.node\[0\] .*output\[1\] "y" is already defined/,
  ],
  [
    'a node that redefines an input',
    w.model(x, w.node('Relu', ['x'], ['x']), w.output('x')),
    /graph\.node\[0\] .*output\[0\] "x" is already defined/,
  ],
  [
    'a node that redefines a weight',
    w.model(...fine, w.initializer('w', [1], [w.raw(4)]), w.node('Relu', ['x'], ['w'])),
    /graph\.node\[1\] .*output\[0\] "w" is already defined/,
  ],
  [
    'two inputs with one name',
    w.model(x, ...fine),
    /graph\.input\[1\]: another input is also called "x"/,
  ],
  [
    'two initializers with one name',
    w.model(...fine, w.initializer('w', [1], [w.raw(4)]), w.initializer('w', [1], [w.raw(4)])),
    /graph\.initializer\[1\] "w": another initializer has the same name/,
  ],
  [
    'an initializer without a name',
    withWeight('', [1], [w.raw(4)]),
    /graph\.initializer\[0\] "": has no name/,
  ],
  ['an input without a name', w.model(w.input('', 1), ...fine), /graph\.input\[0\]: has no name/],
  [
    'a node without an operator',
    w.model(x, w.node('', ['x'], ['y']), y),
    /graph\.node\[0\] "y": has no op_type/,
  ],
  [
    'an attribute without a name',
    withAttribute('', 2, w.int(3, 1)),
    /graph\.node\[0\] "y"\.attribute\[0\]: has no name/,
  ],
  [
    'an attribute given twice',
    w.model(
      x,
      w.node(
        'Relu',
        ['x'],
        ['y'],
        w.attribute('a', 2, w.int(3, 1)),
        w.attribute('a', 2, w.int(3, 2)),
      ),
      y,
    ),
    /attribute\[1\] "a": the node has this attribute twice/,
  ],
  [
    'a tensor attribute without its tensor',
    withAttribute('value', 4),
    /attribute\[0\] "value": has type TENSOR, but no tensor/,
  ],
  [
    'a graph attribute without its graph',
    withAttribute('body', 5),
    /attribute\[0\] "body": has type GRAPH, but no graph/,
  ],
  [
    'an integer attribute with a tensor',
    withAttribute('a', 2, w.int(3, 1), w.block(5, w.tensor('', [1], [w.raw(4)]))),
    /attribute\[0\] "a": gives t, but has type INT/,
  ],

  // Sizes.
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
    /initializer\[0\]: gives its data as raw_data and as float_data/,
  ],
  [
    'raw_data twice',
    withWeight('w', [1], [w.raw(4), w.raw(4)]),
    /initializer\[0\]: gives its data twice/,
  ],
  ['no data', withWeight('w', [2, 2], []), /"w": has no data, dims \[2,2\]/],
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
  ['2^40 elements without data', withWeight('w', [2n ** 40n], []), /"w": has no data/],
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

test('the tables are built right: an unbroken model is accepted', () => {
  expect(decodeModel(good).graph.nodes).toHaveLength(1)
  expect(decodeModel(withWeight('w', [2], [w.raw(8)])).graph.initializers.size).toBe(1)
  expect(decodeModel(nested(20)).graph.nodes).toHaveLength(1)
  expect(cases.length).toBeGreaterThanOrEqual(60)
})

test.each(cases)('%s is refused', (_, bytes, message) => {
  const start = performance.now()
  const error = refusal(bytes)
  expect(performance.now() - start).toBeLessThan(2000)
  expect(error.kind).toBe('input')
  expect(error.message).toMatch(message)
  expect(error.message.length).toBeLessThan(700)
  expect(error.message).toMatch(/^[\x20-\x7e→…]*$/)
})

function refusal(bytes: w.Bytes): Net2NetError {
  try {
    decodeModel(bytes)
  } catch (error) {
    if (error instanceof Net2NetError) return error
    throw error
  }
  throw new Error('The file was accepted.')
}

test('names from a hostile file are escaped and cut short in messages', () => {
  const name = `\x1b[31m\u202e${'n'.repeat(10_000)}`
  const error = refusal(w.model(x, w.node('Relu', [name], ['y']), y))
  expect(error.message).toMatch(/^[\x20-\x7e→…]*$/)
  expect(error.message.length).toBeLessThan(300)
})

test('nodes that are only out of order are sorted', () => {
  const bytes = w.model(
    x,
    w.node('Relu', ['b'], ['y']),
    w.node(
      'If',
      ['a'],
      ['b'],
      w.attribute(
        'then_branch',
        5,
        w.block(6, w.node('Relu', ['i'], ['j']), w.node('Relu', ['c'], ['i']), w.output('j')),
      ),
    ),
    w.node('Relu', ['x'], ['c']),
    w.node('Relu', ['x'], ['a']),
    y,
  )
  const { nodes } = decodeModel(bytes).graph
  expect(nodes.map(({ outputs }) => outputs[0])).toEqual(['a', 'c', 'b', 'y'])
  const branch = nodes[2]!.attributes.get('then_branch')
  expect(branch?.type === 'graph' && branch.value.nodes.map((node) => node.name)).toEqual([
    'i',
    'j',
  ])
})

test('deep graphs do not overflow the stack, in either order', () => {
  const chain = Array.from({ length: 20_000 }, (_, i) => w.node('Relu', [`v${i}`], [`v${i + 1}`]))
  for (const nodes of [chain, chain.toReversed()]) {
    const graph = w.concat(w.input('v0', 1), w.join(nodes), w.output('v20000', 1))
    expect(decodeModel(w.model(graph)).graph.nodes.map((node) => node.name)).toEqual(
      chain.map((_, i) => `v${i + 1}`),
    )
  }
})
