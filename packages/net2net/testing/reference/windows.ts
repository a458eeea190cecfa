/** Where the windows of convolutions and pools lie. */
import { intAttribute, intsAttribute, stringAttribute } from '../../src/model/attributes.ts'
import type { Node } from '../../src/model/model.ts'

export interface Windows {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  readonly begins: readonly number[]
  readonly ends: readonly number[]
  readonly output: readonly number[]
}

/** https://onnx.ai/onnx/operators/onnx__Conv.html, …MaxPool.html: pads, auto_pad, ceil_mode. */
export function windowsOf(
  node: Node,
  input: readonly number[],
  kernel: readonly number[] = intsAttribute(node, 'kernel_shape')!,
): Windows {
  const rank = input.length
  const strides = intsAttribute(node, 'strides') ?? input.map(() => 1)
  const dilations = intsAttribute(node, 'dilations') ?? input.map(() => 1)
  const extent = kernel.map((k, a) => dilations[a]! * (k - 1) + 1)
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
  let begins = input.map(() => 0)
  let ends = input.map(() => 0)
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    input.forEach((size, a) => {
      const total = Math.max(
        0,
        (Math.ceil(size / strides[a]!) - 1) * strides[a]! + extent[a]! - size,
      )
      const small = Math.floor(total / 2)
      begins[a] = auto === 'SAME_UPPER' ? small : total - small
      ends[a] = total - begins[a]!
    })
  } else if (auto !== 'VALID') {
    const pads = intsAttribute(node, 'pads') ?? Array.from({ length: 2 * rank }, () => 0)
    begins = pads.slice(0, rank)
    ends = pads.slice(rank)
  }
  const ceil = intAttribute(node, 'ceil_mode', 0) === 1
  const output = input.map((size, a) => {
    const room = size + begins[a]! + ends[a]! - extent[a]!
    let count = (ceil ? Math.ceil : Math.floor)(room / strides[a]!) + 1
    // A window that starts in the end padding is left out.
    if (ceil && (count - 1) * strides[a]! >= size + begins[a]!) count--
    return count
  })
  return { kernel, strides, dilations, begins, ends, output }
}
