/**
 * The gradient of a convolution's weight by shifts, for images [N, C, H, W] and stride 1 along the rows: put r = i + k·d − p
 * for the row of x. Then
 *
 *   ∂L/∂w[m, c, k, l] = Σ_{n, r, j} B[k, m, n, r, j] · A[l, c, n, r, j]
 *
 * with A the L versions of x shifted along the columns and B the K versions of δ shifted along the
 * rows, zero where they leave the image. With channels before images, K products
 * [L·C, N·H·W] × [N·H·W, M] give every tap; K + L shifted copies stand in for the K·L of the usual
 * im2col. The columns are shifted by a product with a 0/1 matrix, exact to the bit.
 */
import { float32, scalar } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { costs, positionsOf, zerosPutApart } from '../helpers/costs.ts'
import {
  ints,
  range,
  reshape,
  shapeOf,
  slice,
  type TargetSize,
  transpose,
  unsqueeze,
} from '../helpers/emission.ts'
import { isPointwise } from '../helpers/windows.ts'
import type { ImageConvolution, SizedAxis } from './convolution-columns.ts'

/** Images wider than this are shifted by slices: the 0/1 matrix grows with the width. */
const widestProduct = 32

/** So many columns of a product are computed together. */
const columnRun = 16

/** How many columns are computed for a second factor of so many. */
export const computedColumns = (columns: number): number =>
  Math.ceil(columns / columnRun) * columnRun

/** A convolution, and what its gradient is computed from. */
export interface Layer extends ImageConvolution {
  readonly emitter: Emitter
  readonly x: string
  readonly dy: string
}

export const batchOf = (of: string): TargetSize => ({ of, axis: 0 })

export const joined = (emitter: Emitter, parts: readonly string[], axis: number): string =>
  parts.length === 1 ? parts[0]! : emitter.op('Concat', parts, { axis })

/** [N, C, H, W] as [C, N, H, W]. */
export const byChannel = (emitter: Emitter, images: string): string =>
  transpose(emitter, images, [1, 0, 2, 3])

/** ∂L/∂w [M, C, K, L] for `positions` of all outputs. */
export function weightGradientByShifts(layer: Layer, positions: number): string {
  const { emitter, channels, filters, rows, columns } = layer
  const apart = apartPays(layer)
  const taken = shiftedColumns(layer, apart)
  const tapsFirst = orderCost(layer, positions, true) < orderCost(layer, positions, false)
  const deltas = apart ? gatheredRows(layer) : shiftedRows(layer)
  const product = (delta: string) => {
    const factors = tapsFirst ? [taken, delta] : [delta, taken]
    return emitter.op('Gemm', factors, { transB: 1 })
  }
  /** [M, K·L·C] of a product for all rows: [L·C, K·M] or [K·M, L·C]. */
  const ofAll = (product: string) => {
    // Two transpositions, of a matrix and of lines: three axes at once would be moved number by number.
    const rowsFirst = tapsFirst ? transpose(emitter, product, [1, 0]) : product
    const apart = reshape(emitter, rowsFirst, [rows.kernel, filters, columns.kernel * channels])
    return transpose(emitter, apart, [1, 0, 2])
  }
  /** … and of one for each. */
  const ofEach = (products: readonly string[]) => {
    const all = joined(emitter, products, tapsFirst ? 0 : 1)
    return tapsFirst ? transpose(emitter, all, [1, 0]) : all
  }
  const filtersFirst = oneProductPays(layer)
    ? ofAll(product(joined(emitter, deltas, 0)))
    : ofEach(deltas.map(product))
  return tapsBehindChannels(layer, filtersFirst)
}

/** Of a gradient whose elements are in the order [M, K·L, C], the weight's own shape [M, C, K, L]. */
export function tapsBehindChannels(
  { emitter, channels, rows, columns }: Layer,
  gradient: string,
): string {
  const field = rows.kernel * columns.kernel
  const tapped = reshape(emitter, gradient, [-1, field, channels])
  // ONNX Runtime would make one transposition of this and those around it, and copy element by element; it does not look into an Einsum.
  const channelsFirst = () => emitter.op('Einsum', [tapped], { equation: 'mtc->mct' })
  const dims = [-1, channels, rows.kernel, columns.kernel]
  return reshape(emitter, field === 1 ? tapped : channelsFirst(), dims)
}

/**
 * What the order of the two factors costs: ONNX Runtime repacks the second factor of a product, and with
 * the taps first the result has to be transposed once more.
 */
function orderCost(layer: Layer, positions: number, tapsFirst: boolean): number {
  const { channels, filters, rows, columns } = layer
  const taps = columns.kernel * channels
  const repacked = rows.kernel * positions * (tapsFirst ? filters : taps)
  const moved = rows.kernel * taps * filters
  const turned = tapsFirst && rows.kernel * columns.kernel > 1 ? costs.turned : 0
  return costs.repacked * repacked + (costs.joined + turned) * moved
}

/**
 * Is one product for all rows of the kernel cheaper than one for each, though δ is copied for it? With few filters a product waits for
 * its larger factor, and computes for a whole run of filters.
 */
function oneProductPays({ emitter, channels, filters, rows, columns }: Layer): boolean {
  const computed = rows.kernel * computedColumns(filters) - computedColumns(rows.kernel * filters)
  const saved = costs.product * computed + costs.readAgain * (rows.kernel - 1)
  return (
    emitter.target === 'onnxruntime-cpu' &&
    rows.kernel > 1 &&
    saved * columns.kernel * channels > costs.joined * rows.kernel * filters
  )
}

/**
 * Is it cheaper to put one more row of zeros behind all images of a channel than to leave the factors' lines where they collide?
 * Both factors are copied for that. Measured in native code alone.
 */
function apartPays({ emitter, batch, channels, filters, rows, columns }: Layer): boolean {
  const line = positionsOf(batch) * rows.input * columns.output
  const saved = costs.collision * channels * filters * rows.kernel * columns.kernel
  return (
    emitter.target === 'onnxruntime-cpu' &&
    zerosPutApart(line, columns.output) &&
    saved > costs.padded * (channels + filters)
  )
}

/** Images of a channel below each other, and a row of zeros behind them: [C, N, H, W] as [C, 1, N·H + 1, W]. */
function withZeros(emitter: Emitter, images: string): string {
  const [channels, , , width] = emitter.info(images).shape as readonly number[]
  const below = reshape(emitter, images, [channels!, 1, -1, width!])
  return shifted(emitter, below, 0, { input: width!, output: width! }, 1)
}

/** So many elements stay in the cache that cores share (12 MB). */
const cachedElements = 3 * 2 ** 20

/** Are products of shifted rows cheaper than one of columns (`convolution-columns.ts`)? Measured in native code alone. */
export function shiftsPay(layer: Layer): boolean {
  return layer.emitter.target !== 'onnxruntime-cpu' || shiftsCost(layer) <= columnsCost(layer)
}

/** What a product costs for each position: its second factor is repacked. The cheaper order of both factors. */
function productCost(lines: number, width: number): number {
  const inOrder = (first: number, second: number) =>
    (costs.product * first + costs.repacked) * computedColumns(second)
  return Math.min(inOrder(lines, width), inOrder(width, lines))
}

/** Nanoseconds of one product of columns for each output. Columns are more elements than shifts, but they are gathered in rows of the batch. */
export function columnsCost(layer: Layer): number {
  const { batch, channels, filters, groups, rows, columns } = layer
  const samples = positionsOf(batch)
  const outputs = rows.output * columns.output
  const taps = rows.kernel * columns.kernel * channels
  const away = taps * samples * outputs > cachedElements ? costs.away : 0
  return (
    groups * productCost(taps / groups, filters / groups) +
    (costs.matrix + costs.row / samples + away) * taps +
    costs.exchanged * ((channels * rows.input * columns.input) / outputs + filters)
  )
}

/** … and of products of shifted rows, whose factors are repacked for every row of the kernel. */
export function shiftsCost({ channels, filters, rows, columns }: Layer): number {
  const taken = columns.kernel * channels
  const forInput =
    rows.kernel * productCost(taken, filters) +
    costs.exchanged * (taken + (rows.kernel - 1) * filters) +
    costs.exchanged * ((channels * columns.input) / columns.output + filters)
  return (forInput * rows.input) / rows.output
}

/** A: x for every tap along the columns, [L·C, N·H·W′] for outputs of width W′; with W′ zeros behind each line, if wanted. */
function shiftedColumns({ emitter, x, channels, columns }: Layer, apart: boolean): string {
  const { kernel, stride, dilation, pads, input, output } = columns
  const flat = [kernel * channels, -1]
  const images = apart ? withZeros(emitter, byChannel(emitter, x)) : byChannel(emitter, x)
  if (isPointwise(columns)) return reshape(emitter, images, flat)
  if (input > widestProduct && stride > 1)
    return reshape(emitter, joined(emitter, stridedColumns(emitter, images, columns), 0), flat)
  if (input > widestProduct) {
    const taps = range(kernel).map((l) =>
      shifted(emitter, images, pads.begin - l * dilation, { input, output }),
    )
    return reshape(emitter, joined(emitter, taps, 0), flat)
  }
  const moves = new Float32Array(kernel * input * output)
  for (const l of range(kernel))
    for (const j of range(output)) {
      const from = j * stride + l * dilation - pads.begin
      if (from >= 0 && from < input) moves[(l * input + from) * output + j] = 1
    }
  // A product for each tap and half of the channels: threads get whole ones, and taps are odd in number.
  const parts = channels % 2 === 0 ? 2 : 1
  const lines = reshape(emitter, images, [1, parts, -1, input])
  const matrix = emitter.constant(float32([kernel, 1, input, output], moves))
  return reshape(emitter, emitter.op('MatMul', [lines, matrix]), flat)
}

/**
 * What each tap reads of rows [C, N, H, W]: [C, N·H, W′]. Steps are slow to slice; so the rows are sorted into the phases of the
 * stride first, by a product in short runs, and every tap is a piece of one of them.
 */
function stridedColumns(emitter: Emitter, images: string, axis: SizedAxis): readonly string[] {
  const { kernel, stride, dilation, pads, input, output } = axis
  const run = Math.max(1, Math.floor(widestProduct / stride))
  const width = stride * run
  const read = (kernel - 1) * dilation + (output - 1) * stride + 1
  const runs = Math.ceil(Math.max(read, pads.begin + input) / width)
  const behind = runs * width - pads.begin - input
  const padding = ints(emitter, [0, 0, 0, pads.begin, 0, 0, 0, behind])
  const sort = new Float32Array(width * width)
  for (const phase of range(stride))
    for (const j of range(run)) sort[(j * stride + phase) * width + phase * run + j] = 1
  const sorted = emitter.op('MatMul', [
    reshape(emitter, emitter.op('Pad', [images, padding]), [-1, width]),
    emitter.constant(float32([width, width], sort)),
  ])
  const channels = emitter.info(images).shape![0] as number
  const phases = emitter
    .emit(
      'Split',
      [
        reshape(emitter, sorted, [channels, -1, runs, stride, run]),
        ints(emitter, Array(stride).fill(1)),
      ],
      { axis: 3 },
      { outputs: stride },
    )
    .map((phase) => reshape(emitter, phase, [channels, -1, runs * run]))
  return range(kernel).map((l) => {
    const from = Math.floor((l * dilation) / stride)
    return slice(emitter, phases[(l * dilation) % stride]!, [2], [from], [from + output])
  })
}

/** B: δ for each tap along the rows, [M, N·H·W′], at the rows of x that it meets. */
function shiftedRows({ emitter, dy, filters, rows, columns }: Layer): readonly string[] {
  const width = columns.output
  const sizes = { input: rows.output * width, output: rows.input * width }
  const given = reshape(emitter, byChannel(emitter, dy), [filters, batchOf(dy), sizes.input])
  return range(rows.kernel).map((k) => {
    const offset = k * rows.dilation - rows.pads.begin
    return reshape(emitter, shifted(emitter, given, offset * width, sizes), [filters, -1])
  })
}

/** B with W′ zeros behind each line, [M, (N·H + 1)·W′]. Whole rows move, which ONNX Runtime's Gather does with all threads. */
function gatheredRows({ emitter, dy, filters, rows, columns }: Layer): readonly string[] {
  const images = withZeros(emitter, byChannel(emitter, dy))
  const lines = reshape(emitter, images, [filters, -1, columns.output])
  return range(rows.kernel).map((k) => {
    const offset = k * rows.dilation - rows.pads.begin
    const isInOrder = offset === 0 && rows.input === rows.output
    const moved = isInOrder
      ? lines
      : emitter.op('Gather', [lines, rowsAt(emitter, dy, rows, offset)], { axis: 1 })
    return reshape(emitter, moved, [filters, -1])
  })
}

/**
 * For each row of all inputs the row of all outputs that lies `offset` before it, [N·H + 1]; −1, which is the row of zeros, where the image has none,
 * and behind the last image.
 */
function rowsAt(
  emitter: Emitter,
  dy: string,
  { input, output }: SizedAxis,
  offset: number,
): string {
  const inImage = range(input)
    .map((row) => row - offset)
    .map((place) => (place >= 0 && place < output ? place : -1))
  const batch = emitter.info(dy).shape?.[0]
  if (typeof batch === 'number') {
    const known = range(batch).flatMap((n) =>
      inImage.map((place) => (place < 0 ? place : n * output + place)),
    )
    return ints(emitter, [...known, -1])
  }
  const number = (value: number) => emitter.constant(scalar('int64', value))
  const size = emitter.op('Squeeze', [shapeOf(emitter, dy, 0, 1)])
  const rows = emitter.op('Mul', [size, number(output)])
  const first = unsqueeze(emitter, emitter.op('Range', [number(0), rows, number(output)]), [1])
  const kept = emitter.op('Mul', [
    first,
    ints(
      emitter,
      inImage.map((place) => (place < 0 ? 0 : 1)),
    ),
  ])
  const all = emitter.op('Add', [kept, ints(emitter, inImage)])
  return joined(emitter, [reshape(emitter, all, [-1]), ints(emitter, [-1])], 0)
}

/**
 * A value whose last axis has `output` elements, which start `begin` before those that are given; zeros where there are none, and
 * in so many more `rows` behind. A Pad that adds on one side and cuts on the other moves each element once.
 */
export function shifted(
  emitter: Emitter,
  value: string,
  begin: number,
  { input, output }: { readonly input: number; readonly output: number },
  rows = 0,
): string {
  const end = output - input - begin
  if (begin === 0 && end === 0 && rows === 0) return value
  const rank = emitter.info(value).shape!.length
  const others = range(rank - 2).map(() => 0)
  const padded = (before: number, behind: number) =>
    emitter.op('Pad', [value, ints(emitter, [...others, 0, before, ...others, rows, behind])])
  if (Math.min(begin, end) > -input) return padded(begin, end)
  // Nothing of what is given remains, which Pad refuses.
  const from = Math.max(0, -begin)
  const wide = padded(Math.max(0, begin), Math.max(0, end))
  return slice(emitter, wide, [rank - 1], [from], [from + output])
}
