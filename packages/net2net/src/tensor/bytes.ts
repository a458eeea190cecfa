/** Bytes of a known number, in memory or in a file. */
import type { ReadableBytes } from './tensor.ts'

/** A part of a file that is to be written. */
export interface BytePart extends ReadableBytes {
  readonly byteLength: number
}

export interface ByteSource extends ReadableBytes {
  readonly size: number
}

export const memorySource = (bytes: Uint8Array): ByteSource => ({
  size: bytes.byteLength,
  read: (offset, length) => bytes.subarray(offset, offset + length),
})
