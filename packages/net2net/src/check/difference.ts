/** How far two tensors are apart, on the scale of their own values. */
import type { DType } from '../tensor/dtype.ts'
import { type Tensor, toNumbers } from '../tensor/tensor.ts'

/** What the last bits of a few additions change, as a share of a number of this type. */
const rounding: { readonly [dtype in DType]?: number } = {
  float64: 2 ** -51,
  float32: 2 ** -22,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
}
const roundingOf = (dtype: DType): number => rounding[dtype] ?? 0

export interface Difference {
  /** max |Δ| over all elements; infinite where the tensors cannot be compared. */
  readonly maxAbs: number
  /**
   * max |Δ| / s over all elements, without what the last bits of y change. s is the smaller of
   * max(1, |y|) and the standard deviation of all y, where these differ by more than their last bits.
   */
  readonly maxRel: number
  /** Why the tensors cannot be compared: their shapes differ, or NaN or an infinity is on one side. */
  readonly problem?: string
}

/** Collects the largest differences of one value over several samples. */
export class DifferenceMeter {
  #maxAbs = 0
  #maxExcess = 0
  #maxRelative = 0
  #problem: string | undefined
  readonly #spread = new Spread()
  readonly #isOfOutputs: boolean

  /** @param of points inside a model may be a few numbers that chance has put near each other; outputs are what somebody reads */
  constructor(of: 'outputs' | 'points' = 'outputs') {
    this.#isOfOutputs = of === 'outputs'
  }

  /** Adds a sample: y as the first and as the second model has it. NaN equals NaN, ∞ equals ∞. */
  add(a: Tensor, b: Tensor): void {
    if (`${a.dims}` !== `${b.dims}`) {
      this.#problem ??= `shapes [${a.dims}] and [${b.dims}]`
      return
    }
    const [before, after] = [elementsOf(a), elementsOf(b)]
    const rounding = roundingOf(a.dtype)
    for (let i = 0; i < before.length; i++) {
      const [x, y] = [Number(before[i]), Number(after[i])]
      this.#spread.add(x, rounding)
      if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue
      const difference = Math.abs(x - y)
      if (!Number.isFinite(difference)) this.#problem ??= `${x} became ${y}`
      const size = Math.abs(x)
      const excess = Math.max(0, difference - rounding * size)
      this.#maxAbs = Math.max(this.#maxAbs, difference)
      this.#maxExcess = Math.max(this.#maxExcess, excess)
      this.#maxRelative = Math.max(this.#maxRelative, excess / Math.max(1, size))
    }
  }

  result(): Difference {
    if (this.#problem !== undefined)
      return {
        maxAbs: Number.POSITIVE_INFINITY,
        maxRel: Number.POSITIVE_INFINITY,
        problem: this.#problem,
      }
    const spread = this.#isOfOutputs ? this.#spread.deviation() : this.#spread.scale()
    return {
      maxAbs: this.#maxAbs,
      maxRel: Math.max(this.#maxRelative, spread > 0 ? this.#maxExcess / spread : 0),
    }
  }
}

/** The standard deviation of fewer numbers than this can be far too small by chance. */
const FEW = 8

/** How far the finite ones among numbers that come one by one are apart. */
class Spread {
  #count = 0
  #first = 0
  #sum = 0
  #squares = 0
  #resolution = 0

  add(value: number, rounding: number): void {
    if (!Number.isFinite(value)) return
    if (this.#count === 0) this.#first = value
    const offset = value - this.#first
    this.#count++
    this.#sum += offset
    this.#squares += offset * offset
    this.#resolution = Math.max(this.#resolution, rounding * Math.abs(value))
  }

  /** The standard deviation, or 0 where the numbers differ by no more than their last bits. */
  deviation(): number {
    if (this.#count === 0) return 0
    const mean = this.#sum / this.#count
    const deviation = Math.sqrt(Math.max(0, this.#squares / this.#count - mean * mean))
    return deviation > this.#resolution ? deviation : 0
  }

  /** The standard deviation of many numbers, the root mean square of few; 0 as there. */
  scale(): number {
    const deviation = this.deviation()
    if (deviation === 0 || this.#count >= FEW) return deviation
    return Math.hypot(deviation, this.#first + this.#sum / this.#count)
  }
}

/** Elements that are looked at to tell how far a tensor has moved. */
const LOOKED_AT = 4096

/**
 * By how much a value moves, as a share of its standard deviation: the distance that one element in 32
 * exceeds, without what the last bits change. A single element that flips is no movement of the whole.
 */
export function movement(before: Tensor, after: Tensor): number {
  if (`${before.dims}` !== `${after.dims}`) return Number.POSITIVE_INFINITY
  const [a, b] = [elementsOf(before), elementsOf(after)]
  const rounding = roundingOf(before.dtype)
  const step = Math.max(1, Math.floor(a.length / LOOKED_AT))
  const spread = new Spread()
  const distances: number[] = []
  for (let i = 0; i < a.length; i += step) {
    const [x, y] = [Number(a[i]), Number(b[i])]
    spread.add(x, rounding)
    const distance = Math.abs(x - y)
    distances.push(Number.isFinite(distance) ? Math.max(0, distance - rounding * Math.abs(x)) : 0)
  }
  const scale = spread.scale()
  if (scale === 0) return Math.max(0, ...distances) > 0 ? 1 : 0
  distances.sort((p, q) => q - p)
  return (distances[Math.floor(distances.length / 32)] ?? 0) / scale
}

/** The elements as numbers; those of half precision come as bit patterns. */
export const elementsOf = (tensor: Tensor): ArrayLike<number | bigint> =>
  tensor.dtype === 'float16' || tensor.dtype === 'bfloat16' ? toNumbers(tensor) : tensor.data
