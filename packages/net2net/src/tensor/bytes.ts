/** Bytes of a known number, in memory or in a file. */
import { plainBytes, type ReadableBytes } from './tensor.ts'

/** A part of a file that is to be written. */
export interface BytePart extends ReadableBytes {
  readonly byteLength: number
}

export interface ByteSource extends ReadableBytes {
  readonly size: number
}

export function memorySource(bytes: Uint8Array): ByteSource {
  const plain = plainBytes(bytes)
  return {
    size: plain.byteLength,
    read: (offset, length) => plain.subarray(offset, offset + length),
  }
}
