/** Bytes in memory, as files are read from and written from. */
import type { BytePart } from '../tensor/bytes.ts'

/** Bytes as a part of a file that is to be written. */
export const inMemory = (bytes: Uint8Array): BytePart => ({
  byteLength: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
})

/** To read and write numbers in bytes. */
export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Reverses the bytes of every element of `size` bytes, in place. */
export function swapBytes(bytes: Uint8Array, size: number): void {
  if (size === 1) return
  for (let i = 0; i < bytes.length; i += size) bytes.subarray(i, i + size).reverse()
}
