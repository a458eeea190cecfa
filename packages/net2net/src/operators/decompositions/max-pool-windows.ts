/**
 * The gradient of max-pooling over windows that lie side by side, without positions: for runtimes
 * that have no MaxUnpool (ONNX Runtime's WebGPU).
 *
 * The k² phases q of the input (slices with the window's stride) have the size of the output y. In
 * row order each phase that equals y takes what is left of δ; the last one takes the rest. So the
 * first of equal maxima wins, as the standard demands of positions, and δ arrives exactly once.
 */

import type { Emitter } from '../contract/gradient.ts'
import { ints, numberLike, range, slice } from '../helpers/emission.ts'
import { type KnownWindowAxis, liesSideBySide } from '../helpers/windows.ts'

/** Square windows side by side, without pads, over an image [N, C, H, W] of known size. */
export const poolsByWindows = (window: readonly KnownWindowAxis[]): boolean =>
  window.length === 2 &&
  window.every(
    (axis) =>
      liesSideBySide(axis) &&
      axis.kernel === window[0]!.kernel &&
      typeof axis.input === 'number' &&
      axis.input >= axis.kernel,
  )

/** ∂L/∂x of y = MaxPool(x) from δ = ∂L/∂y. Windows that the image's end cuts off do not count. */
export function windowedPoolGradient(
  emitter: Emitter,
  dy: string,
  x: string,
  y: string,
  window: readonly KnownWindowAxis[],
): string {
  const size = window[0]!.kernel
  if (size === 1) return dy
  const ends = window.map(({ input }) => Math.floor((input as number) / size) * size)
  const zero = numberLike(emitter, dy, 0)
  let left = dy
  const parts: string[] = []
  for (const row of range(size))
    for (const column of range(size)) {
      if (parts.length === size ** 2 - 1) break
      const phase = slice(emitter, x, [2, 3], [row, column], ends, [size, size])
      const won = emitter.op('Equal', [phase, y])
      const part = emitter.op('Where', [won, left, zero])
      parts.push(part)
      left = emitter.op('Sub', [left, part])
    }
  const joined = emitter.op('Concat', [...parts, left], { axis: 1 })
  const image = emitter.op('DepthToSpace', [joined], { blocksize: size })
  const rest = window.map(({ input }, i) => (input as number) - ends[i]!)
  return rest.every((cut) => cut === 0)
    ? image
    : emitter.op('Pad', [image, ints(emitter, [0, 0, 0, 0, 0, 0, ...rest])])
}
