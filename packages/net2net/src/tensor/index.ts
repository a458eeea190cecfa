/**
 * Numbers: tensors in memory, tensors that are read when they are needed, and random streams. Its functions check what they
 * are given.
 */
import * as kind from '../arguments.ts'
import { checked, number, numbers, text } from '../arguments.ts'
import * as types from './dtype.ts'
import * as fills from './fill.ts'
import * as random from './random.ts'
import * as tensors from './tensor.ts'

export type { DType } from './dtype.ts'
export type { Fill } from './fill.ts'
export type { RandomStream } from './random.ts'
export { type LazyTensor, type NumericDType, Tensor, type TypedArray } from './tensor.ts'

const dtype = kind.oneOf('a type of elements, as "float32"', Object.keys(types.dtypes))
const dims = numbers
const tensor = kind.tensor
const list = kind.object('a list of numbers', 'length', 'number')

/** Whether elements of a type are floating-point numbers. */
export const isFloat = checked('isFloat', types.isFloat, { dtype })

/** Uniform on ±√(6 / (fan-in + fan-out)) (Glorot and Bengio 2010). */
export const glorotUniform = checked('glorotUniform', fills.glorotUniform, {
  fanIn: number,
  fanOut: number,
})

/** Fills a float32 or float64 tensor. `key` names what the random numbers are for. */
export const fillTensor = checked('fillTensor', fills.fillTensor, {
  fill: kind.object('a fill, as glorotUniform gives it', 'kind', 'string'),
  dtype: kind.oneOf('"float32" or "float64"', ['float32', 'float64']),
  dims,
  seed: number,
})

/** The random stream for (seed, what for). Streams of different purposes are independent. */
export const randomStream = checked('randomStream', random.randomStream, {
  seed: number,
  purpose: kind.optional(kind.either('a string or a number', text, number)),
})

/** The number of elements of a tensor with these dimensions (1 for a scalar). */
export const elementCount = checked('elementCount', tensors.elementCount, { dims })

/** A float32 tensor. */
export const float32 = checked('float32', tensors.float32, { dims, values: list })

/** An int64 tensor from safe integers; a vector unless `dims` says otherwise. */
export const int64 = checked('int64', tensors.int64, { values: numbers, dims: kind.optional(dims) })

/** A scalar of a numeric type (not float16 or bfloat16). */
export const scalar = checked('scalar', tensors.scalar, { dtype, value: number })

/** Reads a whole lazy tensor into memory. Throws for strings and sub-byte types. */
export const materialize = checked('materialize', tensors.materialize, { source: tensor })

/**
 * The elements as JavaScript numbers, for small tensors. int64 beyond ±2^53 is clamped.
 */
export const toNumbers = checked('toNumbers', tensors.toNumbers, { source: tensor })
