/** Small changes to tensors: what moves with them could have been seen, had it been wrong. */
import { isFloat } from '../tensor/dtype.ts'
import { decode, encode } from '../tensor/lazy.ts'
import { type RandomStream, randomStream } from '../tensor/random.ts'
import { allocate, elementCount, type NumericDType, Tensor, toNumbers } from '../tensor/tensor.ts'

/**
 * The tensor with every number multiplied by a random one from N(1, share²); integers are changed by
 * one. Zeros stay as they are.
 */
export function changed(tensor: Tensor, share: number, key: string): Tensor {
  const random = randomStream(0, 'change', key)
  const { dtype, dims } = tensor
  if (isFloat(dtype)) return withFloats(tensor, (value) => value * (1 + share * random.normal()))
  const data = allocate(dtype, tensor.data.length)
  for (let i = 0; i < data.length; i++) {
    const value = tensor.data[i]!
    data[i] =
      typeof value === 'bigint' ? value + 1n : Number(value) + (random.uniform() < 0.5 ? 1 : -1)
  }
  return new Tensor(dtype, dims, data)
}

/**
 * The tensor itself, or random numbers where it has no element but zeros: a branch that starts at zero
 * would hide what comes before it, although nothing can go wrong there while it is zero.
 */
export function nonZero(tensor: Tensor, key: string): Tensor {
  if (!isFloat(tensor.dtype) || tensor.data.some((value) => Number(value) !== 0)) return tensor
  const random = randomStream(0, 'nonzero', key)
  return withFloats(tensor, () => 0.1 * random.normal())
}

/**
 * y = W·x + b as it would be with all weights of each unit multiplied by a number near one; `axis` is
 * that of the units in y. So nothing has to be multiplied twice where W is large.
 */
export function withChangedUnits(
  output: Tensor,
  bias: Tensor | undefined,
  axis: number,
  share: number,
): Tensor {
  const random = randomStream(0, 'change', 'units')
  const at = axis < 0 ? output.dims.length + axis : axis
  const units = output.dims[at] ?? 1
  const inner = elementCount(output.dims.slice(at + 1))
  const factors = Float64Array.from({ length: units }, () => share * random.normal())
  const shifts = bias ? toNumbers(bias) : []
  const shiftOf = (unit: number) => (shifts.length === units ? shifts[unit]! : (shifts[0] ?? 0))
  return withFloats(output, (value, i) => {
    const unit = Math.floor(i / inner) % units
    return value + (value - shiftOf(unit)) * factors[unit]!
  })
}

/** Random numbers of a floating-point type: N(0, 1) times a factor, or what is without their signs. */
export function normals(
  dtype: NumericDType,
  dims: readonly number[],
  factor: number,
  random: RandomStream,
  isPositive: boolean,
): Tensor {
  const empty = new Tensor(dtype, dims, allocate(dtype, elementCount(dims)))
  const sign = (value: number) => (isPositive ? Math.abs(value) : value)
  return withFloats(empty, () => sign(factor * random.normal()))
}

/** The tensor with other elements, which follow from the old ones. */
export function withFloats(tensor: Tensor, map: (value: number, i: number) => number): Tensor {
  const { dtype, dims, byteLength } = tensor
  const values = decode(dtype, tensor.read(0, byteLength)).map(map)
  const data = allocate(dtype, values.length)
  encode(dtype, values, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return new Tensor(dtype, dims, data)
}
