/**
 * Standard normals by position: any one can be computed without the others, which is what tensors
 * read by ranges need. The position is hashed with the key, and the hash drawn through the
 * ziggurat of Marsaglia and Tsang (2000); a hash that is rejected is followed by another of the
 * same position.
 */
import { hashKey } from './random.ts'

const LAYERS = 128
/** Where the tail begins, and the area of each layer. */
const TAIL = 3.442619855899
const AREA = 9.91256303526217e-3
/** Magnitudes have 24 bits, the layer 7, the sign 1: no bit is used twice. */
const SCALE = 2 ** 24

/** Below `inside` a magnitude is accepted at once; `width` makes it a number; `density` at the edge. */
const inside = new Int32Array(LAYERS)
const width = new Float64Array(LAYERS)
const density = new Float64Array(LAYERS)
{
  const phi = (x: number) => Math.exp(-0.5 * x * x)
  let edge = TAIL
  const base = AREA / phi(edge)
  inside[0] = (edge / base) * SCALE
  width[0] = base / SCALE
  width[LAYERS - 1] = edge / SCALE
  density[0] = 1
  density[LAYERS - 1] = phi(edge)
  for (let i = LAYERS - 2; i > 0; i--) {
    const next = Math.sqrt(-2 * Math.log(AREA / edge + phi(edge)))
    inside[i + 1] = (next / edge) * SCALE
    density[i] = phi(next)
    width[i] = next / SCALE
    edge = next
  }
}

/**
 * Adds `weight` times the normals of positions `position`, `position + 1`, … (any integers from 0
 * to 2^53 − 1) to values [from, to).
 */
export type AddNormals = (
  values: Float64Array,
  from: number,
  to: number,
  position: number,
  weight: number,
) => void

/** The normals for (seed, what for). A range at a time: a single one would be a number on the heap. */
export function normalsByPosition(
  seed: number,
  ...purpose: readonly (string | number)[]
): AddNormals {
  const first = hashKey([seed, ...purpose, 'low'])
  const second = hashKey([seed, ...purpose, 'high'])
  const hash = (position: number, attempt: number): number => {
    const high = position < 0x100000000 ? 0 : Math.floor(position / 0x100000000)
    // MurmurHash3's finalizer, twice.
    let h = (position ^ first) + Math.imul(attempt, 0x9e3779b1)
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    h = ((h ^ (h >>> 16)) + (second ^ Math.imul(high, 0x85ebca77))) | 0
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
    return h ^ (h >>> 16)
  }
  const uniform = (position: number, attempt: number): number =>
    ((hash(position, attempt) >>> 0) + 0.5) / 0x100000000

  const unusual = (position: number, bits: number): number => {
    let drawn = bits
    for (let attempt = 1; ; attempt += 3) {
      const layer = drawn & (LAYERS - 1)
      const steps = drawn >> 7
      const x = (steps + 0.5) * width[layer]!
      if ((steps < 0 ? -1 - steps : steps) < inside[layer]!) return x
      const u = uniform(position, attempt)
      const v = uniform(position, attempt + 1)
      if (layer === 0) {
        const beyond = -Math.log(u) / TAIL
        if (-2 * Math.log(v) > beyond * beyond) return steps < 0 ? -TAIL - beyond : TAIL + beyond
        // The tail is drawn again until it is accepted, not the whole.
        continue
      }
      if (density[layer]! + u * (density[layer - 1]! - density[layer]!) < Math.exp(-0.5 * x * x))
        return x
      drawn = hash(position, attempt + 2)
    }
  }

  return (values, from, to, position, weight) => {
    for (let i = from, at = position; i < to; i++, at++) {
      const bits = hash(at, 0)
      const layer = bits & (LAYERS - 1)
      const steps = bits >> 7
      const isInside = (steps < 0 ? -1 - steps : steps) < inside[layer]!
      values[i]! += weight * (isInside ? (steps + 0.5) * width[layer]! : unusual(at, bits))
    }
  }
}
