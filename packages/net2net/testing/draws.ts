/** Random shapes and indices for the gradient checks of operators. For tests only. */
import type { Dim, Shape } from '../src/model/model.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { elementCount, float32, int64, Tensor } from '../src/tensor/tensor.ts'
import { normalTensor } from './gradient-check.ts'

/** An integer in [low, high]. */
export const between = (random: RandomStream, low: number, high: number): number =>
  low + random.below(high - low + 1)

/** A shape of `rank` axes with sizes from 1 to `largest`. */
export const randomShape = (random: RandomStream, rank: number, largest = 4): number[] =>
  Array.from({ length: rank }, () => between(random, 1, largest))

/** Any axis of this rank, written from the front or from the back. */
export const randomAxis = (random: RandomStream, rank: number): number =>
  between(random, -rank, rank - 1)

export const anyOf = <T>(random: RandomStream, choices: readonly T[]): T =>
  choices[random.below(choices.length)]!

/** A shape that broadcasts with `shape`: leading axes missing, some sizes one. */
export function broadcastable(random: RandomStream, shape: readonly number[]): number[] {
  return shape
    .slice(random.below(shape.length + 1))
    .map((size) => (random.below(3) === 0 ? 1 : size))
}

/**
 * Declared shapes for two of three draws: symbols for some sizes, and, in one of three, no known
 * size at all. The first third keeps the tensors' own shapes.
 */
export function vagueShapes(
  random: RandomStream,
  index: number,
  inputs: readonly (Tensor | undefined)[],
): Readonly<Record<number, Shape>> {
  if (index % 3 === 0) return {}
  return Object.fromEntries(
    inputs.flatMap((tensor, i) =>
      tensor
        ? [[i, tensor.dims.map((size, k) => vague(random, index, size, `d${i}_${k}`))] as const]
        : [],
    ),
  )
}

const vague = (random: RandomStream, index: number, size: number, symbol: string): Dim =>
  index % 3 === 2 ? null : random.below(2) === 0 ? symbol : size

/** Numbers that differ from each other by at least 0.05, in random order: no ties, no kinks near. */
export function distinctTensor(random: RandomStream, dims: readonly number[]): Tensor {
  const count = elementCount(dims)
  const order = Array.from({ length: count }, (_, i) => ({ i, key: random.uniform() }))
    .sort((a, b) => a.key - b.key)
    .map(({ i }) => i)
  return float32(
    dims,
    order.map((place) => 0.1 * (place - count / 2) + 0.02 + 0.03 * random.uniform()),
  )
}

/** Normal numbers at least `gap` away from zero. */
export function awayFromZero(random: RandomStream, dims: readonly number[], gap = 0.2): Tensor {
  const { data } = normalTensor(random, dims)
  return float32(
    dims,
    Array.from(data as Float32Array, (value) => value + (value < 0 ? -gap : gap)),
  )
}

/** Random indices into an axis of this size; negative ones count from the back. */
export const randomIndices = (
  random: RandomStream,
  dims: readonly number[],
  size: number,
  low = -size,
): Tensor =>
  int64(
    Array.from({ length: elementCount(dims) }, () => between(random, low, size - 1)),
    dims,
  )

/** Random booleans. */
export const bool = (random: RandomStream, dims: readonly number[]): Tensor =>
  new Tensor(
    'bool',
    dims,
    Uint8Array.from({ length: elementCount(dims) }, () => random.below(2)),
  )

/** A shape of `low` to `high` axes. */
export const anyShape = (random: RandomStream, low = 1, high = 4): number[] =>
  randomShape(random, between(random, low, high))
