/** Calls of functions that a file defines become the functions' nodes. */
import { create, toBinary } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { subgraphs } from '../model/attributes.ts'
import type { Graph } from '../model/model.ts'
import { nodeRuntime } from '../runtime/onnxruntime.node.ts'
import { float32 } from '../tensor/tensor.ts'
import { decodeModel } from './decode.ts'
import { encodeModel } from './encode.ts'
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  FunctionProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from './onnx_pb.ts'

type NodeInit = Parameters<typeof create<typeof NodeProtoSchema>>[1]
const node = (opType: string, input: string[], output: string[], more: NodeInit = {}) =>
  create(NodeProtoSchema, { opType, input, output, ...more })
const { FLOAT, GRAPH, TENSOR } = AttributeProto_AttributeType
const float = (name: string, f: number) => create(AttributeProtoSchema, { name, f, type: FLOAT })
const reference = (name: string, refAttrName: string) =>
  create(AttributeProtoSchema, { name, refAttrName, type: FLOAT })
const set = (domain: string, version: bigint) =>
  create(OperatorSetIdProtoSchema, { domain, version })
const vector = (name: string) =>
  create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, {
      value: {
        case: 'tensorType',
        value: create(TypeProto_TensorSchema, {
          elemType: 1,
          shape: create(TensorShapeProtoSchema, {
            dim: [
              create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: 3n } }),
            ],
          }),
        }),
      },
    }),
  })
const numbers = (name: string, values: readonly number[]) =>
  create(AttributeProtoSchema, {
    name,
    type: TENSOR,
    t: create(TensorProtoSchema, {
      dims: [BigInt(values.length)],
      dataType: 1,
      rawData: new Uint8Array(Float32Array.from(values).buffer),
    }),
  })

/** y = leaky(x + [1, -2, 3]) with a slope that calls may give, and a branch that reads a value of the body. */
const leaky = (opset = 18n) =>
  create(FunctionProtoSchema, {
    name: 'Leaky',
    domain: 'own',
    input: ['x'],
    output: ['y', 'sum'],
    attribute: ['other'],
    attributeProto: [float('slope', 0.5)],
    opsetImport: [set('', opset)],
    node: [
      node('Constant', [], ['c'], { attribute: [numbers('value', [1, -2, 3])] }),
      node('Add', ['x', 'c'], ['sum']),
      node('LeakyRelu', ['sum'], ['t'], { attribute: [reference('alpha', 'slope')] }),
      node('ReduceMax', ['t'], ['m'], {}),
      node('Constant', [], ['zero'], { attribute: [float('value_float', 0)] }),
      node('Greater', ['m', 'zero'], ['p'], {}),
      node('Squeeze', ['p'], ['q'], {}),
      node('If', ['q'], ['y'], {
        attribute: [branch('then_branch', 'Neg'), branch('else_branch', 'Identity')],
      }),
    ],
  })
const branch = (name: string, opType: string) =>
  create(AttributeProtoSchema, {
    name,
    type: GRAPH,
    g: create(GraphProtoSchema, {
      name,
      node: [node(opType, ['t'], ['inner'])],
      output: [vector('inner')],
    }),
  })

const file = (
  nodes: readonly ReturnType<typeof node>[],
  functions: readonly ReturnType<typeof leaky>[],
) =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: 8n,
      opsetImport: [set('', 18n), set('own', 1n)],
      functions: [...functions],
      graph: create(GraphProtoSchema, {
        name: 'g',
        node: [...nodes],
        input: [vector('x')],
        output: [vector('z')],
      }),
    }),
  )
const call = (opType: string, from: string, to: string[], more: NodeInit = {}) =>
  node(opType, [from], to, { domain: 'own', name: `${opType} of ${from}`, ...more })
const run = async (bytes: Uint8Array) => {
  const session = await nodeRuntime.createSession(bytes)
  const { z } = await session.run({ x: float32([3], [-1, 0.5, -4]) })
  await session.release()
  return [...(z!.data as Float32Array)]
}
const operators = ({ nodes }: Graph): readonly string[] =>
  nodes.flatMap((each) => [each.opType, ...subgraphs(each).flatMap(operators)])

describe('functions of a file', () => {
  test('are put in the place of their calls, twice and within one another', async () => {
    const twice = create(FunctionProtoSchema, {
      name: 'Twice',
      domain: 'own',
      input: ['x'],
      output: ['same', 'y'],
      opsetImport: [set('', 18n), set('own', 1n)],
      node: [
        call('Leaky', 'x', ['sum', 'unused'], { attribute: [float('slope', 0.25)] }),
        call('Leaky', 'sum', ['y', 'unread']),
        node('Identity', ['x'], ['same']),
      ],
    })
    const bytes = file(
      [
        call('Leaky', 'x', ['a', 'also']),
        call('Twice', 'a', ['b', 'sum']),
        node('Add', ['b', 'sum'], ['z']),
      ],
      [leaky(), twice],
    )
    const model = decodeModel(bytes)
    expect(model.graph.nodes.every(({ domain }) => domain === '')).toBe(true)
    expect([...model.opsets.keys()]).toEqual([''])
    const written = encodeModel(model)
    expect(await run(written)).toEqual(await run(bytes))
  })

  test('that give an input back become copies', () => {
    const passed = create(FunctionProtoSchema, {
      name: 'Pass',
      domain: 'own',
      input: ['x'],
      output: ['x', 'x'],
      opsetImport: [set('', 18n)],
    })
    const { graph } = decodeModel(
      file([call('Pass', 'x', ['a', 'b']), node('Add', ['a', 'b'], ['z'])], [passed]),
    )
    expect(graph.nodes.map(({ opType, inputs }) => [opType, ...inputs])).toEqual([
      ['Identity', 'x'],
      ['Identity', 'x'],
      ['Add', 'a', 'b'],
    ])
  })

  test('that call themselves, or are of another operator set, stay as they are', () => {
    const endless = create(FunctionProtoSchema, {
      ...leaky(),
      name: 'Endless',
      node: [call('Endless', 'x', ['y']), node('Identity', ['x'], ['sum'])],
    })
    for (const [name, functions] of [
      ['Endless', [endless]],
      ['Leaky', [leaky(17n)]],
    ] as const) {
      const model = decodeModel(file([call(name, 'x', ['z'])], functions))
      expect(operators(model.graph)).toEqual([name])
      expect(decodeModel(encodeModel(model)).opsets.get('own')).toBe(1)
    }
  })

  test('that double a model thirty times are left alone, quickly', () => {
    const doubling = Array.from({ length: 30 }, (_, i) =>
      create(FunctionProtoSchema, {
        name: `F${i}`,
        domain: 'own',
        input: ['x'],
        output: ['y'],
        opsetImport: [set('', 18n), set('own', 1n)],
        node:
          i === 29
            ? [node('Neg', ['x'], ['y'])]
            : [call(`F${i + 1}`, 'x', ['t']), call(`F${i + 1}`, 't', ['y'])],
      }),
    )
    const model = decodeModel(file([call('F0', 'x', ['z'])], doubling))
    expect(operators(model.graph)).toEqual(['F0'])
  })
})
