import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** A deterministic source of random numbers. */
export interface RandomStream {
  /** Uniform on [0, 1) with 53 random bits. */
  uniform(): number
  /** Standard normal. */
  normal(): number
  /** Uniform integer on {0, …, n − 1}. */
  below(n: number): number
}

/**
 * The random stream for (seed, what for). Streams of different purposes are independent, so that
 * one more draw somewhere does not shift the others.
 */
export function randomStream(seed: number, ...purpose: readonly (string | number)[]): RandomStream {
  const generator = xoroshiro128plus(hashKey([seed, ...purpose]))
  let spare: number | undefined
  const uniform = () => uniformFloat64(generator)
  return {
    uniform,
    below: (n) => uniformInt(generator, 0, n - 1),
    // Marsaglia's polar method yields normals in pairs.
    normal() {
      if (spare !== undefined) {
        const value = spare
        spare = undefined
        return value
      }
      for (;;) {
        const u = 2 * uniform() - 1
        const v = 2 * uniform() - 1
        const s = u * u + v * v
        if (s > 0 && s < 1) {
          const factor = Math.sqrt((-2 * Math.log(s)) / s)
          spare = v * factor
          return u * factor
        }
      }
    },
  }
}

/** MurmurHash3's finalizer, as an unsigned integer. */
function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** A random permutation of {0, …, n − 1} (Fisher–Yates). */
export function permutation(n: number, random: RandomStream): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const held = order[i]!
    order[i] = order[j]!
    order[j] = held
  }
  return order
}

/** 32-bit hash of a key (FNV-1a over its JSON text, then MurmurHash3's finalizer). */
export function hashKey(key: readonly (string | number)[]): number {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(JSON.stringify(key)))
    hash = Math.imul(hash ^ byte, 0x01000193)
  return mix(hash) | 0
}
