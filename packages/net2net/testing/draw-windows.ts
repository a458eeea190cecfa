/** Random nodes for the tests of the windowed operators. */
import type { AttributeLike } from '../src/model/attributes.ts'
import { range } from '../src/operators/helpers/emission.ts'
import type { RandomStream } from '../src/tensor/random.ts'
import { someSymbols } from './cases.ts'
import { anyOf } from './draws.ts'
import { normalTensor } from './gradient-check.ts'

export interface DrawnWindow {
  readonly space: readonly number[]
  readonly kernel: readonly number[]
  readonly attributes: Readonly<Record<string, AttributeLike>>
}

interface DrawOptions {
  readonly dilate?: boolean
  /** For poolings: pads below the kernel size, and no window without an element of the input. */
  readonly pooling?: boolean
  /** May `auto_pad` occur? */
  readonly auto?: boolean
}

/** Any kernel, strides, dilations and pads (explicit or automatic) that fit an input. */
export function drawWindow(
  random: RandomStream,
  rank: number,
  options: DrawOptions = {},
): DrawnWindow {
  const { dilate = true, pooling = false, auto = true } = options
  const each = <T>(f: (i: number) => T): T[] => Array.from({ length: rank }, (_, i) => f(i))
  const kernel = each(() => 1 + random.below(3))
  const dilations = each(() => (dilate ? anyOf(random, [1, 1, 2]) : 1))
  const strides = each(() => 1 + random.below(3))
  const pad = (i: number) => random.below(pooling ? kernel[i]! : 3)
  const begin = each(pad)
  const end = each(pad)
  const reach = kernel.map((k, i) => (k - 1) * dilations[i]! + 1)
  const space = reach.map(
    (r, i) => Math.max(1, r - begin[i]! - end[i]!) + random.below(rank === 3 ? 3 : 5),
  )
  const mode = anyOf(random, ['NOTSET', 'NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'])
  const fits = reach.every((r, i) => space[i]! >= r)
  // ONNX Runtime allows neither dilations nor strides beyond the kernel with SAME.
  const plain = kernel.every((k, i) => dilations[i] === 1 && strides[i]! <= k)
  const automatic = auto && mode !== 'NOTSET' && fits && plain
  const reads = (i: number) =>
    range(Math.ceil((space[i]! + begin[i]! + end[i]! - reach[i]!) / strides[i]!) + 1).every((o) => {
      const start = o * strides[i]! - begin[i]!
      if (start >= space[i]!) return true
      const taps = range(kernel[i]!).map((k) => start + k * dilations[i]!)
      return taps.some((at) => at >= 0 && at < space[i]!)
    })
  if (pooling && !range(rank).every(reads)) return drawWindow(random, rank, options)
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
export function drawConvolution(random: RandomStream, rank: number, options: DrawOptions = {}) {
  const { space, kernel, attributes } = drawWindow(random, rank, options)
  const group = anyOf(random, [1, 1, 2, 3])
  const channels = group * anyOf(random, [1, 2])
  const filters = group * anyOf(random, [1, 2, 3])
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

/** A random transposed convolution whose output is not empty. */
export function drawTransposed(random: RandomStream, rank: number) {
  const each = <T>(f: (i: number) => T): T[] => Array.from({ length: rank }, (_, i) => f(i))
  const group = anyOf(random, [1, 1, 2, 3])
  const channels = group * anyOf(random, [1, 2])
  const kernel = each(() => 1 + random.below(3))
  const strides = each(() => 1 + random.below(3))
  const dilations = each(() => anyOf(random, [1, 1, 2]))
  const extra = each((i) => random.below(strides[i]!))
  const space = each(() => 2 + random.below(3))
  const full = space.map(
    (size, i) => (size - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 + extra[i]!,
  )
  const begin = each((i) => random.below(Math.min(3, Math.ceil(full[i]! / 2))))
  const end = each((i) => random.below(Math.min(3, Math.ceil(full[i]! / 2))))
  const modes = ['pads', 'pads', 'pads', 'VALID', 'shape']
  if (full.every((size, i) => size - extra[i]! >= space[i]! * strides[i]!))
    modes.push('SAME_UPPER', 'SAME_LOWER')
  const mode = anyOf(random, modes)
  return {
    x: [1 + random.below(2), channels, ...space],
    w: [channels, 1 + random.below(3), ...kernel],
    group,
    attributes: {
      strides,
      dilations,
      group,
      output_padding: mode.startsWith('SAME') ? undefined : extra,
      pads: mode === 'pads' ? [...begin, ...end] : undefined,
      auto_pad: mode === 'pads' || mode === 'shape' ? undefined : mode,
      output_shape:
        mode === 'shape'
          ? full.map((size, i) => Math.max(1, size - begin[i]! - end[i]!))
          : undefined,
    },
  }
}

/** A pooling of this operator set, which may have dilations from set `dilatedSince` on. */
export function drawPooling(random: RandomStream, opset: number, dilatedSince: number) {
  const { space, kernel, attributes } = drawWindow(random, 1 + random.below(3), {
    pooling: true,
    dilate: opset >= dilatedSince,
  })
  const dims = [1 + random.below(2), 1 + random.below(3), ...space]
  return {
    opset,
    attributes: {
      ...attributes,
      kernel_shape: kernel,
      ceil_mode: opset >= 10 ? random.below(2) : undefined,
    },
    inputs: [normalTensor(random, dims)],
    shapes: someSymbols(random, dims),
  }
}
