/** Protobuf by hand, for files that no encoder would write. */
import { varint } from '../src/onnx/wire.ts'

export type Bytes = Uint8Array

export const join = (parts: readonly Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts))
export const concat = (...parts: readonly Bytes[]): Bytes => join(parts)

/** A varint of a signed 64-bit integer. */
export function signed(value: bigint): Bytes {
  const bytes: number[] = []
  let left = BigInt.asUintN(64, value)
  for (; left >= 128n; left >>= 7n) bytes.push(Number(left & 127n) | 128)
  bytes.push(Number(left))
  return Uint8Array.from(bytes)
}

const tag = (number: number, wireType: number) => varint(number * 8 + wireType)

/** An integer field. */
export const int = (number: number, value: number | bigint): Bytes =>
  concat(tag(number, 0), signed(BigInt(value)))

/** A field of bytes, text or a message made of fields. */
export function block(number: number, ...content: readonly (Bytes | string)[]): Bytes {
  const bytes = concat(
    ...content.map((part) => (typeof part === 'string' ? new TextEncoder().encode(part) : part)),
  )
  return concat(tag(number, 2), varint(bytes.length), bytes)
}

export const fixed32 = (number: number, value: number): Bytes => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setFloat32(0, value, true)
  return concat(tag(number, 5), bytes)
}

/** The head of a block that claims `length` bytes without having them. */
export const claim = (number: number, length: number): Bytes =>
  concat(tag(number, 2), varint(length))

// The messages of ONNX, with the fields that tests vary.

export const model = (...graph: readonly Bytes[]): Bytes => modelWith(block(7, ...graph))
export const modelWith = (...fields: readonly Bytes[]): Bytes =>
  concat(int(1, 8), block(8, block(1, ''), int(2, 18)), ...fields)

export const node = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...more: readonly Bytes[]
): Bytes =>
  block(
    1,
    ...inputs.map((name) => block(1, name)),
    ...outputs.map((name) => block(2, name)),
    block(3, outputs[0] ?? opType),
    block(4, opType),
    ...more,
  )

export const attribute = (name: string, type: number, ...value: readonly Bytes[]): Bytes =>
  block(5, block(1, name), ...value, int(20, type))

const shape = (dims: readonly (number | bigint | string)[]) =>
  block(2, ...dims.map((dim) => block(1, typeof dim === 'string' ? block(2, dim) : int(1, dim))))
const value = (number: number, name: string, dims: readonly (number | bigint | string)[]) =>
  block(number, block(1, name), block(2, block(1, int(1, 1), shape(dims))))
export const input = (name: string, ...dims: readonly (number | bigint | string)[]): Bytes =>
  value(11, name, dims)
export const output = (name: string, ...dims: readonly (number | bigint | string)[]): Bytes =>
  value(12, name, dims)

/** The fields of a TensorProto: float32 unless `type` says otherwise. */
export const tensor = (
  name: string,
  dims: readonly (number | bigint)[],
  data: readonly Bytes[],
  type = 1,
): Bytes => concat(...dims.map((dim) => int(1, dim)), int(2, type), block(8, name), ...data)
export const initializer = (
  name: string,
  dims: readonly (number | bigint)[],
  data: readonly Bytes[],
  type?: number,
): Bytes => block(5, tensor(name, dims, data, type))
/** raw_data of so many zero bytes. */
export const raw = (length: number): Bytes => block(9, new Uint8Array(length))

/** The external_data entries of a tensor. */
export const external = (entries: Readonly<Record<string, string>>): Bytes =>
  concat(
    ...Object.entries(entries).map(([key, text]) => block(13, block(1, key), block(2, text))),
    int(14, 1),
  )
