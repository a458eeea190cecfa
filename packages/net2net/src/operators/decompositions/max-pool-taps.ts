/**
 * The gradient of max-pooling over windows that overlap, without positions:
 *
 *   ∂L/∂x[i] = Σ_{o, k: o·s + k − p = i} δ[o] · [x[i] is the first of the window's elements that equal y[o]]
 *
 * For each place k of a window, a depthwise convolution with a one-hot kernel reads what lies there of all windows. In row order each
 * of them that equals y takes what is left of δ. What every place has taken is added up by the phases of the stride, which
 * are moved by one-hot kernels, too. Where a window begins at every element, its rows are pooled first and then their maxima, so that a window of K × L
 * places takes K + L.
 *
 * ONNX Runtime computes max-pooling with positions element by element, in the plain layout, and adds back with one thread. All of
 * this is done in blocks of channels (see `../../passes/cpu-layout/blocked-layout.ts`) and with all threads.
 */
import type { Dim, Shape } from '../../model/model.ts'
import { float32 } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { filledUp } from '../helpers/blocked.ts'
import { ints, range, slice } from '../helpers/emission.ts'
import { positive } from '../helpers/masks.ts'
import { type KnownWindowAxis, singleTap } from '../helpers/windows.ts'

/** Windows of more places that do not begin at every element cost more passes than positions do. */
const mostPlaces = 9

/** Blocks hold at most so many times as many channels: where windows begin at every element, which takes fewer passes than positions do, and elsewhere. */
const mostFilled = (window: readonly KnownWindowAxis[]): number =>
  beginsEverywhere(window) ? 3 : 1.67

/** Does the form hold for this pooling of an image [N, C, H, W], and pay? */
export const poolsByTaps = (
  window: readonly KnownWindowAxis[],
  channels: Dim | undefined,
): channels is number =>
  typeof channels === 'number' &&
  window.length === 2 &&
  window[0]!.stride === window[1]!.stride &&
  filledUp(channels) <= mostFilled(window) * channels &&
  (beginsEverywhere(window) || window[0]!.kernel * window[1]!.kernel <= mostPlaces) &&
  window.every(
    ({ kernel, stride, dilation, input }) =>
      dilation === 1 && stride <= kernel && typeof input === 'number',
  )

const beginsEverywhere = (window: readonly KnownWindowAxis[]): boolean =>
  window.every(({ stride }) => stride === 1)

/** ∂L/∂x of y = MaxPool(x) from δ = ∂L/∂y. */
export function tappedPoolGradient(
  emitter: Emitter,
  dy: string,
  x: string,
  y: string,
  window: readonly KnownWindowAxis[],
): string {
  const [, channels] = emitter.info(x).shape as readonly [Dim, number]
  const behind = filledUp(channels) - channels
  const [filledDy, filledX, filledY] = [dy, x, y].map((image) =>
    behind === 0 ? image : emitter.op('Pad', [image, ints(emitter, [0, 0, 0, 0, 0, behind, 0, 0])]),
  ) as [string, string, string]
  const found = ofBlocks(emitter, filledDy, filledX, filledY, window)
  const dx = behind === 0 ? found : slice(emitter, found, [1], [0], [channels])
  // Every δ arrives exactly once, so the sums per channel stay what they were.
  emitter.hint(dx, { sums: dy })
  return dx
}

function ofBlocks(
  emitter: Emitter,
  dy: string,
  x: string,
  y: string,
  window: readonly KnownWindowAxis[],
): string {
  const [rows, columns] = window as readonly [KnownWindowAxis, KnownWindowAxis]
  if (!beginsEverywhere(window) || rows.kernel === 1 || columns.kernel === 1)
    return placeByPlace(emitter, dy, x, y, window)
  // The first maximum in row order is the first one of the first row that has it.
  const along = [{ ...singleTap, input: rows.input }, columns]
  const down = [rows, { ...singleTap, input: (emitter.info(y).shape as readonly number[])[3]! }]
  const { begin, end } = columns.pads
  const ofRows = emitter.op('MaxPool', [x], {
    kernel_shape: [1, columns.kernel],
    pads: [0, begin, 0, end],
  })
  return placeByPlace(emitter, placeByPlace(emitter, dy, ofRows, y, down), x, ofRows, along)
}

function placeByPlace(
  emitter: Emitter,
  dy: string,
  x: string,
  y: string,
  window: readonly KnownWindowAxis[],
): string {
  const [, channels, ...outputs] = emitter.info(y).shape as readonly number[]
  const images = new DepthwiseImages(emitter, channels!)
  const places = range(window[0]!.kernel).flatMap((k) =>
    range(window[1]!.kernel).map((l) => [k, l] as const),
  )
  let left = dy
  const taken = places.map((place, i) => {
    if (i === places.length - 1) return left
    const there = images.read(x, place, window)
    const wins = positive(emitter, emitter.op('Sub', [there, y]), 1)
    const inside = insideImage(place, window, outputs)
    const mask = inside ? emitter.op('Mul', [wins, images.repeated(inside, outputs)]) : wins
    const part = emitter.op('Mul', [left, mask])
    left = emitter.op('Sub', [left, part])
    return part
  })
  const { stride } = window[0]!
  const sizes = window.map(({ input }) => Math.ceil((input as number) / stride))
  const phases = range(stride ** 2).map((phase) => {
    const at = [Math.floor(phase / stride), phase % stride]
    return places
      .flatMap((place, i) => {
        const offsets = window.map(
          ({ pads }, axis) => (at[axis]! + pads.begin - place[axis]!) / stride,
        )
        return offsets.every(Number.isInteger) ? [images.moved(taken[i]!, offsets, sizes)] : []
      })
      .reduce((sum, part) => emitter.op('Add', [sum, part]))
  })
  if (stride === 1) return phases[0]!
  const joined = emitter.op('Concat', phases, { axis: 1 })
  return images.moved(
    emitter.op('DepthToSpace', [joined], { blocksize: stride }),
    [0, 0],
    window.map(({ input }) => input as number),
  )
}

/** For each output whether the place lies in the image: undefined where it does in all of them. */
function insideImage(
  place: readonly number[],
  window: readonly KnownWindowAxis[],
  outputs: readonly number[],
): readonly number[] | undefined {
  const along = window.map(({ stride, pads, input }, axis) =>
    range(outputs[axis]!).map((o) => {
      const at = o * stride + place[axis]! - pads.begin
      return at >= 0 && at < (input as number) ? 1 : 0
    }),
  )
  if (along.every((inside) => !inside.includes(0))) return undefined
  return along[0]!.flatMap((row) => along[1]!.map((column) => row * column))
}

/** Images [N, C, H, W] that are read and moved by depthwise convolutions with one-hot kernels. */
class DepthwiseImages {
  readonly #emitter: Emitter
  readonly #channels: number

  constructor(emitter: Emitter, channels: number) {
    this.#emitter = emitter
    this.#channels = channels
  }

  /** The same image [H, W] for every channel, as [1, C, H, W]. */
  repeated(image: readonly number[], dims: readonly number[]): string {
    const values = new Float32Array(this.#channels * image.length)
    for (const channel of range(this.#channels)) values.set(image, channel * image.length)
    return this.#emitter.constant(float32([1, this.#channels, ...dims], values))
  }

  /** What every window has at one of its places; 0 outside of the image. */
  read(x: string, place: readonly number[], window: readonly KnownWindowAxis[]): string {
    const kernel = window.map((axis) => axis.kernel)
    return this.#convolution(x, kernel, place, {
      strides: window.map((axis) => axis.stride),
      pads: [...window.map((axis) => axis.pads.begin), ...window.map((axis) => axis.pads.end)],
    })
  }

  /** value[j + offset] for j below `sizes`; 0 outside of the image. */
  moved(value: string, offsets: readonly number[], sizes: readonly number[]): string {
    const given = (this.#emitter.info(value).shape as Shape).slice(2) as readonly number[]
    const axes = offsets.map((offset, axis) => {
      const behind = sizes[axis]! + offset - given[axis]!
      const at = Math.max(0, offset)
      return {
        at,
        kernel: at + 1 + Math.max(0, -behind),
        pads: [Math.max(0, -offset), Math.max(0, behind)] as const,
      }
    })
    if (axes.every(({ kernel, pads }) => kernel === 1 && pads[0] === 0 && pads[1] === 0))
      return value
    const kernel = axes.map((axis) => axis.kernel)
    return this.#convolution(
      value,
      kernel,
      axes.map(({ at }) => at),
      { pads: [...axes.map(({ pads }) => pads[0]), ...axes.map(({ pads }) => pads[1])] },
    )
  }

  #convolution(
    x: string,
    kernel: readonly number[],
    [row, column]: readonly number[],
    attributes: Readonly<Record<string, readonly number[]>>,
  ): string {
    const [rows, columns] = kernel as readonly [number, number]
    const field = rows * columns
    const oneHot = new Float32Array(this.#channels * field)
    for (const channel of range(this.#channels))
      oneHot[channel * field + row! * columns + column!] = 1
    const weight = this.#emitter.constant(float32([this.#channels, 1, rows, columns], oneHot))
    return this.#emitter.op('Conv', [x, weight], {
      kernel_shape: kernel,
      group: this.#channels,
      ...attributes,
    })
  }
}
