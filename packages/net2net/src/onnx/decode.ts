/** ONNX bytes → Model. */
import { fromBinary } from '@bufbuild/protobuf'
import { inputError, Net2NetError } from '../errors.ts'
import type { Attribute, Graph, Initializer, Model, Node } from '../model/model.ts'
import { quote } from '../model/quote.ts'
import { type ByteSource, memorySource } from '../tensor/bytes.ts'
import { type AttributeDecoding, decodeAttribute } from './attribute-proto.ts'
import { unusedDomains, withoutCalls } from './functions.ts'
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
} from './onnx_pb.ts'
import { hasUnknown, metadataEntry, metadataOf, passthrough } from './passthrough.ts'
import { readSkeleton } from './skeleton.ts'
import { decodeTensor, type OpenExternal } from './tensor-proto.ts'
import { validateGraph } from './validate.ts'
import { decodeValueInfo } from './value-info.ts'
import type { Where } from './wire.ts'

/** The newest IR version that onnx.proto describes. */
export const NEWEST_IR_VERSION = 14

export interface DecodeOptions {
  /** Gives access to data in other files; without it, a model that has such data is refused. */
  readonly openExternal?: OpenExternal | undefined
  /** What messages call the model where it is none: the name of its file. Default: "The model". */
  readonly name?: string | undefined
}

/**
 * Decodes an ONNX file that is in memory. The model's tensors are views of `bytes`, which must
 * not change afterwards. Throws an `input` error that names the field for whatever is broken.
 * Nodes that are not in topological order are sorted.
 */
export const decodeModel = (bytes: Uint8Array, options: DecodeOptions = {}): Model =>
  decodeSource(memorySource(bytes), options)

/** Decodes an ONNX file; tensors are read from the source when they are needed. */
export function decodeSource(source: ByteSource, options: DecodeOptions = {}): Model {
  const { name = 'The model' } = options
  const parts = readSkeleton(source, name)
  let proto: ModelProto
  try {
    proto = fromBinary(ModelProtoSchema, parts.skeleton)
  } catch (cause) {
    if (cause instanceof Net2NetError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw inputError(`${name} is not a valid ONNX file: ${reason}.`, { where: name, cause })
  }
  if (!proto.graph)
    throw inputError(`${name} is not an ONNX model: it has no graph.`, { where: name })
  const { source: data, payloads } = parts
  const decoding = { source: data, payloads, openExternal: options.openExternal, decodeGraph }
  function decodeGraph(graph: GraphProto, where: Where): Graph {
    return decodeGraphProto(graph, decoding, where)
  }
  const written = validateGraph(decodeGraph(proto.graph, () => 'graph'))
  const irVersion = decodeIrVersion(proto)
  const opsets = new Map(decodeOpsets(proto, irVersion))
  const inlined =
    proto.functions.length === 0
      ? undefined
      : withoutCalls(written, proto, opsets, ({ skeleton, ...parts }) => {
          const { node = [] } = fromBinary(ModelProtoSchema, skeleton).graph ?? {}
          const context = { ...decoding, ...parts }
          return node.map((each, i) => decodeNode(each, context, () => `function.node[${i}]`))
        })
  const graph = inlined ? validateGraph(inlined.graph) : written
  if (inlined) {
    for (const domain of unusedDomains(inlined, proto)) opsets.delete(domain)
    proto.functions = [...inlined.left]
  }
  // Lists that an exporter wrote in ways of its own are kept as they are.
  const shown = ['ir_version', 'graph']
  if (proto.opsetImport.every((entry) => entry.domain !== undefined && !hasUnknown(entry)))
    shown.push('opset_import')
  const keys = new Set(proto.metadataProps.map(({ key }) => key))
  if (keys.size === proto.metadataProps.length && !proto.metadataProps.some(hasUnknown))
    shown.push('metadata_props')
  const rest = passthrough(ModelProtoSchema, proto, ...shown)
  return {
    irVersion,
    opsets,
    graph,
    metadata: new Map(proto.metadataProps.map(metadataEntry)),
    ...(rest && { rest }),
  }
}

function decodeIrVersion(proto: ModelProto): number {
  const version = proto.irVersion ?? 0n
  if (version < 1n || version > BigInt(NEWEST_IR_VERSION))
    throw inputError(`ir_version is ${version}; versions 1 to ${NEWEST_IR_VERSION} can be read.`)
  return Number(version)
}

function decodeOpsets(proto: ModelProto, irVersion: number): ReadonlyMap<string, number> {
  const opsets = new Map<string, number>()
  proto.opsetImport.forEach(({ domain = '', version = 0n }, i) => {
    const oldest = domain === '' || domain === 'ai.onnx' ? 1n : 0n
    if (version < oldest || version > 1_000_000n)
      throw inputError(
        `opset_import[${i}]: version ${version} of ${quote(domain)} is not a version.`,
      )
    const other = opsets.get(domain)
    if (other !== undefined && other !== Number(version))
      throw inputError(
        `opset_import[${i}]: ${quote(domain)} is imported as ${other} and as ${version}.`,
      )
    opsets.set(domain, Number(version))
  })
  if (irVersion >= 3 && opsets.size === 0)
    throw inputError('opset_import is empty, but IR version 3 and later demand an operator set.')
  return opsets
}

function decodeGraphProto(proto: GraphProto, context: AttributeDecoding, where: Where): Graph {
  const values = (field: 'input' | 'output' | 'valueInfo', name: string) =>
    proto[field].map((value, i) => decodeValueInfo(value, () => `${where()}.${name}[${i}]`))
  const initializers = new Map<string, Initializer>()
  proto.initializer.forEach((tensorProto, i) => {
    const name = tensorProto.name ?? ''
    const place = () => `${where()}.initializer[${i}] ${quote(name)}`
    if (name === '') throw inputError(`${place()} has no name.`)
    if (initializers.has(name))
      throw inputError(`${place()}: another initializer has the same name.`)
    const metadata = metadataOf(tensorProto.metadataProps)
    const shown = metadata ? ['name', 'metadata_props'] : ['name']
    const { tensor, rest } = decodeTensor(tensorProto, context, place, ...shown)
    initializers.set(name, { tensor, ...(metadata && { metadata }), ...(rest && { rest }) })
  })
  const rest = passthrough(
    GraphProtoSchema,
    proto,
    'name',
    'node',
    'initializer',
    'input',
    'output',
    'value_info',
  )
  return {
    name: proto.name ?? '',
    nodes: proto.node.map((node, i) => decodeNode(node, context, () => `${where()}.node[${i}]`)),
    inputs: values('input', 'input'),
    outputs: values('output', 'output'),
    values: values('valueInfo', 'value_info'),
    initializers,
    ...(rest && { rest }),
  }
}

function decodeNode(proto: NodeProto, context: AttributeDecoding, where: Where): Node {
  const { name = '', opType = '', domain = '', input, output } = proto
  const place = () => `${where()}${name === '' ? '' : ` ${quote(name)}`}`
  if (opType === '') throw inputError(`${place()} has no op_type.`)
  const attributes = new Map<string, Attribute>()
  proto.attribute.forEach((attribute, i) => {
    const key = attribute.name ?? ''
    const at = () => `${place()}.attribute[${i}]${key === '' ? '' : ` ${quote(key)}`}`
    if (key === '') throw inputError(`${at()} has no name.`)
    if (attributes.has(key)) throw inputError(`${at()}: the node has this attribute twice.`)
    attributes.set(key, decodeAttribute(attribute, context, at))
  })
  const metadata = metadataOf(proto.metadataProps)
  const shown = ['name', 'op_type', 'domain', 'input', 'output', 'attribute']
  const rest = passthrough(
    NodeProtoSchema,
    proto,
    ...shown,
    ...(metadata ? ['metadata_props'] : []),
  )
  return {
    name,
    opType,
    domain,
    inputs: input,
    outputs: output,
    attributes,
    ...(metadata && { metadata }),
    ...(rest && { rest }),
  }
}
