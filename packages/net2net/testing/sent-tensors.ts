/** Tensors as plain data, for a browser's worker and back. For tests only. */
import { fromFloat16 } from '../src/tensor/half.ts'
import { allocate, type NumericDType, Tensor } from '../src/tensor/tensor.ts'

export interface Sent {
  readonly dtype: NumericDType
  readonly dims: readonly number[]
  /** Elements; of float16 their bits. */
  readonly values: readonly number[]
}
export type SentTensors = Readonly<Record<string, Sent>>

export const sent = (tensors: Readonly<Record<string, Tensor>>): SentTensors =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, dims, data }]) => [
      name,
      { dtype, dims, values: Array.from(data, Number) },
    ]),
  )

export const received = (tensors: SentTensors): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, dims, values }]) => {
      const data = allocate(dtype, values.length)
      const isBig = data instanceof BigInt64Array || data instanceof BigUint64Array
      for (const [i, value] of values.entries()) data[i] = isBig ? BigInt(value) : value
      return [name, new Tensor(dtype, dims, data)]
    }),
  )

/** The largest difference, relative to the largest number; infinite where shapes or types differ. */
export function difference(found: Sent | undefined, expected: Sent): number {
  if (found?.dtype !== expected.dtype || String(found.dims) !== String(expected.dims))
    return Number.POSITIVE_INFINITY
  const numbers = ({ dtype, values }: Sent) =>
    dtype === 'float16' ? values.map(fromFloat16) : values
  const [x, y] = [numbers(found), numbers(expected)]
  let [scale, worst] = [1e-3, 0]
  for (const value of y) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value))
  for (const [i, value] of x.entries()) {
    if (Object.is(value, y[i]) || value === y[i]) continue
    const error = Math.abs(value - y[i]!) / scale
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error)
  }
  return worst
}
