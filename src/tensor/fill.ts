/** Tensors described instead of stored: how a new parameter is filled. Plain, serializable data. */

import { randomStream } from './random.ts'
import { allocate, elementCount, Tensor } from './tensor.ts'

export type Fill =
  | { readonly kind: 'constant'; readonly value: number }
  /** Ones on the diagonal of the matrix spanned by two axes; zero elsewhere. */
  | {
      readonly kind: 'identity'
      /** The two axes whose indices must agree. */
      readonly axes: readonly [number, number]
      /** The index that every further axis must have (the tap of a Dirac kernel). */
      readonly at?: Readonly<Record<number, number>>
      /** The index on the shorter of the two axes starts again at its end (grouped convolutions). */
      readonly wrap?: boolean
    }
  | { readonly kind: 'normal'; readonly mean: number; readonly deviation: number }
  /** Exactly these, row-major. */
  | { readonly kind: 'values'; readonly values: readonly number[] }
  /** Uniform on ±limit; Glorot's limit is √(6 / (fan_in + fan_out)). */
  | { readonly kind: 'uniform'; readonly limit: number }

/** Glorot-uniform (Glorot and Bengio 2010, Keras's default). */
export const glorotUniform = (fanIn: number, fanOut: number): Fill => ({
  kind: 'uniform',
  limit: Math.sqrt(6 / (fanIn + fanOut)),
})
/** He-normal (He et al. 2015). */
export const heNormal = (fanIn: number): Fill => ({
  kind: 'normal',
  mean: 0,
  deviation: Math.sqrt(2 / fanIn),
})
export const zeros: Fill = { kind: 'constant', value: 0 }
export const ones: Fill = { kind: 'constant', value: 1 }

/** Fills a float32 or float64 tensor. `key` names what the random numbers are for. */
export function fillTensor(
  fill: Fill,
  dtype: 'float32' | 'float64',
  dims: readonly number[],
  seed: number,
  ...key: readonly (string | number)[]
): Tensor {
  const count = elementCount(dims)
  const data = allocate(dtype, count) as Float32Array | Float64Array
  switch (fill.kind) {
    case 'constant':
      data.fill(fill.value)
      break
    case 'values':
      data.set(fill.values)
      break
    case 'normal': {
      const random = randomStream(seed, ...key)
      for (let i = 0; i < count; i++) data[i] = fill.mean + fill.deviation * random.normal()
      break
    }
    case 'uniform': {
      const random = randomStream(seed, ...key)
      for (let i = 0; i < count; i++) data[i] = (2 * random.uniform() - 1) * fill.limit
      break
    }
    case 'identity': {
      const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)))
      const [a, b] = fill.axes
      let offset = 0
      for (const [axis, index] of Object.entries(fill.at ?? {}))
        offset += index * strides[Number(axis)]!
      const [rows, columns] = [dims[a]!, dims[b]!]
      const length = fill.wrap ? Math.max(rows, columns) : Math.min(rows, columns)
      for (let i = 0; i < length; i++)
        data[offset + (i % rows) * strides[a]! + (i % columns) * strides[b]!] = 1
      break
    }
  }
  return new Tensor(dtype, dims, data)
}
