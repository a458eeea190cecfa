import { intAttribute, intsAttribute, stringAttribute } from '../../src/model/attributes.ts'
import { elements64, indices, type Kernel, stridesOf, zeros64 } from './kernel.ts'
import { windowsOf } from './windows.ts'

const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((total, x, i) => total + x * b[i]!, 0)

/** y[n, m, o] = b[m] + Σ x[n, g·C + c, o·stride − begin + k·dilation] · w[m, c, k] */
const conv: Kernel = (node, inputs) => {
  const [x, w, b] = inputs
  const [xs, ws] = [elements64(inputs, 0), elements64(inputs, 1)]
  const [batch = 0, , ...space] = x!.dims
  const [filters = 0, channels = 0, ...kernel] = w!.dims
  const groups = intAttribute(node, 'group', 1)
  const windows = windowsOf(node, space, kernel)
  const y = zeros64([batch, filters, ...windows.output])
  const [xStrides, wStrides] = [stridesOf(x!.dims), stridesOf(w!.dims)]
  let position = 0
  for (const [n = 0, m = 0, ...o] of indices(y.dims)) {
    const group = Math.floor(m / (filters / groups))
    let total = b ? elements64(inputs, 2)[m]! : 0
    for (const [c = 0, ...k] of indices([channels, ...kernel])) {
      const at = o.map(
        (oa, a) => oa * windows.strides[a]! - windows.begins[a]! + k[a]! * windows.dilations[a]!,
      )
      if (at.some((p, a) => p < 0 || p >= space[a]!)) continue
      total +=
        xs[dot(xStrides, [n, group * channels + c, ...at])]! * ws[dot(wStrides, [m, c, ...k])]!
    }
    y.data[position++] = total
  }
  return [y]
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
  const [xStrides, wStrides, yStrides] = [x!.dims, w!.dims, y.dims].map(stridesOf)
  for (const [n = 0, c = 0, ...i] of indices(x!.dims)) {
    const group = Math.floor(c / (channels / groups))
    const value = xs[dot(xStrides!, [n, c, ...i])]!
    for (const [m = 0, ...k] of indices([perGroup, ...kernel])) {
      const at = i.map((ia, a) => ia * strides[a]! - begins[a]! + k[a]! * dilations[a]!)
      if (at.some((p, a) => p < 0 || p >= output[a]!)) continue
      const position = dot(yStrides!, [n, group * perGroup + m, ...at])
      y.data[position] = y.data[position]! + value * ws[dot(wStrides!, [c, m, ...k])]!
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
