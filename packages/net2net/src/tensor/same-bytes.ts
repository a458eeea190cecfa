/** Have two pieces of memory the same bytes? */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  // Node compares many times as fast as a loop does.
  const { Buffer } = globalThis as {
    readonly Buffer?: { compare(a: Uint8Array, b: Uint8Array): number }
  }
  if (Buffer) return Buffer.compare(a, b) === 0
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
