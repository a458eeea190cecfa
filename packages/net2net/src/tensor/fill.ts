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

/** A fill whose elements can be computed one by one. */
export type RegularFill = Exclude<Fill, { readonly kind: 'normal' | 'uniform' }>
export const isRegular = (fill: Fill): fill is RegularFill =>
  fill.kind !== 'normal' && fill.kind !== 'uniform'

/** Fills a float32 or float64 tensor. `key` names what the random numbers are for. */
export function fillTensor(
  fill: Fill,
  dtype: 'float32' | 'float64',
  dims: readonly number[],
  seed: number,
  ...key: readonly (string | number)[]
): Tensor {
  const data = allocate(dtype, elementCount(dims)) as Float32Array | Float64Array
  if (isRegular(fill)) fillRange(fill, dims, 0, data)
  else {
    const random = randomStream(seed, ...key)
    const draw =
      fill.kind === 'normal'
        ? () => fill.mean + fill.deviation * random.normal()
        : () => (2 * random.uniform() - 1) * fill.limit
    for (let i = 0; i < data.length; i++) data[i] = draw()
  }
  return new Tensor(dtype, dims, data)
}

/** Elements [start, start + into.length) of a filled tensor of these dimensions. */
export function fillRange(
  fill: RegularFill,
  dims: readonly number[],
  start: number,
  into: Float32Array | Float64Array,
): void {
  switch (fill.kind) {
    case 'constant':
      into.fill(fill.value)
      return
    case 'values':
      into.set(fill.values.slice(start, start + into.length))
      return
    case 'identity': {
      into.fill(0)
      const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)))
      const [a, b] = fill.axes
      let offset = -start
      for (const [axis, index] of Object.entries(fill.at ?? {}))
        offset += index * strides[Number(axis)]!
      const [rows, columns] = [dims[a]!, dims[b]!]
      const length = fill.wrap ? Math.max(rows, columns) : Math.min(rows, columns)
      for (let i = 0; i < length; i++) {
        const at = offset + (i % rows) * strides[a]! + (i % columns) * strides[b]!
        if (at >= 0 && at < into.length) into[at] = 1
      }
    }
  }
}
