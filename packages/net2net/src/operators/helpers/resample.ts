/**
 * Resampling along one axis as a matrix: y = R·x. Every mode of Resize is linear and, axis by
 * axis, given by such a matrix, so its gradient is Rᵀ along each axis.
 * https://onnx.ai/onnx/operators/onnx__Resize.html
 */
import { range } from './emission.ts'

export interface Resampling {
  readonly mode: 'nearest' | 'linear' | 'cubic'
  readonly coordinates: string
  readonly rounding: string
  readonly cubic: number
  readonly excludeOutside: boolean
}

/** Weights of the inputs of each output: `output` rows of [input, weight] pairs. */
export function resamplingRows(
  { mode, coordinates, rounding, cubic, excludeOutside }: Resampling,
  input: number,
  output: number,
  scale: number,
): readonly (readonly (readonly [number, number])[])[] | undefined {
  const position = coordinate(coordinates, input, output, scale)
  if (!position) return undefined
  const clamp = (i: number) => Math.min(input - 1, Math.max(0, i))
  return range(output).map((o) => {
    // A size that does not change is copied, whatever the mode says.
    if (input === output && scale === 1) return [[o, 1]]
    const x = position(o)
    if (mode === 'nearest') return [[clamp(nearest(x, rounding)), 1]]
    if (mode === 'linear') {
      const inside = Math.min(input - 1, Math.max(0, x))
      const low = Math.floor(inside)
      const high = Math.min(low + 1, input - 1)
      return [
        [low, 1 - (inside - low)],
        [high, inside - low],
      ]
    }
    const low = Math.floor(x)
    const taps = range(4).map((k) => [low - 1 + k, keys(x - (low - 1 + k), cubic)] as const)
    const used = excludeOutside ? taps.filter(([i]) => i >= 0 && i < input) : taps
    const total = excludeOutside ? used.reduce((sum, [, weight]) => sum + weight, 0) : 1
    return used.map(([i, weight]) => [clamp(i), weight / total] as const)
  })
}

/** The input coordinate of output o. */
function coordinate(
  name: string,
  input: number,
  output: number,
  scale: number,
): ((o: number) => number) | undefined {
  switch (name) {
    case 'half_pixel':
      return (o) => (o + 0.5) / scale - 0.5
    case 'half_pixel_symmetric': {
      const adjustment = output / (scale * input)
      const offset = (input / 2) * (1 - adjustment)
      return (o) => offset + (o + 0.5) / scale - 0.5
    }
    case 'pytorch_half_pixel':
      return (o) => (output > 1 ? (o + 0.5) / scale - 0.5 : 0)
    case 'align_corners':
      return (o) => (output > 1 ? (o * (input - 1)) / (output - 1) : 0)
    case 'asymmetric':
      return (o) => o / scale
    case 'tf_half_pixel_for_nn':
      return (o) => (o + 0.5) / scale
    default:
      return undefined
  }
}

function nearest(x: number, rounding: string): number {
  switch (rounding) {
    case 'floor':
      return Math.floor(x)
    case 'ceil':
      return Math.ceil(x)
    case 'round_prefer_ceil':
      return Math.floor(x + 0.5)
    default:
      return Math.ceil(x - 0.5)
  }
}

/** Keys' cubic convolution kernel with parameter a, at distance t. */
function keys(t: number, a: number): number {
  const x = Math.abs(t)
  if (x <= 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1
  return x < 2 ? a * x ** 3 - 5 * a * x ** 2 + 8 * a * x - 4 * a : 0
}
