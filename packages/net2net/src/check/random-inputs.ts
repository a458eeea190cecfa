/** Random inputs for a model of which only the signature is known. */
import { inputError } from '../errors.ts'
import type { Dim } from '../model/model.ts'
import type { Feeds, SessionValue } from '../runtime/runtime.ts'
import { toFloat16 } from '../tensor/half.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { allocate, elementCount, isNumeric, type NumericDType, Tensor } from '../tensor/tensor.ts'

/** Guesses at what a model accepts where its signature leaves it open. */
interface Guess {
  readonly batch: number
  /** Height, width, depth of images; lengths of sequences. */
  readonly sizes: readonly number[]
  /** Integers of which it is not known what they index (masks, say) are drawn from {0, …, range − 1}. */
  readonly range: number
}

/** Every other sample has shorter axes where sizes are open, by a fourth: lengths vary. */
const SHORTER = 0.75

// Not square first, so that a confusion of axes shows.
const guesses: readonly Guess[] = [
  { batch: 2, sizes: [64, 96, 32], range: 16 },
  { batch: 2, sizes: [64, 96, 32], range: 2 },
  { batch: 1, sizes: [64, 96, 32], range: 2 },
  { batch: 2, sizes: [8, 8, 8], range: 2 },
  { batch: 2, sizes: [224, 224, 224], range: 2 },
  { batch: 1, sizes: [224, 224, 224], range: 2 },
  { batch: 1, sizes: [1, 1, 1], range: 2 },
  // Sound: windows of some hundred samples.
  { batch: 1, sizes: [4000, 400, 400], range: 2 },
]

/**
 * Ways to draw inputs that two models share, to be tried in this order; each takes the number of
 * the sample. Sizes that one of the models fixes are kept; a symbolic size is the same wherever
 * its name stands; a symbolic first axis is the batch. Other open sizes vary from sample to sample, as long
 * as both models accept that.
 *
 * Ranges: floats are N(0, 1) in even samples and uniform on [0, 1) in odd ones; 8-bit integers
 * without sign (images) are uniform on {0, …, 255}; integers that look up entries go over all of them
 * (`ranges`). All other integers and booleans are small (`Guess`): beside ids they are masks, of 0 and 1.
 */
export function* inputAttempts(
  a: readonly SessionValue[],
  b: readonly SessionValue[],
  seed: number,
  ranges: ReadonlyMap<string, number> = new Map(),
): Generator<(sample: number) => Feeds> {
  const other = new Map(b.map((value) => [value.name, value]))
  const inputs = a.map((input) => ({
    ...input,
    shape: input.shape.map((dim, i) => {
      const counterpart = other.get(input.name)?.shape[i]
      return typeof counterpart === 'number' ? counterpart : dim
    }),
  }))
  const open = inputs.some(
    ({ shape, dtype }) =>
      shape.some((dim) => typeof dim !== 'number') || dtype === 'int32' || dtype === 'int64',
  )
  const varies = inputs.some(({ shape }) =>
    shape.some((dim, i) => i > 0 && typeof dim !== 'number'),
  )
  for (const guess of open ? guesses : guesses.slice(0, 1))
    for (const isVaried of varies ? [true, false] : [false])
      yield (sample) => {
        const symbols = new Map<string, number>()
        const scale = isVaried && sample % 2 === 1 ? SHORTER : 1
        const sized = { ...guess, sizes: guess.sizes.map((size) => Math.ceil(scale * size)) }
        const other = ranges.size > 0 ? 2 : guess.range
        return Object.fromEntries(
          inputs.map((input) => {
            const dims = input.shape.map((dim, axis) => sizeOf(dim, axis, input, sized, symbols))
            const random = randomStream(seed, 'compare', sample, input.name)
            return [input.name, draw(input, dims, sample, ranges.get(input.name) ?? other, random)]
          }),
        )
      }
}

function sizeOf(
  dim: Dim,
  axis: number,
  { shape }: SessionValue,
  guess: Guess,
  symbols: Map<string, number>,
): number {
  if (typeof dim === 'number') return dim
  const known = dim === null ? undefined : symbols.get(dim)
  if (known !== undefined) return known
  // Images are [batch, channels, height, width]: the first spatial axis gets the first size.
  const first = shape.length >= 4 ? 2 : 1
  const size = axis === 0 ? guess.batch : guess.sizes[(axis - first + 3) % 3]!
  if (dim !== null) symbols.set(dim, size)
  return size
}

function draw(
  { name, dtype }: SessionValue,
  dims: readonly number[],
  sample: number,
  range: number,
  random: RandomStream,
): Tensor {
  if (dtype === undefined || !isNumeric(dtype) || dtype === 'bfloat16')
    throw inputError(`Input ${name} is not a tensor of numbers: give inputs of your own.`)
  const data = allocate(dtype, elementCount(dims))
  const value = generatorOf(dtype, sample, range, random)
  for (let i = 0; i < data.length; i++) data[i] = value()
  return new Tensor(dtype, dims, data)
}

function generatorOf(
  dtype: NumericDType,
  sample: number,
  range: number,
  random: RandomStream,
): () => number | bigint {
  const float = () => (sample % 2 === 0 ? random.normal() : random.uniform())
  switch (dtype) {
    case 'float32':
    case 'float64':
      return float
    case 'float16':
      return () => toFloat16(float())
    case 'int64':
    case 'uint64':
      return () => BigInt(random.below(range))
    case 'bool':
      return () => random.below(2)
    case 'uint8':
      return () => random.below(256)
    default:
      return () => random.below(range)
  }
}
