/** Conversions between numbers and the bit patterns of float16 (IEEE 754 binary16) and bfloat16. */

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The number that a float16 bit pattern stands for. */
export function fromFloat16(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1
  const exponent = (pattern >> 10) & 0x1f
  const fraction = pattern & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The nearest float16, ties to even; beyond the range ±infinity. */
export function toFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  if (magnitude >= 65520) return sign | 0x7c00
  if (magnitude < 2 ** -14) return sign | roundToEven(magnitude * 2 ** 24)
  const exponent = Math.min(15, exponentOf(magnitude))
  const fraction = roundToEven((magnitude / 2 ** exponent - 1) * 1024)
  // A fraction that rounds up to 1024 carries into the exponent by itself.
  return sign | (((exponent + 15) << 10) + fraction)
}

/** The number that a bfloat16 bit pattern stands for. */
export function fromBfloat16(pattern: number): number {
  bits[0] = pattern << 16
  return float[0]!
}

/** The nearest bfloat16, ties to even. */
export function toBfloat16(value: number): number {
  float[0] = value
  const pattern = bits[0]!
  if (Number.isNaN(value)) return (pattern >>> 16) | 0x40
  return ((pattern + 0x7fff + ((pattern >>> 16) & 1)) >>> 16) & 0xffff
}

function exponentOf(magnitude: number): number {
  const guess = Math.floor(Math.log2(magnitude))
  if (2 ** guess > magnitude) return guess - 1
  return 2 ** (guess + 1) <= magnitude ? guess + 1 : guess
}

function roundToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}
