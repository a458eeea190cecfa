/** The geometry of convolution and pooling windows, with TensorFlow's meaning of 'same'. */
import { mustBeOneOf, usageError } from '../errors.ts'
import { mustBeSizes } from './layer.ts'

/** One number for both axes, or [height, width]. */
export type Pair = number | readonly [number, number]
export type Padding = 'valid' | 'same'

export const pair = (value: Pair): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value

export interface Window {
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly dilations: readonly [number, number]
  readonly padding: Padding
}

/**
 * Output size and pads [top, left, bottom, right] for an input of [height, width]. 'same' gives
 * ⌈size / stride⌉ and puts the odd pixel of padding at the end.
 */
export function windowGeometry(
  layer: string,
  size: readonly number[],
  { kernel, strides, dilations, padding }: Window,
): { readonly size: readonly [number, number]; readonly pads: readonly number[] } {
  mustBeSizes(layer, 'windows, strides and dilations', [...kernel, ...strides, ...dilations])
  mustBeOneOf(`Layer ${layer}: padding`, padding, ['valid', 'same'])
  const axis = (i: 0 | 1) => {
    const span = (kernel[i] - 1) * dilations[i] + 1
    const length = size[i]!
    const out =
      padding === 'same'
        ? Math.ceil(length / strides[i])
        : Math.floor((length - span) / strides[i]) + 1
    if (out < 1)
      throw usageError(
        `Layer ${layer}: a window of ${span} does not fit into ${length} without padding.`,
        { where: layer },
      )
    const total = padding === 'same' ? Math.max((out - 1) * strides[i] + span - length, 0) : 0
    const begin = Math.floor(total / 2)
    return { out, begin, end: total - begin }
  }
  const [h, w] = [axis(0), axis(1)]
  return { size: [h.out, w.out], pads: [h.begin, w.begin, h.end, w.end] }
}
