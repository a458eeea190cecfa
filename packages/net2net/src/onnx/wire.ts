/**
 * The protobuf wire format, read field by field from a source that need not fit into memory
 * (https://protobuf.dev/programming-guides/encoding/).
 */
import { inputError } from '../errors.ts'
import type { ByteSource } from '../tensor/bytes.ts'

export const WireType = { varint: 0, fixed64: 1, delimited: 2, fixed32: 5 } as const

export interface Field {
  readonly number: number
  readonly wireType: number
  /** Where the tag begins. */
  readonly start: number
  /** The value's bytes: `[valueStart, end)`, without the length prefix. */
  readonly valueStart: number
  readonly end: number
}

/** Says where in the model a byte lies, for messages; called only when something is wrong. */
export type Where = () => string

const WINDOW = 64 * 1024

export class WireReader {
  readonly source: ByteSource
  #window: Uint8Array = new Uint8Array(0)
  #windowStart = 0
  #position = 0

  constructor(source: ByteSource) {
    this.source = source
  }

  /** Bytes `[start, end)`, from the window where it holds them. */
  bytes(start: number, end: number): Uint8Array {
    const from = start - this.#windowStart
    if (from >= 0 && from + (end - start) <= this.#window.length)
      return this.#window.subarray(from, from + (end - start))
    return this.source.read(start, end - start)
  }

  /** The field whose tag begins at `start`, in a message that ends at `limit`. */
  field(start: number, limit: number, where: Where): Field {
    this.#position = start
    const tag = this.#varint(limit, where)
    const number = Math.floor(tag / 8)
    const wireType = tag % 8
    if (number < 1 || tag > 0xffffffff)
      throw inputError(`${where()}: byte ${start} is not the start of a protobuf field.`)
    let valueStart = this.#position
    let end: number
    switch (wireType) {
      case WireType.varint:
        this.#varint(limit, where)
        end = this.#position
        break
      case WireType.fixed64:
        end = valueStart + 8
        break
      case WireType.fixed32:
        end = valueStart + 4
        break
      case WireType.delimited: {
        const length = this.#varint(limit, where)
        valueStart = this.#position
        end = valueStart + length
        break
      }
      default:
        throw inputError(
          `${where()}: field ${number} at byte ${start} has wire type ${wireType}, which ONNX files never use.`,
        )
    }
    if (end > limit)
      throw inputError(
        `${where()}: field ${number} at byte ${start} claims ${end - valueStart} bytes, but only ${Math.max(0, limit - valueStart)} are left; the file is truncated or broken.`,
      )
    return { number, wireType, start, valueStart, end }
  }

  /** How many varints `[start, end)` holds. */
  countVarints(start: number, end: number, where: Where): number {
    let count = 0
    let last = 0
    for (let at = start; at < end; at += WINDOW) {
      const chunk = this.bytes(at, Math.min(end, at + WINDOW))
      for (const byte of chunk) if (byte < 0x80) count++
      last = chunk[chunk.length - 1]!
    }
    if (last >= 0x80) throw inputError(`${where()}: its last number is cut off.`)
    return count
  }

  /** The varint at the position, as a number: exact below 2^53, and only ever compared above. */
  #varint(limit: number, where: Where): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 10; i++) {
      if (this.#position >= limit)
        throw inputError(
          `${where()} ends inside a number at byte ${this.#position}; the file is truncated or broken.`,
        )
      const byte = this.#byte(this.#position++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw inputError(`${where()}: the number that ends at byte ${this.#position} is too long.`)
  }

  #byte(at: number): number {
    let from = at - this.#windowStart
    if (from < 0 || from >= this.#window.length) {
      this.#window = this.source.read(at, Math.min(WINDOW, this.source.size - at))
      this.#windowStart = at
      from = 0
    }
    return this.#window[from]!
  }
}

/** A varint in as few bytes as possible. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let left = value
  for (; left >= 0x80; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80)
  bytes.push(left)
  return Uint8Array.from(bytes)
}

/** The value of a varint of at most 32 bits. */
export const varintValue = (bytes: Uint8Array): number =>
  bytes.reduceRight((value, byte) => value * 128 + (byte & 0x7f), 0)

/** Collects bytes in one growing buffer. */
export class ByteSink {
  #buffer = new Uint8Array(4096)
  length = 0

  push(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  /** Leaves room for a length that is not known yet: a varint of always five bytes. */
  reserveLength(): number {
    this.#reserve(5)
    this.length += 5
    return this.length - 5
  }

  /** Fills in a reserved length: all bytes since. */
  patchLength(at: number): void {
    let left = this.length - at - 5
    for (let i = 0; i < 5; i++, left = Math.floor(left / 128))
      this.#buffer[at + i] = (left % 128) | (i < 4 ? 0x80 : 0)
  }

  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length)
  }

  #reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.#buffer.length) return
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
    larger.set(this.bytes())
    this.#buffer = larger
  }
}
