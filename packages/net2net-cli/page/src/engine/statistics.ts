/** Histograms of parameters, before and after on the same scale. */
import { elementCount, isFloat, type LazyTensor, materialize } from 'net2net/tensor'
import type { ParameterStatistics, Statistics } from './protocol.ts'

const binCount = 48
/** Of larger tensors only this many leading elements are looked at. */
const mostElements = 4_000_000

export function parameterStatistics(
  before: LazyTensor | undefined,
  after: LazyTensor | undefined,
): ParameterStatistics {
  const values = { before: before && elements(before), after: after && elements(after) }
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const side of Object.values(values)) {
    for (const value of side ?? []) {
      if (value < low) low = value
      if (value > high) high = value
    }
  }
  if (low > high) return { range: [0, 0] }
  const statistics = (side: Float64Array | undefined) =>
    side === undefined || side.length === 0 ? undefined : describe(side, low, high)
  const [b, a] = [statistics(values.before), statistics(values.after)]
  return { range: [low, high], ...(b ? { before: b } : {}), ...(a ? { after: a } : {}) }
}

function elements(tensor: LazyTensor): Float64Array | undefined {
  const count = Math.min(elementCount(tensor.dims), mostElements)
  if (tensor.dtype === 'float16' || tensor.dtype === 'bfloat16' || tensor.byteLength === 0)
    return undefined
  const known = isFloat(tensor.dtype) || /^u?int(8|16|32|64)$/.test(tensor.dtype)
  if (!known || /float8|float4/.test(tensor.dtype)) return undefined
  const data: ArrayLike<number | bigint> = materialize(tensor).data
  const result = new Float64Array(count)
  for (let i = 0; i < count; i++) result[i] = Number(data[i])
  return result
}

function describe(values: Float64Array, low: number, high: number): Statistics {
  const bins = new Array<number>(binCount).fill(0)
  const scale = high > low ? binCount / (high - low) : 0
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  let sum = 0
  let squares = 0
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    squares += value * value
    const bin = Math.min(binCount - 1, Math.floor((value - low) * scale))
    if (bin >= 0) bins[bin]!++
  }
  const mean = sum / values.length
  return {
    count: values.length,
    min,
    max,
    mean,
    deviation: Math.sqrt(Math.max(0, squares / values.length - mean * mean)),
    bins,
  }
}
