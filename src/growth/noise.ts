/**
 * What breaks the symmetry between copies: noise on the out-weights of grown units.
 *
 * `zero-sum`: one normal per entry minus the mean over the copies of its unit. The copies'
 * activations are equal, so noise that sums to zero over them does not move the function at all.
 *
 * `paper`: the seed experiment's: N(0, (relative · std of the new out-weights)²) on the added
 * copies only. Not exactly function-preserving.
 */

import { dtypes } from '../tensor/dtype.ts'
import { decode, type ElementChange } from '../tensor/lazy.ts'
import { normalsByPosition } from '../tensor/random.ts'
import { elementCount, type LazyTensor } from '../tensor/tensor.ts'
import type { AxisGather } from './evaluate.ts'

/** Standard deviation of random padding (the seed experiment's). */
const PADDING_DEVIATION = 0.1
/** Up to this many entries of a weight are read for its standard deviation, evenly spread. */
const SAMPLE = 1 << 22
const SAMPLE_CHUNK = 1 << 16

export interface NoiseSite {
  readonly seed: number
  /** Name of the grown parameter: the key of its random numbers. */
  readonly parameter: string
  /** Dimensions after growth. */
  readonly dims: readonly number[]
  /** The axis that is summed over, and how it grew. */
  readonly axis: number
  readonly gathered: AxisGather
  readonly relative: number
  /** The grown weight before noise. */
  readonly base: LazyTensor
}

export function zeroSumNoise(site: NoiseSite): ElementChange {
  const { dims, axis, gathered } = site
  const normal = normalsByPosition(site.seed, 'noise', site.parameter)
  const deviation = deviationOfAdded(site)
  const stride = elementCount(dims.slice(axis + 1))
  const copies = copiesOf(gathered)
  return (values, start) => {
    const scale = deviation()
    for (let i = 0; i < values.length; i++) {
      const position = start + i
      const at = Math.floor(position / stride) % gathered.to
      const siblings = copies[gathered.index[at]!]!
      if (siblings.length < 2) continue
      let total = 0
      for (const other of siblings) total += normal(position + (other - at) * stride)
      values[i]! += scale * (normal(position) - total / siblings.length)
    }
  }
}

export function paperNoise(site: NoiseSite): ElementChange {
  const { dims, axis, gathered } = site
  const normal = normalsByPosition(site.seed, 'noise', site.parameter)
  const deviation = deviationOfAdded(site)
  const stride = elementCount(dims.slice(axis + 1))
  return (values, start) => {
    const scale = deviation()
    for (let i = 0; i < values.length; i++) {
      const position = start + i
      if (gathered.added[Math.floor(position / stride) % gathered.to])
        values[i]! += scale * normal(position)
    }
  }
}

/** For each old index, the new indices that copy it. */
function copiesOf({ from, index }: AxisGather): readonly number[][] {
  const copies: number[][] = Array.from({ length: from }, () => [])
  index.forEach((old, i) => {
    copies[old]!.push(i)
  })
  return copies
}

/** relative · standard deviation of the entries that were added, computed at first use. */
function deviationOfAdded(site: NoiseSite): () => number {
  let result: number | undefined
  return () => {
    result ??= site.relative * measure(site)
    return result
  }
}

function measure({ base, dims, axis, gathered }: NoiseSite): number {
  const item = dtypes[base.dtype].bits / 8
  const count = elementCount(dims)
  const stride = elementCount(dims.slice(axis + 1))
  const chunks = Math.ceil(count / SAMPLE_CHUNK)
  const step = Math.max(1, Math.floor(count / SAMPLE))
  let n = 0
  let mean = 0
  let squares = 0
  for (let chunk = 0; chunk < chunks; chunk += step) {
    const start = chunk * SAMPLE_CHUNK
    const size = Math.min(SAMPLE_CHUNK, count - start)
    const values = decode(base.dtype, base.read(start * item, size * item))
    values.forEach((value, i) => {
      if (!gathered.added[Math.floor((start + i) / stride) % gathered.to]) return
      n++
      const change = value - mean
      mean += change / n
      squares += change * (value - mean)
    })
  }
  return n === 0 ? 0 : Math.sqrt(squares / n)
}

export interface PaddingSite {
  readonly seed: number
  readonly parameter: string
  readonly dims: readonly number[]
  readonly axes: readonly { readonly axis: number; readonly gathered: AxisGather }[]
  /** What new entries of a vector become. */
  readonly vector: number
}

/** The baseline: new entries are random, N(0, 0.1²), or one value for vectors. */
export function randomPadding(site: PaddingSite): ElementChange {
  const { dims, axes } = site
  const normal = normalsByPosition(site.seed, 'padding', site.parameter)
  const isVector = dims.filter((size) => size !== 1).length <= 1
  const strides = axes.map(({ axis }) => elementCount(dims.slice(axis + 1)))
  return (values, start) => {
    for (let i = 0; i < values.length; i++) {
      const position = start + i
      const isNew = axes.some(
        ({ gathered }, k) =>
          gathered.padded[Math.floor(position / strides[k]!) % gathered.to] === 1,
      )
      if (isNew) values[i] = isVector ? site.vector : PADDING_DEVIATION * normal(position)
    }
  }
}
