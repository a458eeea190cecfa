/** Random nodes for the tests of the windowed operators. */
import type { AttributeLike } from '../../model/attributes.ts'
import { permutation, type RandomStream } from '../../tensor/random.ts'
import { elementCount, float32, type Tensor } from '../../tensor/tensor.ts'

export const pick = <T>(random: RandomStream, list: readonly T[]): T =>
  list[random.below(list.length)]!

export interface DrawnWindow {
  readonly space: readonly number[]
  readonly kernel: readonly number[]
  readonly attributes: Readonly<Record<string, AttributeLike>>
}

/** Any kernel, strides, dilations and pads (explicit or automatic) that fit an input. */
export function drawWindow(
  random: RandomStream,
  rank: number,
  options: { dilate?: boolean; padsBelowKernel?: boolean; auto?: boolean } = {},
): DrawnWindow {
  const { dilate = true, padsBelowKernel = false, auto = true } = options
  const each = <T>(f: (i: number) => T): T[] => Array.from({ length: rank }, (_, i) => f(i))
  const kernel = each(() => 1 + random.below(3))
  const dilations = each(() => (dilate ? pick(random, [1, 1, 2]) : 1))
  const strides = each(() => 1 + random.below(3))
  const pad = (i: number) => random.below(padsBelowKernel ? kernel[i]! : 3)
  const begin = each(pad)
  const end = each(pad)
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]! + 1)
  const space = reach.map(
    (r, i) => Math.max(1, r - begin[i]! - end[i]!) + random.below(rank === 3 ? 3 : 5),
  )
  const mode = pick(random, ['NOTSET', 'NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'])
  const fits = reach.every((r, i) => space[i]! >= r)
  // ONNX Runtime allows no dilations with SAME.
  const automatic = auto && mode !== 'NOTSET' && fits && dilations.every((d) => d === 1)
  return {
    space,
    kernel,
    attributes: {
      strides,
      dilations: dilations.some((d) => d > 1) ? dilations : undefined,
      auto_pad: automatic ? mode : undefined,
      pads: automatic ? undefined : [...begin, ...end],
    },
  }
}

/** A random convolution: input and weight dimensions, attributes. */
export function drawConvolution(random: RandomStream, rank: number) {
  const { space, kernel, attributes } = drawWindow(random, rank)
  const group = pick(random, [1, 1, 2, 3])
  const channels = group * pick(random, [1, 2])
  const filters = group * pick(random, [1, 2, 3])
  return {
    x: [1 + random.below(2), channels, ...space],
    w: [filters, channels / group, ...kernel],
    attributes: {
      ...attributes,
      group,
      kernel_shape: random.below(2) ? kernel : undefined,
    },
  }
}

/** A tensor of numbers far enough apart that small steps change no order among them. */
export function distinctTensor(random: RandomStream, dims: readonly number[]): Tensor {
  const count = elementCount(dims)
  const order = permutation(count, random)
  return float32(
    dims,
    Float32Array.from(order, (i) => (i - count / 2) / 8 + 0.03),
  )
}
