/** Model → ONNX bytes: sizes first, then a stream of chunks, so that no model is ever in memory. */
import { create, type DescMessage, toBinary } from '@bufbuild/protobuf'
import { inputError, usageError } from '../errors.ts'
import type { Graph, Model, Node } from '../model/model.ts'
import { memorySource } from '../tensor/bytes.ts'
import { type LazyTensor, readInto } from '../tensor/tensor.ts'
import { type AttributeEncoding, encodeAttribute } from './attribute-proto.ts'
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from './onnx_pb.ts'
import { metadataEntry, metadataProps, opsetEntry, restored } from './passthrough.ts'
import { fieldsOf } from './schema.ts'
import { type ExternalPlace, encodeTensor } from './tensor-proto.ts'
import { encodeValueInfo } from './value-info.ts'
import { varint, varintValue, WireReader, WireType } from './wire.ts'

/** Protobuf messages end here; larger models need external data. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1
const CHUNK = 4 * 2 ** 20

export interface EncodeOptions {
  /** Asked for every initializer; undefined leaves the data in the model. */
  readonly placeExternal?: (tensor: LazyTensor) => ExternalPlace | undefined
}

export type Part = Uint8Array | LazyTensor

/** A model ready to be written. */
export interface EncodedModel {
  readonly byteLength: number
  /** What the bytes are made of, in order. */
  readonly parts: readonly Part[]
}

/** The bytes of an ONNX file, in memory. Throws for models of 2 GiB or more. */
export const encodeModel = (model: Model): Uint8Array => bytesOf(encodeStream(model))

/** The same, once all tensors are there to be read. */
export async function encodeWhenReady(model: Model): Promise<Uint8Array> {
  const encoded = encodeStream(model)
  for (const part of encoded.parts)
    if (!(part instanceof Uint8Array)) await part.ready?.(0, part.byteLength)
  return bytesOf(encoded)
}

function bytesOf(encoded: EncodedModel): Uint8Array {
  if (encoded.byteLength > MAX_MESSAGE_BYTES)
    throw inputError(
      `The model takes ${encoded.byteLength} bytes, but one ONNX file holds less than 2 GiB; save it with external data.`,
    )
  const bytes = new Uint8Array(encoded.byteLength)
  let at = 0
  for (const part of encoded.parts) {
    if (part instanceof Uint8Array) bytes.set(part, at)
    else readInto(part, 0, bytes.subarray(at, at + part.byteLength))
    at += part.byteLength
  }
  return bytes
}

/** Encodes everything but the tensors' data, which are read while the chunks are written. */
export function encodeStream(model: Model, options: EncodeOptions = {}): EncodedModel {
  const payloads: LazyTensor[] = []
  const proto = modelProto(model, payloads, options)
  const parts = expand(skeletonOf(proto), payloads)
  return {
    byteLength: parts.reduce((sum, part) => sum + part.byteLength, 0),
    parts,
  }
}

function skeletonOf(proto: ModelProto): Uint8Array {
  try {
    return toBinary(ModelProtoSchema, proto)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw usageError(`The model cannot be written as ONNX: ${reason}.`, { cause })
  }
}

/**
 * The data of tensors in chunks of a few megabytes. The memory is used again: a chunk is valid until
 * the next but one is asked for, so that one can be written while the next is computed.
 */
export class Chunks {
  #buffers: readonly [Uint8Array, Uint8Array] = [new Uint8Array(CHUNK), new Uint8Array(CHUNK)];

  *of(part: Part): Generator<Uint8Array, void> {
    for (let offset = 0; offset < part.byteLength; offset += CHUNK) {
      const length = Math.min(CHUNK, part.byteLength - offset)
      if (part instanceof Uint8Array) yield part.subarray(offset, offset + length)
      else if (!part.readInto) yield part.read(offset, length)
      else {
        const into = this.#buffers[0].subarray(0, length)
        this.#buffers = [this.#buffers[1], this.#buffers[0]]
        part.readInto(offset, into)
        yield into
      }
    }
  }
}

function modelProto(model: Model, payloads: LazyTensor[], options: EncodeOptions): ModelProto {
  const context: AttributeEncoding = {
    encodeGraph: (graph) => graphProto(graph, context, options),
    addPayload: (tensor) => varint(payloads.push(tensor) - 1),
  }
  const proto = restored(ModelProtoSchema, model.rest)
  proto.irVersion = BigInt(model.irVersion)
  const opsets = [...model.opsets]
  if (!sameEntries(opsets, proto.opsetImport.map(opsetEntry)))
    proto.opsetImport = opsets.map(([domain, version]) =>
      create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) }),
    )
  proto.graph = context.encodeGraph(model.graph)
  const metadata = [...model.metadata]
  if (!sameEntries(metadata, proto.metadataProps.map(metadataEntry)))
    proto.metadataProps = metadataProps(model.metadata)
  return proto
}

/** Are the entries as read those that the model has now? Then they stay as they were written. */
const sameEntries = <T>(now: readonly [string, T][], read: readonly [string, T][]): boolean => {
  const unique = [...new Map(read)]
  return (
    read.length > 0 &&
    unique.length === now.length &&
    unique.every(([key, value], i) => key === now[i]![0] && value === now[i]![1])
  )
}

function graphProto(graph: Graph, context: AttributeEncoding, options: EncodeOptions): GraphProto {
  const proto = restored(GraphProtoSchema, graph.rest)
  proto.name = graph.name
  proto.node = graph.nodes.map((node) => nodeProto(node, context))
  proto.initializer = [...graph.initializers].map(([name, { tensor, metadata, rest }]) => {
    const place = tensor.strings ? undefined : options.placeExternal?.(tensor)
    const encoded = encodeTensor(tensor, rest, context.addPayload, place)
    encoded.name = name
    if (metadata) encoded.metadataProps = metadataProps(metadata)
    return encoded
  })
  proto.input = graph.inputs.map(encodeValueInfo)
  proto.output = graph.outputs.map(encodeValueInfo)
  proto.valueInfo = graph.values.map(encodeValueInfo)
  return proto
}

function nodeProto(node: Node, context: AttributeEncoding): NodeProto {
  const proto = restored(NodeProtoSchema, node.rest)
  if (node.name !== '') proto.name = node.name
  if (node.domain !== '') proto.domain = node.domain
  proto.opType = node.opType
  if (node.metadata) proto.metadataProps = metadataProps(node.metadata)
  proto.input = [...node.inputs]
  proto.output = [...node.outputs]
  proto.attribute = [...node.attributes].map(([name, attribute]) =>
    encodeAttribute(name, attribute, context),
  )
  return proto
}

/**
 * The inverse of `readSkeleton`: puts the payloads back where the skeleton has their numbers, and
 * corrects the lengths of all messages around them.
 */
function expand(skeleton: Uint8Array, payloads: readonly LazyTensor[]): Part[] {
  const reader = new WireReader(memorySource(skeleton))
  const parts: Part[] = []
  let copied = 0
  /** Takes over skeleton bytes up to `end`; returns their number. */
  const copyTo = (end: number) => {
    const length = end - copied
    if (length > 0) parts.push(skeleton.subarray(copied, end))
    copied = end
    return length
  }
  const message = (type: DescMessage, start: number, end: number): number => {
    const types = fieldsOf(type)
    let size = 0
    for (let at = start; at < end; ) {
      const field = reader.field(at, end, () => 'model')
      at = field.end
      const facts = types.get(field.number)
      if (facts?.tensorData === 'raw_data') {
        size += copyTo(field.start)
        const tensor = payloads[varintValue(skeleton.subarray(field.valueStart, field.end))]!
        size += pushHeader(parts, field.number, tensor.byteLength)
        parts.push(tensor)
        size += tensor.byteLength
        copied = field.end
      } else if (facts?.message && facts.leadsToTensors) {
        size += copyTo(field.start)
        copied = field.valueStart
        const slot = parts.push(new Uint8Array(0)) - 1
        const inner = message(facts.message, field.valueStart, field.end)
        const header: Part[] = []
        size += pushHeader(header, field.number, inner) + inner
        parts[slot] = header[0]!
      }
    }
    return size + copyTo(end)
  }
  message(ModelProtoSchema, 0, skeleton.length)
  return parts
}

function pushHeader(parts: Part[], number: number, length: number): number {
  const header = [...varint(number * 8 + WireType.delimited), ...varint(length)]
  parts.push(Uint8Array.from(header))
  return header.length
}
