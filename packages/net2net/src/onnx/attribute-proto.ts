/** AttributeProto ⇄ Attribute. */
import { inputError } from '../errors.ts'
import type { Attribute, Graph } from '../model/model.ts'
import type { LazyTensor } from '../tensor/tensor.ts'
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
} from './onnx_pb.ts'
import { passthrough, restored } from './passthrough.ts'
import { decodeTensor, encodeTensor, type TensorContext } from './tensor-proto.ts'
import type { Where } from './wire.ts'

export interface AttributeDecoding extends TensorContext {
  decodeGraph(proto: GraphProto, where: Where): Graph
}

export interface AttributeEncoding {
  encodeGraph(graph: Graph): GraphProto
  addPayload(tensor: LazyTensor): Uint8Array
}

export function decodeAttribute(
  proto: AttributeProto,
  context: AttributeDecoding,
  where: Where,
): Attribute {
  const type = typeOf(proto)
  refuseStrays(proto, type, where)
  const rest = (...shown: readonly string[]) => {
    const left = passthrough(AttributeProtoSchema, proto, 'name', 'type', ...shown)
    return left ? { rest: left } : {}
  }
  // A reference to a function's attribute has no value of its own.
  if (proto.refAttrName) return { type: 'opaque', rest: proto }
  switch (type) {
    case AttributeType.INT:
      return { type: 'int', value: proto.i ?? 0n, ...rest('i') }
    case AttributeType.INTS:
      return { type: 'ints', value: proto.ints, ...rest('ints') }
    case AttributeType.FLOAT:
      return { type: 'float', value: proto.f ?? 0, ...rest('f') }
    case AttributeType.FLOATS:
      return { type: 'floats', value: proto.floats, ...rest('floats') }
    case AttributeType.STRING: {
      const value = textOf(proto.s ?? new Uint8Array(0))
      return value === undefined
        ? { type: 'opaque', rest: proto }
        : { type: 'string', value, ...rest('s') }
    }
    case AttributeType.STRINGS: {
      const value = proto.strings.map(textOf)
      return value.every((text) => text !== undefined)
        ? { type: 'strings', value, ...rest('strings') }
        : { type: 'opaque', rest: proto }
    }
    case AttributeType.TENSOR: {
      if (!proto.t) throw inputError(`${where()} has type TENSOR, but no tensor t.`)
      const { tensor, rest: left } = decodeTensor(proto.t, context, () => `${where()}.t`)
      const { t: _, ...others } = proto
      const kept = passthrough(
        AttributeProtoSchema,
        left ? { ...others, t: left } : others,
        'name',
        'type',
      )
      return { type: 'tensor', value: tensor, ...(kept ? { rest: kept } : {}) }
    }
    case AttributeType.GRAPH:
      if (!proto.g) throw inputError(`${where()} has type GRAPH, but no graph g.`)
      return {
        type: 'graph',
        value: context.decodeGraph(proto.g, () => `${where()}.g`),
        ...rest('g'),
      }
    case AttributeType.GRAPHS:
      return {
        type: 'graphs',
        value: proto.graphs.map((graph, i) =>
          context.decodeGraph(graph, () => `${where()}.graphs[${i}]`),
        ),
        ...rest('graphs'),
      }
    default:
      return { type: 'opaque', rest: proto }
  }
}

export function encodeAttribute(
  name: string,
  attribute: Attribute,
  context: AttributeEncoding,
): AttributeProto {
  const proto = restored(AttributeProtoSchema, attribute.rest)
  proto.name = name
  switch (attribute.type) {
    case 'int':
      proto.i = attribute.value
      proto.type = AttributeType.INT
      break
    case 'ints':
      proto.ints = [...attribute.value]
      proto.type = AttributeType.INTS
      break
    case 'float':
      proto.f = attribute.value
      proto.type = AttributeType.FLOAT
      break
    case 'floats':
      proto.floats = [...attribute.value]
      proto.type = AttributeType.FLOATS
      break
    case 'string':
      proto.s = new TextEncoder().encode(attribute.value)
      proto.type = AttributeType.STRING
      break
    case 'strings':
      proto.strings = attribute.value.map((text) => new TextEncoder().encode(text))
      proto.type = AttributeType.STRINGS
      break
    case 'tensor':
      proto.t = encodeTensor(attribute.value, proto.t, context.addPayload)
      proto.type = AttributeType.TENSOR
      break
    case 'graph':
      proto.g = context.encodeGraph(attribute.value)
      proto.type = AttributeType.GRAPH
      break
    case 'graphs':
      proto.graphs = attribute.value.map((graph) => context.encodeGraph(graph))
      proto.type = AttributeType.GRAPHS
      break
  }
  return proto
}

/** The declared type; IR version 1 had none, there the value that is given decides. */
function typeOf(proto: AttributeProto): AttributeType {
  if (proto.type) return proto.type
  if (proto.f !== undefined) return AttributeType.FLOAT
  if (proto.i !== undefined) return AttributeType.INT
  if (proto.s !== undefined) return AttributeType.STRING
  if (proto.t) return AttributeType.TENSOR
  if (proto.g) return AttributeType.GRAPH
  if (proto.floats.length > 0) return AttributeType.FLOATS
  if (proto.ints.length > 0) return AttributeType.INTS
  if (proto.strings.length > 0) return AttributeType.STRINGS
  if (proto.graphs.length > 0) return AttributeType.GRAPHS
  return AttributeType.UNDEFINED
}

/** A tensor or graph beside the value that the type names would never be read. */
function refuseStrays(proto: AttributeProto, type: AttributeType, where: Where): void {
  const stray =
    proto.t && (type !== AttributeType.TENSOR || proto.refAttrName)
      ? 't'
      : proto.g && (type !== AttributeType.GRAPH || proto.refAttrName)
        ? 'g'
        : proto.graphs.length > 0 && (type !== AttributeType.GRAPHS || proto.refAttrName)
          ? 'graphs'
          : undefined
  if (stray !== undefined)
    throw inputError(
      `${where()} gives ${stray}, but has type ${AttributeType[type] ?? type}${proto.refAttrName ? ' and a reference' : ''}.`,
    )
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
