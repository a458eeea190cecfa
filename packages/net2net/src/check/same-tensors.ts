/** Are two constants the same bits? They are read in parts, since they may be larger than memory. */
import { sameBytes } from '../tensor/same-bytes.ts'
import { isNumeric, type LazyTensor } from '../tensor/tensor.ts'

/** Bytes that are read of each at a time. */
const PART = 2 ** 22

export async function sameTensors(
  a: LazyTensor,
  b: LazyTensor,
  signal?: AbortSignal,
): Promise<boolean> {
  if (a.dtype !== b.dtype || `${a.dims}` !== `${b.dims}` || a.byteLength !== b.byteLength)
    return false
  if (!isNumeric(a.dtype)) return sameStrings(a.strings, b.strings) && sameStoredBits(a, b, signal)
  return sameStoredBits(a, b, signal)
}

async function sameStoredBits(
  a: LazyTensor,
  b: LazyTensor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for (let offset = 0; offset < a.byteLength; offset += PART) {
    signal?.throwIfAborted()
    const length = Math.min(PART, a.byteLength - offset)
    await Promise.all([a.ready?.(offset, length), b.ready?.(offset, length)])
    if (!sameBytes(a.read(offset, length), b.read(offset, length))) return false
  }
  return true
}

const sameStrings = (
  a: readonly Uint8Array[] | undefined,
  b: readonly Uint8Array[] | undefined,
): boolean =>
  a?.length === b?.length && (a ?? []).every((text, i) => sameBytes(text, (b ?? [])[i]!))
