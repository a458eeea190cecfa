/**
 * What breaks the symmetry between copies: noise on the out-weights of grown units, or on those
 * weights of the one of two factors that is split (q of q·k, solve/splits.ts).
 *
 * `zero-sum`: distributed like one normal per entry minus the mean over the copies of its unit. The
 * copies' activations (of the other factor) are equal, so noise that sums to zero over them does not
 * move the function at all. k copies need k − 1 normals, which weigh an orthonormal basis of the
 * vectors that sum to zero: the copies are halved again and again, and each halving adds b/√(ab(a+b)) times
 * its normal to the first a copies and −a/√(ab(a+b)) times that to the other b (the Haar basis, for any
 * number of copies). An entry is the sum of about log₂ k terms, from the first halving on, whichever range of the
 * tensor is read; neighbouring copies share all but two of these on average, and where they fit into memory, the
 * sums up to each halving are kept from one copy to the next.
 *
 * `paper`: the Keras example's: N(0, (relative · std of the new out-weights)²) on the added
 * copies only. Not exactly function-preserving.
 */

import { dtypes } from '../../tensor/dtype.ts'
import { decode, type ElementChange } from '../../tensor/lazy.ts'
import { normalsByPosition } from '../../tensor/normal-field.ts'
import { elementCount, type LazyTensor } from '../../tensor/tensor.ts'
import type { AxisGather } from './axis-gather.ts'

/** Standard deviation of random padding (the Keras example's). */
const PADDING_DEVIATION = 0.1
/** Up to this many entries of a weight are read for its standard deviation, evenly spread. */
const SAMPLE = 1 << 16
const SAMPLE_PART = 1 << 12
/** From this many neighbours on, the entries of one unit are read by themselves. */
const WIDE = 64

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
  const addNormals = normalsByPosition(site.seed, 'noise', site.parameter)
  const deviation = deviationOfAdded(site)
  const stride = elementCount(dims.slice(axis + 1))
  const copies = siblingsOf(gathered)
  // The rank of each index among the copies of its unit.
  const ranks = new Uint32Array(gathered.to)
  let depth = 0
  for (const siblings of copies) {
    depth = Math.max(depth, Math.ceil(Math.log2(siblings.length)))
    siblings.forEach((index, rank) => {
      ranks[index] = rank
    })
  }
  const isKept = depth > 2 && copies.length * depth * stride <= KEPT_SUMS
  const kept = copies.map(() => (isKept ? new KeptSums(depth, stride) : undefined))
  const unkept = new KeptSums(1, Math.min(stride, SCRATCH))
  return (values, start) => {
    const scale = deviation()
    forBlocks(values.length, start, stride, gathered.to, (at, from, to, position) => {
      const family = gathered.siblings[at]!
      const siblings = copies[family]!
      if (siblings.length === 1) return
      const rank = ranks[at]!
      const own = to - from === stride ? kept[family] : undefined
      const sums = own ?? unkept
      const step = own ? stride : SCRATCH
      for (let part = from; part < to; part += step) {
        const count = Math.min(step, to - part)
        const base = position + part - from
        sums.begin(own ? Math.floor(position / (stride * gathered.to)) : undefined)
        for (let level = 0, first = 0, end = siblings.length; end - first > 1; level++) {
          const a = Math.ceil((end - first) / 2)
          const b = end - first - a
          const middle = first + a
          const isBefore = rank < middle
          const sum = sums.next(level, isBefore ? -middle : middle)
          if (sum) {
            const weight = (scale * (isBefore ? b : -a)) / Math.sqrt(a * b * (a + b))
            // No two halvings have one middle: its position is the key of the normal.
            addNormals(sum, 0, count, base + (siblings[middle]! - at) * stride, weight)
          }
          if (isBefore) end = middle
          else first = middle
        }
        const { sum } = sums
        for (let i = 0; i < count; i++) values[part + i]! += sum[i]!
      }
    })
  }
}

/** So many sums are kept from copy to copy, 8 bytes each. */
const KEPT_SUMS = 1 << 21
/** Otherwise, so many elements are summed up at a time. */
const SCRATCH = 1 << 12

/**
 * The noise of copies of a unit, summed up to each halving: a copy takes over the sums up to the
 * halvings that it shares with the one before. With a depth of 1, every term goes into one sum.
 */
class KeptSums {
  readonly #sums: readonly Float64Array[]
  /** The middle of each halving, with its sign: before it or behind it. 0 is no middle. */
  readonly #middles: Float64Array
  #row: number | undefined
  /** The sum up to the last halving. */
  sum: Float64Array

  constructor(depth: number, length: number) {
    this.#sums = Array.from({ length: depth }, () => new Float64Array(length))
    this.#middles = new Float64Array(depth)
    this.sum = this.#sums[0]!
  }

  /** Begins with a copy, in a row of the tensor; another row, or none, has other normals. */
  begin(row: number | undefined): void {
    if (row === undefined || row !== this.#row) this.#middles[0] = 0
    this.#row = row
  }

  /** The sum up to this halving, to which its term must still be added; undefined where it is there. */
  next(level: number, middle: number): Float64Array | undefined {
    const sum = this.#sums[level]
    // Everything goes into the one sum.
    if (!sum) return this.sum
    const before = this.sum
    this.sum = sum
    if (this.#middles[level] === middle) return undefined
    this.#middles[level] = middle
    // Whatever was behind another halving has other terms.
    if (level + 1 < this.#middles.length) this.#middles[level + 1] = 0
    if (level === 0) sum.fill(0)
    else for (let i = 0; i < sum.length; i++) sum[i] = before[i]!
    return sum
  }
}

export function paperNoise(site: NoiseSite): ElementChange {
  const { dims, axis, gathered } = site
  const addNormals = normalsByPosition(site.seed, 'noise', site.parameter)
  const deviation = deviationOfAdded(site)
  const stride = elementCount(dims.slice(axis + 1))
  return (values, start) => {
    const scale = deviation()
    forBlocks(values.length, start, stride, gathered.to, (at, from, to, position) => {
      if (gathered.added[at]) addNormals(values, from, to, position, scale)
    })
  }
}

/**
 * Calls `visit` for each run of values with one index `at` along an axis: values [from, to),
 * the first of them at `position` of the tensor.
 */
function forBlocks(
  count: number,
  start: number,
  stride: number,
  size: number,
  visit: (at: number, from: number, to: number, position: number) => void,
): void {
  let at = Math.floor(start / stride) % size
  let run = stride - (start % stride)
  for (let from = 0; from < count; ) {
    const to = Math.min(count, from + run)
    visit(at, from, to, start + from)
    from = to
    run = stride
    if (++at === size) at = 0
  }
}

/** The new indices that are summed together. */
function siblingsOf({ families, siblings }: AxisGather): readonly number[][] {
  const copies: number[][] = Array.from({ length: families }, () => [])
  siblings.forEach((family, i) => {
    copies[family]!.push(i)
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

/**
 * Reads the added entries, or an even sample of the rows and of their parts, without the others
 * where they lie apart.
 */
function measure({ base, dims, axis, gathered }: NoiseSite): number {
  const item = dtypes[base.dtype].bits / 8
  const stride = elementCount(dims.slice(axis + 1))
  const outer = elementCount(dims.slice(0, axis))
  const added = [...gathered.added.keys()].filter((i) => gathered.added[i])
  const first = added[0]
  if (first === undefined || stride === 0) return 0
  let n = 0
  let origin = 0
  // Numbers in an array are changed in place, where captured variables would be garbage.
  const sums = new Float64Array(2)
  const add = (values: Float64Array, from = 0, to = values.length) => {
    if (n === 0) origin = values[from]!
    let total = sums[0]!
    let squares = sums[1]!
    for (let i = from; i < to; i++) {
      const change = values[i]! - origin
      total += change
      squares += change * change
    }
    sums[0] = total
    sums[1] = squares
    n += to - from
  }
  const read = (start: number, count: number) =>
    decode(base.dtype, base.read(start * item, count * item))
  const rowStep = Math.max(1, Math.floor((outer * added.length * stride) / SAMPLE))
  if (stride >= WIDE) {
    // One run per added index; of long ones, evenly spread parts.
    for (let k = 0; k < outer * added.length; k++) {
      if (rowStep > 1 && stride <= SAMPLE_PART && k % rowStep !== 0) continue
      const row = Math.floor(k / added.length)
      const start = (row * gathered.to + added[k % added.length]!) * stride
      for (let part = 0, i = 0; part < stride; part += SAMPLE_PART, i++)
        if (stride <= SAMPLE_PART || i % rowStep === 0)
          add(read(start + part, Math.min(SAMPLE_PART, stride - part)))
    }
  } else {
    const last = added.at(-1)!
    for (let row = 0; row < outer; row += Math.min(rowStep, outer)) {
      const values = read((row * gathered.to + first) * stride, (last + 1 - first) * stride)
      for (const i of added) add(values, (i - first) * stride, (i - first + 1) * stride)
    }
  }
  const [total = 0, squares = 0] = sums
  return n === 0 ? 0 : Math.sqrt(Math.max(0, squares - (total * total) / n) / n)
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
  const addNormals = normalsByPosition(site.seed, 'padding', site.parameter)
  const isVector = dims.filter((size) => size !== 1).length <= 1
  const strides = axes.map(({ axis }) => elementCount(dims.slice(axis + 1)))
  return (values, start) => {
    for (let i = 0; i < values.length; i++) {
      const position = start + i
      const isNew = axes.some(
        ({ gathered }, k) =>
          gathered.padded[Math.floor(position / strides[k]!) % gathered.to] === 1,
      )
      if (!isNew) continue
      values[i] = isVector ? site.vector : 0
      if (!isVector) addNormals(values, i, i + 1, position, PADDING_DEVIATION)
    }
  }
}
