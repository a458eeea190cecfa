/** What the readers and writers ask about the schema of onnx.proto. */
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { ScalarType } from '@bufbuild/protobuf'
import { WireType } from './wire.ts'

/** Fields of TensorProto that hold numbers; strings stay where they are. */
export const tensorDataFields = [
  'raw_data',
  'float_data',
  'int32_data',
  'int64_data',
  'double_data',
  'uint64_data',
] as const
export type TensorDataField = (typeof tensorDataFields)[number]

/** The ways from the model down to the tensors that a `Model` gives access to. */
const tensorWays = new Set([
  'onnx.ModelProto.graph',
  'onnx.GraphProto.node',
  'onnx.GraphProto.initializer',
  'onnx.NodeProto.attribute',
  'onnx.AttributeProto.t',
  'onnx.AttributeProto.g',
  'onnx.AttributeProto.graphs',
])

export interface FieldFacts {
  readonly name: string
  readonly repeated: boolean
  readonly wireType: number
  /** A list of numbers: may also come packed into one delimited field. */
  readonly packable: boolean
  readonly message: DescMessage | undefined
  readonly isString: boolean
  /** Leads to tensors whose data are kept out of memory. */
  readonly leadsToTensors: boolean
  readonly tensorData: TensorDataField | undefined
  /** Says whether a tensor's data lie in another file. */
  readonly dataLocation: boolean
}

const factsOfMessages = new WeakMap<DescMessage, ReadonlyMap<number, FieldFacts>>()

/** The fields of a message by their numbers. */
export function fieldsOf(message: DescMessage): ReadonlyMap<number, FieldFacts> {
  let facts = factsOfMessages.get(message)
  if (!facts) {
    facts = new Map(message.fields.map((field) => [field.number, factsOf(field)]))
    factsOfMessages.set(message, facts)
  }
  return facts
}

function factsOf(field: DescField): FieldFacts {
  const message = field.message
  const scalar = field.scalar
  const isEnum = field.enum !== undefined
  const wireType = message ? WireType.delimited : isEnum ? WireType.varint : wireTypeOf(scalar)
  const repeated = field.fieldKind === 'list'
  return {
    name: field.name,
    repeated,
    wireType,
    packable: repeated && wireType !== WireType.delimited,
    message,
    isString: scalar === ScalarType.STRING,
    leadsToTensors: tensorWays.has(`${field.parent.typeName}.${field.name}`),
    tensorData:
      field.parent.typeName === 'onnx.TensorProto'
        ? tensorDataFields.find((name) => name === field.name)
        : undefined,
    dataLocation: field.name === 'data_location',
  }
}

function wireTypeOf(scalar: ScalarType | undefined): number {
  switch (scalar) {
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.fixed32
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.fixed64
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.delimited
    default:
      return WireType.varint
  }
}
