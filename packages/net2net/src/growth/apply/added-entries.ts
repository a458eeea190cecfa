/**
 * Entries of added units along one axis of a tensor. They are no function of one old entry, as copies are: they
 * are zero, random, or the mean over the old units.
 */
import { inputError } from '../../errors.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { decode, type ElementChange, gather } from '../../tensor/lazy.ts'
import { normalsByPosition } from '../../tensor/normal-field.ts'
import { elementCount, type LazyTensor } from '../../tensor/tensor.ts'
import type { AddedStart } from '../growth-plan.ts'
import type { GatheredAxis } from './axis-gather.ts'

export interface AddedEntries {
  readonly start: AddedStart
  /** What they begin with where they are split; default zero, as they are. */
  readonly read?: 'random'
  /** Added to each of them. */
  readonly shift?: number
  /** The entries themselves, row-major, where they start with `values`. */
  readonly values?: readonly number[]
  readonly seed: number
  /** Name of the grown parameter: the key of its random numbers. */
  readonly parameter: string
}

/** Elements that are read at a time. */
const PART = 1 << 18

/**
 * The tensor, which has been gathered, with its added entries along one axis as they begin; those that are zero because
 * they are split stay so.
 */
export function withAddedEntries(
  tensor: LazyTensor,
  { axis, gathered }: GatheredAxis,
  { start: copied, read, shift: more = 0, values: listed = [], seed, parameter }: AddedEntries,
): LazyTensor {
  const { fresh, split, to } = gathered
  const isRead = fresh.some((flag, at) => flag === 1 && split[at] === 0)
  if (isRead && read === undefined && !fresh.some((flag, at) => flag === 1 && split[at] !== 0))
    return tensor
  const [start, shift] = isRead && read !== undefined ? [read, 0] : [copied, more]
  const isSet = fresh.map((flag, at) => (split[at] === 0 && read === undefined ? 0 : flag))
  if (!isSet.includes(1) || (start === 'copy' && shift === 0)) return tensor
  const stride = elementCount(tensor.dims.slice(axis + 1))
  const along = { axis, gathered }
  const valueAt =
    start === 'values'
      ? listedValues(tensor, axis, isSet, listed, parameter)
      : valuesOf(tensor, along, start, [seed, 'added', parameter])
  const change: ElementChange = (values, first) => {
    for (let i = 0; i < values.length; ) {
      const position = first + i
      const at = Math.floor(position / stride) % to
      const end = Math.min(values.length, i + stride - (position % stride))
      if (isSet[at]) for (; i < end; i++) values[i] = valueAt(first + i, at, values[i]!) + shift
      else i = end
    }
  }
  return gather(tensor, [], change)
}

type Value = (position: number, at: number, copied: number) => number

/** Those that the plan lists, for the indices of an axis that are set. */
function listedValues(
  { dims }: LazyTensor,
  axis: number,
  isSet: Uint8Array,
  listed: readonly number[],
  parameter: string,
): Value {
  const stride = elementCount(dims.slice(axis + 1))
  const places = new Uint32Array(isSet.length)
  let count = 0
  isSet.forEach((flag, at) => {
    if (flag) places[at] = count++
  })
  const wanted = elementCount(dims.slice(0, axis)) * count * stride
  if (listed.length !== wanted)
    throw inputError(
      `The plan lists ${listed.length} values for the new entries of "${parameter}", which has ${wanted} of them.`,
    )
  return (position, at) => {
    const row = Math.floor(position / (stride * isSet.length))
    return listed[(row * count + places[at]!) * stride + (position % stride)]!
  }
}

function valuesOf(
  tensor: LazyTensor,
  along: GatheredAxis,
  start: Exclude<AddedStart, 'values'>,
  key: readonly [number, ...(string | number)[]],
): Value {
  const once = <T>(compute: () => T) => {
    let result: T | undefined
    return () => {
      result ??= compute()
      return result
    }
  }
  switch (start) {
    case 'zero':
      return () => 0
    case 'copy':
      return (_, __, copied) => copied
    case 'mean': {
      const means = once(() => meansOf(tensor, along))
      const { sets, setCount, to } = along.gathered
      const stride = elementCount(tensor.dims.slice(along.axis + 1))
      return (position, at) => {
        const row = Math.floor(position / (stride * to))
        return means()[(row * setCount + sets[at]!) * stride + (position % stride)]!
      }
    }
    case 'random': {
      const deviation = once(() => deviationOfOld(tensor, along))
      const addNormals = normalsByPosition(...key)
      const scratch = new Float64Array(1)
      return (position) => {
        scratch[0] = 0
        addNormals(scratch, 0, 1, position, deviation())
        return scratch[0]
      }
    }
  }
}

/** Calls `visit` with every element that is not of an added unit. */
function forOld(
  tensor: LazyTensor,
  { axis, gathered: { fresh, to } }: GatheredAxis,
  visit: (value: number, row: number, at: number, inner: number) => void,
): void {
  const item = dtypes[tensor.dtype].bits / 8
  const stride = elementCount(tensor.dims.slice(axis + 1))
  const count = elementCount(tensor.dims)
  for (let done = 0; done < count; done += PART) {
    const size = Math.min(PART, count - done)
    const values = decode(tensor.dtype, tensor.read(done * item, size * item))
    for (let i = 0; i < size; i++) {
      const entry = Math.floor((done + i) / stride)
      const at = entry % to
      if (!fresh[at]) visit(values[i]!, (entry - at) / to, at, (done + i) % stride)
    }
  }
}

/** The means over the old units: [elements before the axis, sets, elements behind it]. */
function meansOf(tensor: LazyTensor, along: GatheredAxis): Float64Array {
  const { axis, gathered } = along
  const { sets, setCount, fresh } = gathered
  const stride = elementCount(tensor.dims.slice(axis + 1))
  const means = new Float64Array(elementCount(tensor.dims.slice(0, axis)) * setCount * stride)
  const counts = new Float64Array(setCount)
  sets.forEach((set, at) => {
    if (set >= 0 && !fresh[at]) counts[set]!++
  })
  forOld(tensor, along, (value, row, at, inner) => {
    const set = sets[at]!
    if (set >= 0) means[(row * setCount + set) * stride + inner]! += value / counts[set]!
  })
  return means
}

/** The standard deviation of the old entries. */
function deviationOfOld(tensor: LazyTensor, along: GatheredAxis): number {
  let count = 0
  let mean = 0
  let squares = 0
  forOld(tensor, along, (value) => {
    count++
    const change = value - mean
    mean += change / count
    squares += change * (value - mean)
  })
  return count === 0 ? 0 : Math.sqrt(squares / count)
}
