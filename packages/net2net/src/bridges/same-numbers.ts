/** Whether tensors hold the same numbers, in whatever order of their axes. */
import { dtypes, isFloat } from '../tensor/dtype.ts'
import { decode } from '../tensor/lazy.ts'
import type { LazyTensor } from '../tensor/tensor.ts'

export interface Known {
  readonly name: string
  readonly tensor: LazyTensor
  /** Equal for tensors that hold the same numbers in any order, as shapes without ones in any order. */
  readonly key: string
  readonly isConstant: boolean
}

export const isReadable = ({ dtype }: LazyTensor): boolean =>
  isFloat(dtype) && dtypes[dtype].bits >= 16

/** Elements that are read at a time. */
const piece = 1 << 20

/** All elements in float32, a piece at a time: exporters may have written another floating-point type. */
function* pieces(tensor: LazyTensor): Generator<Float32Array> {
  const item = dtypes[tensor.dtype].bits / 8
  for (let at = 0; at < tensor.byteLength; at += piece * item) {
    const length = Math.min(piece * item, tensor.byteLength - at)
    yield Float32Array.from(decode(tensor.dtype, tensor.read(at, length)))
  }
}

export function describe(name: string, tensor: LazyTensor): Known {
  let sum = 0
  let mix = 0
  let first: number | undefined
  let isConstant = true
  for (const values of pieces(tensor))
    for (const bits of new Uint32Array(values.buffer)) {
      first ??= bits
      if (bits !== first) isConstant = false
      sum = (sum + bits) % 0x1fffffffffffff
      mix ^= Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d)
    }
  const sizes = tensor.dims.filter((size) => size !== 1).sort((a, b) => a - b)
  return { name, tensor, isConstant, key: `${sizes.join('x')}/${sum}/${mix}` }
}

/** Whether all numbers of a tensor are the same, so that they say nothing of where they belong. */
export const isUniform = (tensor: LazyTensor): boolean =>
  isReadable(tensor) && describe('', tensor).isConstant

/** Whether two tensors hold the same numbers, in whatever order of their axes. */
export const holdSameNumbers = (a: LazyTensor, b: LazyTensor): boolean =>
  describe('', a).key === describe('', b).key

export const sameShape = (a: Known, b: Known): boolean =>
  a.tensor.dims.length === b.tensor.dims.length &&
  a.tensor.dims.every((size, k) => size === b.tensor.dims[k])

/** How the axes of an entry lie in a weight that holds the same numbers; undefined if it does not. */
export function axesBetween(entry: Known, weight: Known): (number | undefined)[] | undefined {
  if (isSame(entry, weight)) return entry.tensor.dims.map((_, k) => k)
  const large = (dims: readonly number[]) => dims.flatMap((size, k) => (size === 1 ? [] : [k]))
  const from = large(entry.tensor.dims)
  const to = large(weight.tensor.dims)
  const a = allElements(entry.tensor)
  const b = allElements(weight.tensor)
  for (const order of permutations(to)) {
    if (!order.every((axis, i) => weight.tensor.dims[axis] === entry.tensor.dims[from[i]!]))
      continue
    if (!holdsSame(a, entry.tensor.dims, from, b, weight.tensor.dims, order)) continue
    const free = weight.tensor.dims.flatMap((size, k) => (size === 1 ? [k] : []))
    return entry.tensor.dims.map((size, k) => (size === 1 ? free.shift() : order[from.indexOf(k)]))
  }
  return undefined
}

/** Most entries are as they were: these are compared a piece at a time. */
function isSame(entry: Known, weight: Known): boolean {
  if (!sameShape(entry, weight)) return false
  const others = pieces(weight.tensor)
  for (const piece of pieces(entry.tensor)) {
    const other = others.next().value
    if (!other || !piece.every((value, i) => Object.is(value, other[i]))) return false
  }
  return true
}

export function allElements(tensor: LazyTensor): Float32Array {
  const parts = [...pieces(tensor)]
  if (parts.length === 1) return parts[0]!
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function holdsSame(
  a: Float32Array,
  aDims: readonly number[],
  from: readonly number[],
  b: Float32Array,
  bDims: readonly number[],
  order: readonly number[],
): boolean {
  const stride = (dims: readonly number[], axis: number) =>
    dims.slice(axis + 1).reduce((product, size) => product * size, 1)
  const strides = order.map((axis) => stride(bDims, axis))
  const sizes = from.map((axis) => aDims[axis]!)
  const index = sizes.map(() => 0)
  let place = 0
  for (let i = 0; i < a.length; i++) {
    if (!Object.is(a[i], b[place])) return false
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      place += strides[axis]!
      if (++index[axis]! < sizes[axis]!) break
      place -= strides[axis]! * sizes[axis]!
      index[axis] = 0
    }
  }
  return true
}

/** All orders of at most five axes; of more only the given one. */
function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1 || items.length > 5) return [[...items]]
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((others) => [item, ...others]),
  )
}

/** By output channel (axis 0): what the entry was multiplied with; undefined if it is not one factor. */
export function factorsBetween(entry: Known, weight: Known): Float64Array | undefined {
  const a = allElements(entry.tensor)
  const b = allElements(weight.tensor)
  const channels = entry.tensor.dims[0]!
  const length = a.length / channels
  const factors = new Float64Array(channels)
  for (let channel = 0; channel < channels; channel++) {
    let largest = 0
    for (let i = channel * length; i < (channel + 1) * length; i++)
      if (Math.abs(a[i]!) > Math.abs(a[largest] ?? 0) || i === channel * length) largest = i
    const factor = b[largest]! / a[largest]!
    if (!Number.isFinite(factor)) return undefined
    const size = Math.abs(b[largest]!)
    for (let i = channel * length; i < (channel + 1) * length; i++)
      if (Math.abs(b[i]! - factor * a[i]!) > 1e-5 * size) return undefined
    factors[channel] = factor
  }
  return factors
}
