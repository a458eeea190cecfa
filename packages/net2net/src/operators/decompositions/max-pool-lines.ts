/**
 * The gradient of max-pooling over windows that lie side by side, without positions and in the order of the standard.
 *
 * A line holds the rows of the image that one row of windows reads. Products with matrices of zeros and ones bring what each window has to its places:
 *
 *   m = [x = y there]        whether the place has the maximum
 *   f = [m − m·B > 0]        whether it is the first one, where B adds up the places of the window before it
 *   ∂L/∂x = f · δ there
 *
 * ONNX Runtime finds positions element by element and with branches (2 ns each, and as long again where few channels give threads
 * little to share); here are six passes over whole tensors. A product costs as much more as a line is longer.
 */
import { float } from '../../model/attributes.ts'
import type { Shape } from '../../model/model.ts'
import { float32 } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { positionsOf } from '../helpers/costs.ts'
import { range, reshape, reshapeLike } from '../helpers/emission.ts'
import { positive } from '../helpers/masks.ts'
import { type KnownWindowAxis, liesSideBySide } from '../helpers/windows.ts'

/** Products of longer lines cost what they save, and positions of larger windows are found in less time for each place. */
const longestLine = 64
const mostPlaces = 4

/** Images of fewer elements are done before the nodes have been started. */
const fewElements = 2 ** 14

/** How the image is cut into lines. */
export interface PooledLines {
  /** Rows of a window, and of a line. */
  readonly rows: number
  /** Columns of a window. */
  readonly columns: number
  /** Columns of a line: all of the image, or a part of it where windows have one row. */
  readonly width: number
}

/** The lines of images [N, C, …] of which windows cover everything; undefined where the form does not hold, or would not pay. */
export function pooledLines(
  shape: Shape,
  window: readonly KnownWindowAxis[],
): PooledLines | undefined {
  const covers = (axis: KnownWindowAxis) =>
    liesSideBySide(axis) && typeof axis.input === 'number' && axis.input % axis.kernel === 0
  if (window.length === 0 || window.length > 2 || !window.every(covers)) return undefined
  const { kernel: columns, input } = window.at(-1)!
  const rows = window.length === 2 ? window[0]!.kernel : 1
  const [batch = null, ...sizes] = shape
  const elements = sizes.reduce<number>((count, size) => count * Number(size), positionsOf(batch))
  const places = rows * columns
  if (places === 1 || places > mostPlaces || !(elements >= fewElements)) return undefined
  const all = input as number
  const widths = rows > 1 ? [all] : range(all + 1).filter((width) => width > 0 && all % width === 0)
  const width = widths.findLast((each) => each % columns === 0 && rows * each <= longestLine)
  return width === undefined ? undefined : { rows, columns, width }
}

/** ∂L/∂x of y = MaxPool(x) from δ = ∂L/∂y. */
export function linedPoolGradient(
  emitter: Emitter,
  dy: string,
  x: string,
  y: string,
  { rows, columns, width }: PooledLines,
): string {
  const length = rows * width
  const windows = width / columns
  /** The window of a place in a line, and where it is in its window, row by row. */
  const places = range(length).map((place) => {
    const [row, column] = [Math.floor(place / width), place % width]
    return { window: Math.floor(column / columns), order: row * columns + (column % columns) }
  })
  const spread = matrix(emitter, windows, length, (window, place) =>
    places[place]!.window === window ? 1 : 0,
  )
  const first = matrix(emitter, length, length, (from, to) => {
    const [a, b] = [places[from]!, places[to]!]
    if (from === to) return 1
    return a.window === b.window && a.order < b.order ? -1 : 0
  })
  const lines = reshape(emitter, x, [-1, length])
  const perWindow = (value: string) => reshape(emitter, value, [-1, windows])
  const below = emitter.op('Gemm', [perWindow(y), spread, lines], { alpha: float(-1) })
  const wins = positive(emitter, below, 1)
  const isFirst = positive(emitter, emitter.op('MatMul', [wins, first]), 0)
  const there = emitter.op('MatMul', [perWindow(dy), spread])
  const dx = reshapeLike(emitter, emitter.op('Mul', [there, isFirst]), x)
  // Every δ arrives exactly once, so the sums per channel stay what they were.
  emitter.hint(dx, { sums: dy })
  return dx
}

function matrix(
  emitter: Emitter,
  rows: number,
  columns: number,
  at: (row: number, column: number) => number,
): string {
  const values = Float32Array.from({ length: rows * columns }, (_, i) =>
    at(Math.floor(i / columns), i % columns),
  )
  return emitter.constant(float32([rows, columns], values))
}
