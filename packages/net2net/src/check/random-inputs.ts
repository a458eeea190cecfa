/** Random inputs for a model of which only the signature is known. */
import { inputError } from '../errors.ts'
import type { Dim } from '../model/model.ts'
import type { Feeds, SessionValue } from '../runtime/runtime.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { allocate, elementCount, isNumeric, type NumericDType, Tensor } from '../tensor/tensor.ts'

/** Guesses at what a model accepts where its signature leaves it open. */
interface Guess {
  readonly batch: number
  /** Height, width, depth of images; lengths of sequences. */
  readonly sizes: readonly number[]
  /** Integers (indices, token ids, masks) are drawn from {0, …, range − 1}. */
  readonly range: number
}

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
 * its name stands; a symbolic first axis is the batch.
 *
 * Ranges: floats are N(0, 1) in even samples and uniform on [0, 1) in odd ones; 8-bit integers
 * without sign (images) are uniform on {0, …, 255}; all other integers and booleans are small, see
 * `Guess`.
 */
export function* inputAttempts(
  a: readonly SessionValue[],
  b: readonly SessionValue[],
  seed: number,
): Generator<(sample: number) => Feeds> {
  const other = new Map(b.map((value) => [value.name, value]))
  const inputs = a.map((input) => ({
    ...input,
    shape: input.shape.map((dim, i) => {
      const twin = other.get(input.name)?.shape[i]
      return typeof twin === 'number' ? twin : dim
    }),
  }))
  const open = inputs.some(
    ({ shape, dtype }) =>
      shape.some((dim) => typeof dim !== 'number') || dtype === 'int32' || dtype === 'int64',
  )
  for (const guess of open ? guesses : guesses.slice(0, 1))
    yield (sample) => {
      const symbols = new Map<string, number>()
      return Object.fromEntries(
        inputs.map((input) => {
          const dims = input.shape.map((dim, axis) => sizeOf(dim, axis, input, guess, symbols))
          const random = randomStream(seed, 'compare', sample, input.name)
          return [input.name, draw(input, dims, sample, guess, random)]
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
  { range }: Guess,
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
      return () => toHalf(float())
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

/** The float16 bit pattern of a number of ordinary size, rounded towards zero. */
function toHalf(value: number): number {
  const magnitude = Math.abs(value)
  const sign = value < 0 ? 0x8000 : 0
  if (magnitude < 2 ** -14) return sign | Math.floor(magnitude * 2 ** 24)
  const exponent = Math.floor(Math.log2(magnitude))
  return sign | ((exponent + 15) << 10) | Math.floor((magnitude / 2 ** exponent - 1) * 1024)
}
