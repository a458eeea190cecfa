/** ValueInfoProto ⇄ ValueDeclaration. */
import { create } from '@bufbuild/protobuf'
import { inputError } from '../errors.ts'
import type { Dim, Shape, ValueDeclaration, ValueType } from '../model/model.ts'
import { quote } from '../model/quote.ts'
import { dtypeFromCode, dtypes } from '../tensor/dtype.ts'
import {
  type TensorShapeProto,
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  type TypeProto,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './onnx_pb.ts'
import { hasUnknown, metadataOf, metadataProps, passthrough, restored } from './passthrough.ts'
import type { Where } from './wire.ts'

export function decodeValueInfo(proto: ValueInfoProto, where: Where): ValueDeclaration {
  const name = proto.name ?? ''
  if (name === '') throw inputError(`${where()} has no name.`)
  const type = decodeType(proto.type, () => `${where()} ${quote(name)}`)
  // A type that says more than a `ValueType` can is kept whole.
  const shown = sameMeaning(proto.type, type) ? ['name', 'type'] : ['name']
  const metadata = metadataOf(proto.metadataProps)
  if (metadata) shown.push('metadata_props')
  const rest = passthrough(ValueInfoProtoSchema, proto, ...shown)
  return { name, type, ...(metadata && { metadata }), ...(rest && { rest }) }
}

export function encodeValueInfo(value: ValueDeclaration): ValueInfoProto {
  const proto = restored(ValueInfoProtoSchema, value.rest)
  proto.name = value.name
  if (value.metadata) proto.metadataProps = metadataProps(value.metadata)
  if (
    proto.type &&
    sameType(
      decodeType(proto.type, () => value.name),
      value.type,
    )
  )
    return proto
  const type = encodeType(value.type)
  if (type && proto.type?.denotation !== undefined) type.denotation = proto.type.denotation
  if (type) proto.type = type
  else delete proto.type
  return proto
}

function decodeType(type: TypeProto | undefined, where: Where): ValueType {
  if (type === undefined || (type.value.case === undefined && !isMarked(type)))
    return { kind: 'tensor', dtype: undefined, shape: undefined }
  if (type.value.case !== 'tensorType') return { kind: 'opaque' }
  const { elemType, shape } = type.value.value
  return {
    kind: 'tensor',
    dtype: dtypeFromCode(elemType ?? 0),
    shape: shape?.dim.map((dim, i) => decodeDim(dim, () => `${where()}: type.shape.dim[${i}]`)),
  }
}

function decodeDim({ value }: TensorShapeProto_Dimension, where: Where): Dim {
  if (value.case === 'dimParam') return value.value === '' ? null : value.value
  // Some exporters write -1 for a size that is not known.
  if (value.case === undefined || value.value === -1n) return null
  if (value.value < 0n || value.value > BigInt(Number.MAX_SAFE_INTEGER))
    throw inputError(`${where()} is ${value.value}, which is not a size.`)
  return Number(value.value)
}

function encodeType(type: ValueType): TypeProto | undefined {
  if (type.kind === 'opaque' || (type.dtype === undefined && type.shape === undefined))
    return undefined
  const tensor = create(TypeProto_TensorSchema)
  if (type.dtype !== undefined) tensor.elemType = dtypes[type.dtype].code
  if (type.shape !== undefined) tensor.shape = encodeShape(type.shape)
  return create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } })
}

const encodeShape = (shape: Shape): TensorShapeProto =>
  create(TensorShapeProtoSchema, {
    dim: shape.map((dim) =>
      create(TensorShapeProto_DimensionSchema, {
        value:
          typeof dim === 'number'
            ? { case: 'dimValue', value: BigInt(dim) }
            : typeof dim === 'string'
              ? { case: 'dimParam', value: dim }
              : { case: undefined },
      }),
    ),
  })

const isMarked = (message: TypeProto | TensorShapeProto_Dimension): boolean =>
  message.denotation !== undefined || hasUnknown(message)

/** Would encoding `decoded` give `type` again? */
function sameMeaning(type: TypeProto | undefined, decoded: ValueType): boolean {
  if (type === undefined) return true
  if (type.value.case !== 'tensorType' || decoded.kind !== 'tensor' || isMarked(type)) return false
  const tensor = type.value.value
  const elementKnown = tensor.elemType === (decoded.dtype && dtypes[decoded.dtype].code)
  if (!elementKnown || hasUnknown(tensor)) return false
  if (tensor.shape === undefined) return decoded.dtype !== undefined
  return (
    !hasUnknown(tensor.shape) &&
    tensor.shape.dim.every(
      (dim) =>
        !isMarked(dim) &&
        !(dim.value.case === 'dimValue' && dim.value.value < 0n) &&
        !(dim.value.case === 'dimParam' && dim.value.value === ''),
    )
  )
}

function sameType(a: ValueType, b: ValueType): boolean {
  if (a.kind === 'opaque' || b.kind === 'opaque') return a.kind === b.kind
  if (a.dtype !== b.dtype || a.shape?.length !== b.shape?.length) return false
  return a.shape?.every((dim, i) => dim === b.shape?.[i]) ?? true
}
