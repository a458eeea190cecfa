/** TensorProto ⇄ LazyTensor. */
import { create } from '@bufbuild/protobuf'
import { inputError } from '../errors.ts'
import { quote, shapeText } from '../model/quote.ts'
import type { ByteSource } from '../tensor/bytes.ts'
import { type DType, dtypeFromCode, dtypes } from '../tensor/dtype.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'
import {
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from './onnx_pb.ts'
import { passthrough, restored } from './passthrough.ts'
import type { ModelSkeleton } from './skeleton.ts'
import { payloadTensor, sourceTensor } from './tensor-data.ts'
import { varintValue, type Where } from './wire.ts'

/** Where a tensor's data lie in a file beside the model; offset and length as given. */
export interface ExternalReference {
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** Opens the bytes that a reference points to: `length` of them, or refuses. */
export type OpenExternal = (reference: ExternalReference, where: Where) => ByteSource

export interface TensorContext extends Pick<ModelSkeleton, 'source' | 'payloads'> {
  readonly openExternal?: OpenExternal | undefined
}

export interface DecodedTensor {
  readonly tensor: LazyTensor
  readonly rest: TensorProto | undefined
}

const shownFields = [
  'dims',
  'data_type',
  'raw_data',
  'string_data',
  'external_data',
  'data_location',
] as const

export function decodeTensor(
  proto: TensorProto,
  context: TensorContext,
  where: Where,
  ...shown: readonly string[]
): DecodedTensor {
  const dtype = dtypeFromCode(proto.dataType ?? 0)
  if (!dtype)
    throw inputError(`${where()}: data_type ${proto.dataType ?? 0} is not an element type of ONNX.`)
  const dims = decodeDims(proto.dims, dtype, where)
  return {
    tensor: tensorOf(proto, dtype, dims, context, where),
    rest: passthrough(TensorProtoSchema, proto, ...shownFields, ...shown),
  }
}

function tensorOf(
  proto: TensorProto,
  dtype: DType,
  dims: readonly number[],
  context: TensorContext,
  where: Where,
): LazyTensor {
  const payload =
    proto.rawData === undefined ? undefined : context.payloads[varintValue(proto.rawData)]
  const needed = elementCount(dims)
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    if (payload || proto.stringData.length > 0)
      throw inputError(`${where()}: data_location is EXTERNAL, but the file holds data for it too.`)
    return externalTensor(proto, dtype, dims, context, where)
  }
  if (dtype === 'string') {
    if (payload) throw inputError(`${where()}: ${payload.field} cannot hold strings.`)
    if (proto.stringData.length !== needed)
      throw inputError(
        `${where()}: string_data has ${proto.stringData.length} entries, dims ${shapeText(dims)} need ${needed}.`,
      )
    return stringTensor(dims, proto.stringData)
  }
  if (proto.stringData.length > 0)
    throw inputError(`${where()}: string_data cannot hold elements of type ${dtype}.`)
  if (payload) return payloadTensor(context.source, payload, dtype, dims, where)
  if (needed > 0)
    throw inputError(`${where()} has no data, dims ${shapeText(dims)} of ${dtype} need some.`)
  return { dtype, dims, byteLength: 0, read: () => new Uint8Array(0) }
}

/** A tensor of strings, given as UTF-8. */
export const stringTensor = (
  dims: readonly number[],
  strings: readonly Uint8Array[],
): LazyTensor => ({
  dtype: 'string',
  dims,
  byteLength: 0,
  read: () => new Uint8Array(0),
  strings,
})

function externalTensor(
  proto: TensorProto,
  dtype: DType,
  dims: readonly number[],
  context: TensorContext,
  where: Where,
): LazyTensor {
  const entries = new Map<string, string>()
  for (const { key = '', value = '' } of proto.externalData) {
    if (entries.has(key)) throw inputError(`${where()}: external_data gives ${quote(key)} twice.`)
    entries.set(key, value)
  }
  if (dtype === 'string') throw inputError(`${where()}: strings cannot lie in external_data.`)
  const location = entries.get('location')
  if (location === undefined || location === '')
    throw inputError(`${where()}: external_data has no location.`)
  const needed = Math.ceil((elementCount(dims) * dtypes[dtype].bits) / 8)
  const offset = decimal(entries.get('offset'), 'offset', where) ?? 0
  const length = decimal(entries.get('length'), 'length', where) ?? needed
  if (length !== needed)
    throw inputError(
      `${where()}: external_data.length is ${length}, dims ${shapeText(dims)} of ${dtype} need ${needed}.`,
    )
  if (!Number.isSafeInteger(offset + length))
    throw inputError(`${where()}: external_data.offset ${offset} lies beyond any file.`)
  if (!context.openExternal)
    throw inputError(
      `${where()}: its data lie in another file (${quote(location)}), which bytes in memory do not have; load the model by its path.`,
    )
  return sourceTensor(context.openExternal({ location, offset, length }, where), 0, dtype, dims)
}

function decimal(text: string | undefined, key: string, where: Where): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw inputError(`${where()}: external_data.${key} is ${quote(text)}, not a number of bytes.`)
  return value
}

const MAX_RANK = 255

/** Dimensions as numbers; refuses those whose data no file could hold. */
function decodeDims(dims: readonly bigint[], dtype: DType, where: Where): readonly number[] {
  if (dims.length > MAX_RANK)
    throw inputError(`${where()}: dims has ${dims.length} entries, more than ${MAX_RANK}.`)
  const negative = dims.find((dim) => dim < 0n)
  if (negative !== undefined)
    throw inputError(`${where()}: dims has the negative size ${negative}.`)
  // Sizes of zero are left out, so that the other sizes must be possible on their own.
  const bits = dims.reduce((product, dim) => product * (dim || 1n), BigInt(dtypes[dtype].bits || 8))
  if (bits / 8n > BigInt(Number.MAX_SAFE_INTEGER))
    throw inputError(`${where()}: dims ${shapeText(dims)} claim more bytes than any file can hold.`)
  return dims.map(Number)
}

/** Where a tensor's data go if not into the model file. */
export interface ExternalPlace {
  readonly location: string
  readonly offset: number
}

/** A tensor as a TensorProto whose `raw_data` is only the number of its payload. */
export function encodeTensor(
  tensor: LazyTensor,
  rest: unknown,
  addPayload: (tensor: LazyTensor) => Uint8Array,
  place?: ExternalPlace,
): TensorProto {
  const proto = restored(TensorProtoSchema, rest)
  proto.dims = tensor.dims.map(BigInt)
  proto.dataType = dtypes[tensor.dtype].code
  if (tensor.strings) proto.stringData = [...tensor.strings]
  else if (!place) proto.rawData = addPayload(tensor)
  else {
    const entries = { ...place, length: tensor.byteLength }
    proto.dataLocation = TensorProto_DataLocation.EXTERNAL
    proto.externalData = Object.entries(entries).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value: String(value) }),
    )
  }
  return proto
}
