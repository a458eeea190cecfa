import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { createRegistry, equals, fromBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { normalize } from '../../testing/normalize.ts'
import { plain } from '../../testing/plain.ts'
import { randomModel } from '../../testing/random-model.ts'
import {
  attribute,
  block,
  concat,
  initializer,
  input,
  int,
  modelWith,
  node,
  output,
  raw,
} from '../../testing/wire-writer.ts'
import { decodeModel } from './decode.ts'
import { encodeModel } from './encode.ts'
import { file_onnx, ModelProtoSchema } from './onnx_pb.ts'

const everything = { unknown: true, registry: createRegistry(file_onnx) }

test('random models come back as they were', () => {
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const model = randomModel(g)
      const bytes = encodeModel(model)
      expect(plain(decodeModel(bytes))).toEqual(plain(model))
      expect(encodeModel(decodeModel(bytes))).toEqual(bytes)
      return true
    }),
    { numRuns: 300, endOnFailure: true },
  )
})

test('a plain protobuf reader finds what was written', () => {
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const model = randomModel(g)
      const proto = fromBinary(ModelProtoSchema, encodeModel(model))
      expect(proto.graph?.node.map((n) => n.opType)).toEqual(model.graph.nodes.map((n) => n.opType))
      const tensors = [...model.graph.initializers.values()].filter(({ tensor }) => !tensor.strings)
      expect(
        proto.graph?.initializer.filter((t) => t.rawData).map((t) => Buffer.from(t.rawData!)),
      ).toEqual(tensors.map(({ tensor }) => Buffer.from(tensor.read(0, tensor.byteLength))))
    }),
    { numRuns: 100, endOnFailure: true },
  )
})

test('fields that we do not know or do not show are kept, at every level', () => {
  const mark = block(999, 'kept')
  const props = (number: number) => block(number, block(1, 'key'), block(2, 'value'))
  const bytes = modelWith(
    block(2, 'producer'),
    block(6, 'model doc'),
    mark,
    block(8, block(1, 'other'), int(2, 3), mark),
    block(14, block(1, 'twice'), block(2, 'first')),
    block(14, block(1, 'twice'), block(2, 'second')),
    block(
      7,
      input('x', 1),
      block(11, block(1, 'z'), block(2, block(1, int(1, 99)), block(6, 'IMAGE'), mark), mark),
      block(11, block(1, 's'), block(2, block(4, block(1, block(1, int(1, 7)))))),
      node(
        'Relu',
        ['x'],
        ['y'],
        mark,
        block(6, 'node doc'),
        block(8, 'overload'),
        props(9),
        block(10, block(1, 'device'), int(3, 2)),
        attribute('a', 2, int(3, 5), block(13, 'attribute doc'), mark),
        attribute('t', 4, block(5, int(2, 1), int(1, 1), raw(4), block(8, 'inner'), mark)),
        attribute('bytes', 3, block(4, Uint8Array.of(0xff, 0xfe))),
        attribute('r', 1, block(21, 'of function')),
        attribute('ts', 9, block(10, int(2, 7), int(1, 2), block(7, Uint8Array.of(5, 6)))),
        attribute('tp', 13, block(14, block(1, int(1, 1)))),
        attribute('future', 77, block(55, 'new value')),
      ),
      output('y', 1),
      block(2, 'g'),
      block(10, 'graph doc'),
      block(14, block(1, 'y'), props(2)),
      block(15, block(1, int(2, 1), int(1, 1), raw(4), block(8, 'sparse')), int(3, 9)),
      props(16),
      mark,
      initializer('w', [1], [raw(4), block(12, 'tensor doc'), props(16), mark]),
    ),
    block(20, block(1, node('Relu', ['q'], ['p']), initializer('v', [1], [raw(4)]), mark)),
    block(25, block(1, 'f'), block(7, block(4, 'Add')), mark),
    block(26, block(1, 'gpu'), int(2, 4), mark),
  )
  const model = decodeModel(bytes)
  const before = fromBinary(ModelProtoSchema, bytes)
  const after = fromBinary(ModelProtoSchema, encodeModel(model))
  expect(equals(ModelProtoSchema, before, after, everything)).toBe(true)
  // The comparison would see it if something were lost.
  after.graph!.node[0]!.attribute[1]!.t!.$unknown = []
  expect(equals(ModelProtoSchema, before, after, everything)).toBe(false)
})

test('changed operator sets and metadata are written, not those that were read', () => {
  const entries = [block(8, int(2, 11)), block(14, block(1, 'k'), block(2, 'v'), block(999, ''))]
  const bytes = concat(
    int(1, 8),
    ...entries,
    block(7, block(2, 'g'), input('x', 1), output('x', 1)),
  )
  const model = decodeModel(bytes)
  expect([...model.opsets]).toEqual([['', 11]])
  const same = fromBinary(ModelProtoSchema, encodeModel(model))
  expect(same.opsetImport[0]!.domain).toBeUndefined()
  expect(equals(ModelProtoSchema, same, fromBinary(ModelProtoSchema, bytes), everything)).toBe(true)
  const changed = { ...model, opsets: new Map([['', 18]]), metadata: new Map([['k', 'w']]) }
  const again = decodeModel(encodeModel(changed))
  expect([[...again.opsets], [...again.metadata]]).toEqual([[['', 18]], [['k', 'w']]])
  const none = { ...model, opsets: new Map([['', 18]]), metadata: new Map<string, string>() }
  expect(decodeModel(encodeModel(none)).metadata.size).toBe(0)
})

test('what a change makes untrue is not restored', () => {
  const bytes = modelWith(
    block(
      7,
      block(
        11,
        block(1, 'x'),
        block(
          2,
          block(1, int(1, 1), block(2, block(1, int(1, 3)), block(1, int(1, -1)))),
          block(6, 'IMAGE'),
        ),
        block(3, 'doc'),
      ),
      output('x'),
    ),
  )
  const model = decodeModel(bytes)
  const [x] = model.graph.inputs
  expect(x!.type).toEqual({ kind: 'tensor', dtype: 'float32', shape: [3, null] })
  const changed = encodeModel({
    ...model,
    graph: {
      ...model.graph,
      inputs: [{ ...x!, type: { kind: 'tensor', dtype: 'float32', shape: [4, 'n'] } }],
    },
  })
  expect(decodeModel(changed).graph.inputs[0]!.type).toEqual({
    kind: 'tensor',
    dtype: 'float32',
    shape: [4, 'n'],
  })
  const proto = fromBinary(ModelProtoSchema, changed).graph!.input[0]!
  expect([proto.docString, proto.type?.denotation]).toEqual(['doc', 'IMAGE'])
})

const testdata = listTestdata()

function listTestdata(): string[] {
  try {
    const files = execFileSync('dpkg', ['-L', 'libonnx-testdata'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return files.split('\n').filter((file) => file.endsWith('.onnx'))
  } catch {
    return []
  }
}

describe.skipIf(testdata.length === 0)('the ONNX backend tests (libonnx-testdata)', () => {
  it('all come back with the same content, most of them byte for byte', () => {
    let identical = 0
    for (const file of testdata) {
      const bytes = fs.readFileSync(file)
      const model = decodeModel(bytes)
      const encoded = encodeModel(model)
      expect(plain(decodeModel(encoded)), file).toEqual(plain(model))
      expect(Buffer.compare(encodeModel(decodeModel(encoded)), encoded), file).toBe(0)
      if (Buffer.compare(bytes, encoded) === 0) identical++
      else {
        const [before, after] = [bytes, encoded].map((b) =>
          normalize(fromBinary(ModelProtoSchema, b)),
        )
        expect(equals(ModelProtoSchema, before!, after!, everything), file).toBe(true)
      }
    }
    expect(testdata.length).toBeGreaterThan(1000)
    expect(identical).toBeGreaterThan(testdata.length * 0.7)
  })
})
