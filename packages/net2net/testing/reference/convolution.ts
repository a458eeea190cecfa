import { intAttribute, intsAttribute, stringAttribute } from '../../src/model/attributes.ts'
import { elementCount } from '../../src/tensor/tensor.ts'
import { elements64, indices, type Kernel, stridesOf, zeros64 } from './kernel.ts'
import { windowsOf } from './windows.ts'

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((total, x, i) => total + x * b[i]!, 0)

/** y[n, m, o] = b[m] + Σ x[n, g·C + c, o·stride − begin + k·dilation] · w[m, c, k] */
const conv: Kernel = (node, inputs) => {
  const [x, w, b] = inputs
  const [xs, ws] = [elements64(inputs, 0), elements64(inputs, 1)]
  const bias = b && elements64(inputs, 2)
  const [batch = 0, inChannels = 0, ...space] = x!.dims
  const [filters = 0, channels = 0, ...kernel] = w!.dims
  const groups = intAttribute(node, 'group', 1)
  const windows = windowsOf(node, space, kernel)
  const y = zeros64([batch, filters, ...windows.output])
  const [area, taps] = [elementCount(space), elementCount(kernel)]
  // Of each place of a plane of y: where its window reads a plane of x, and with which tap.
  const places = Array.from(indices(windows.output), (o) => {
    const starts = o.map((oa, a) => oa * windows.strides[a]! - windows.begins[a]!)
    return tapsWithin(starts, windows.dilations, kernel, space)
  })
  let position = 0
  for (let n = 0; n < batch; n++)
    for (let m = 0; m < filters; m++) {
      const first = n * inChannels + Math.floor(m / (filters / groups)) * channels
      for (const place of places) {
        let total = bias ? bias[m]! : 0
        for (let c = 0; c < channels; c++)
          for (const { at, tap } of place)
            total += xs[(first + c) * area + at]! * ws[(m * channels + c) * taps + tap]!
        y.data[position++] = total
      }
    }
  return [y]
}

/** The taps of a kernel, laid with its first one at `starts`, that lie within a plane: where there, and which. */
function tapsWithin(
  starts: readonly number[],
  dilations: readonly number[],
  kernel: readonly number[],
  plane: readonly number[],
): readonly { readonly at: number; readonly tap: number }[] {
  const strides = stridesOf(plane)
  const found: { at: number; tap: number }[] = []
  let tap = 0
  for (const k of indices(kernel)) {
    const place = starts.map((start, a) => start + k[a]! * dilations[a]!)
    if (place.every((p, a) => p >= 0 && p < plane[a]!)) found.push({ at: dot(strides, place), tap })
    tap++
  }
  return found
}

/**
 * The transpose of conv: x[n, g·C + c, i] · w[g·C + c, m, k] is added to
 * y[n, g·M + m, i·stride − begin + k·dilation].
 */
const convTranspose: Kernel = (node, inputs) => {
  const [x, w, b] = inputs
  const [xs, ws] = [elements64(inputs, 0), elements64(inputs, 1)]
  const [batch = 0, channels = 0, ...space] = x!.dims
  const [, perGroup = 0, ...kernel] = w!.dims
  const groups = intAttribute(node, 'group', 1)
  const strides = intsAttribute(node, 'strides') ?? space.map(() => 1)
  const dilations = intsAttribute(node, 'dilations') ?? space.map(() => 1)
  const extra = intsAttribute(node, 'output_padding') ?? space.map(() => 0)
  const wanted = intsAttribute(node, 'output_shape')
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
  const pads = intsAttribute(node, 'pads') ?? Array.from({ length: 2 * space.length }, () => 0)
  const full = space.map(
    (size, a) => strides[a]! * (size - 1) + extra[a]! + (kernel[a]! - 1) * dilations[a]! + 1,
  )
  let begins = pads.slice(0, space.length)
  let output = full.map((size, a) => size - pads[a]! - pads[a + space.length]!)
  if (wanted !== undefined || auto.startsWith('SAME')) {
    output = wanted?.slice(-space.length) ?? space.map((size, a) => size * strides[a]!)
    begins = full.map((size, a) => {
      const total = Math.max(0, size - output[a]!)
      const small = Math.floor(total / 2)
      return auto === 'SAME_UPPER' ? small : total - small
    })
  } else if (auto === 'VALID') {
    begins = space.map(() => 0)
    output = full
  }
  const y = zeros64([batch, perGroup * groups, ...output])
  const [area, taps, plane] = [space, kernel, output].map(elementCount) as [number, number, number]
  // Of each place of a plane of x: where its window writes a plane of y, and with which tap.
  const places = Array.from(indices(space), (i) => {
    const starts = i.map((ia, a) => ia * strides[a]! - begins[a]!)
    return tapsWithin(starts, dilations, kernel, output)
  })
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      const first = (n * groups + Math.floor(c / (channels / groups))) * perGroup
      for (const [i, place] of places.entries()) {
        const value = xs[(n * channels + c) * area + i]!
        for (let m = 0; m < perGroup; m++)
          for (const { at, tap } of place) {
            const position = (first + m) * plane + at
            y.data[position] = y.data[position]! + value * ws[(c * perGroup + m) * taps + tap]!
          }
      }
    }
  if (b) {
    const bias = elements64(inputs, 2)
    let position = 0
    for (const [, m = 0] of indices(y.dims)) {
      y.data[position] = y.data[position]! + bias[m]!
      position++
    }
  }
  return [y]
}

export const convolutions = { Conv: conv, ConvTranspose: convTranspose } satisfies Record<
  string,
  Kernel
>
