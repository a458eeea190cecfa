/**
 * Convolutions of images [N, C, H, W] as one product of matrices, by columns (im2col): with
 *
 *   A[c, k, l; q, n] = x[n, c, i·s + k·d − p, j·t + l·e − r],   q = (i, j),
 *
 * the output is W·A for the weight as a matrix [M, C·K·L], the gradient of the weight is δ·Aᵀ, in the
 * weight's own order, and that of x is Wᵀ·δ with the columns added up where they were taken from.
 * Nothing is done to the weight but reading it, so this is the form for large weights on
 * small images. Several groups have one product each.
 *
 * The batch comes last: [N, C·H·W] is transposed as a matrix, and columns are gathered in runs of N.
 */
import type { Dim } from '../../model/model.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { costs, positionsOf, zerosPutApart } from '../helpers/costs.ts'
import {
  batchedProduct,
  filled,
  ints,
  range,
  reduce,
  reshape,
  transpose,
} from '../helpers/emission.ts'
import { isPointwise, type KnownWindowAxis } from '../helpers/windows.ts'

export interface SizedAxis extends KnownWindowAxis {
  readonly input: number
  readonly output: number
}

/** A convolution of images of known size. */
export interface ImageConvolution {
  /** N, where it is known. */
  readonly batch: Dim
  readonly channels: number
  readonly filters: number
  readonly groups: number
  readonly rows: SizedAxis
  readonly columns: SizedAxis
}

/** The convolution from x to y; undefined where it is not one of float32 images of known size. */
export function imageConvolution(
  emitter: Pick<Emitter, 'info'>,
  x: string,
  y: string,
  window: readonly KnownWindowAxis[],
  groups: number,
): ImageConvolution | undefined {
  const { dtype, shape } = emitter.info(x)
  const output = emitter.info(y).shape
  const [channels, filters] = [shape?.[1], output?.[1]]
  const [rows, columns] = window.map((axis, i): SizedAxis | undefined => {
    const size = output?.[i + 2]
    return typeof axis.input === 'number' && typeof size === 'number'
      ? { ...axis, input: axis.input, output: size }
      : undefined
  })
  return window.length === 2 &&
    dtype === 'float32' &&
    typeof channels === 'number' &&
    typeof filters === 'number' &&
    rows &&
    columns
    ? { batch: shape![0]!, channels, filters, groups, rows, columns }
    : undefined
}

/**
 * Are the columns cheaper than bringing the weight into the blocked layout, for the output and for the
 * gradient of x, and its gradient back?
 */
export function columnsPay(convolution: ImageConvolution): boolean {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const field = rows.kernel * columns.kernel
  const positions = positionsOf(batch) * rows.output * columns.output
  const images = positionsOf(batch) * (channels * rows.input * columns.input) + filters * positions
  const copied = copiesNothing(convolution) ? 0 : channels * field * positions
  const weight = (filters * channels * field) / groups
  return costs.columns * copied + costs.matrix * 2 * images < costs.weight * weight
}

const copiesNothing = ({ rows, columns }: ImageConvolution): boolean =>
  [rows, columns].every(isPointwise)

/** The output [N, M, H′, W′]. */
export function convolveByColumns(
  emitter: Emitter,
  x: string,
  weight: string,
  bias: string | undefined,
  convolution: ImageConvolution,
): string {
  const { filters, groups, rows, columns } = convolution
  const matrix = weightMatrix(emitter, weight, convolution)
  const taken = columnsOf(emitter, x, convolution)
  const product =
    groups === 1
      ? emitter.op('Gemm', [
          matrix,
          taken,
          ...(bias === undefined ? [] : [reshape(emitter, bias, [filters, 1])]),
        ])
      : emitter.op('MatMul', [matrix, taken])
  const images = batchFirst(emitter, product, x, [filters, rows.output, columns.output])
  return groups === 1 || bias === undefined
    ? images
    : emitter.op('Add', [images, reshape(emitter, bias, [1, filters, 1, 1])])
}

/** ∂L/∂w [M, C / groups, K, L]. */
export function weightGradientByColumns(
  emitter: Emitter,
  dy: string,
  x: string,
  convolution: ImageConvolution,
): string {
  const { channels, filters, groups, rows, columns } = convolution
  const apart = emitter.target === 'onnxruntime-cpu' && apartPays(convolution)
  const delta = deltaMatrix(emitter, dy, convolution, apart)
  const taken = columnsOf(emitter, x, convolution, apart)
  const product =
    groups > 1
      ? batchedProduct(emitter, delta, taken)
      : columnsFirst(convolution)
        ? turned(emitter, emitter.op('Gemm', [taken, delta], { transB: 1 }))
        : emitter.op('Gemm', [delta, taken], { transB: 1 })
  return reshape(emitter, product, [filters, channels / groups, rows.kernel, columns.kernel])
}

/** Do the lines of both factors collide, and are zeros behind each worth the copies? Measured in native code alone. */
function apartPays(convolution: ImageConvolution): boolean {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const [outputs, samples] = [rows.output * columns.output, positionsOf(batch)]
  const field = rows.kernel * columns.kernel
  const saved = (costs.collision * field * channels * filters) / groups
  // Columns are gathered anyway.
  const copied = filters + (copiesNothing(convolution) ? channels : 0)
  return zerosPutApart(outputs * samples, samples) && saved > costs.padded * copied
}

/** A product, transposed. As one of several matrices, since ONNX Runtime would exchange the factors of one alone again. */
function turned(emitter: Emitter, product: string): string {
  const [rows, columns] = emitter.info(product).shape as readonly number[]
  return transpose(emitter, reshape(emitter, product, [1, rows!, columns!]), [0, 2, 1])
}

/**
 * ONNX Runtime repacks the second factor of a product: is it cheaper to transpose the result, and to do without an
 * update in the product, than to repack the columns?
 */
function columnsFirst({ batch, channels, filters, rows, columns }: ImageConvolution): boolean {
  const positions = positionsOf(batch) * rows.output * columns.output
  const taps = channels * rows.kernel * columns.kernel
  return (
    costs.repacked * positions * filters + costs.joined * filters * taps <
    costs.repacked * positions * taps
  )
}

/** ∂L/∂x [N, C, H, W]. */
export function inputGradientByColumns(
  emitter: Emitter,
  dy: string,
  weight: string,
  convolution: ImageConvolution,
): string {
  const { channels, groups, rows, columns } = convolution
  const matrix = weightMatrix(emitter, weight, convolution)
  const delta = deltaMatrix(emitter, dy, convolution)
  const product =
    groups === 1
      ? emitter.op('Gemm', [matrix, delta], { transA: 1 })
      : emitter.op('MatMul', [transpose(emitter, matrix, [0, 2, 1]), delta])
  const added = copiesNothing(convolution) ? product : addedUp(emitter, product, dy, convolution)
  return batchFirst(emitter, added, dy, [channels, rows.input, columns.input])
}

/** [M, C·K·L], or [g, M/g, C/g·K·L]. */
const weightMatrix = (emitter: Emitter, weight: string, { filters, groups }: ImageConvolution) =>
  reshape(emitter, weight, groups === 1 ? [filters, -1] : [groups, filters / groups, -1])

/** δ [N, M, H′, W′] as [M, Q·N], or [g, M/g, Q·N]; with N zeros behind each line, if wanted. */
function deltaMatrix(
  emitter: Emitter,
  dy: string,
  { filters, groups }: ImageConvolution,
  apart = false,
): string {
  const matrix = batchLast(emitter, dy)
  return reshape(
    emitter,
    apart ? withZeros(emitter, matrix, dy, filters) : matrix,
    groups === 1 ? [filters, -1] : [groups, filters / groups, -1],
  )
}

/** A matrix [C·H·W, N] with N zeros behind each channel: [C, H·W + 1, N]. */
function withZeros(emitter: Emitter, matrix: string, images: string, channels: number): string {
  const lines = reshape(emitter, matrix, [channels, -1, { of: images, axis: 0 }])
  return emitter.op('Pad', [lines, ints(emitter, [0, 0, 0, 0, 1, 0])])
}

/** Images [N, …] as a matrix [C·H·W, N]. */
function batchLast(emitter: Emitter, images: string): string {
  const [, ...dims] = emitter.info(images).shape as readonly number[]
  const size = dims.reduce((a, b) => a * b, 1)
  return transpose(emitter, reshape(emitter, images, [{ of: images, axis: 0 }, size]), [1, 0])
}

/** [C, H·W·N] as images [N, C, H, W], as many as `like` has. */
function batchFirst(
  emitter: Emitter,
  value: string,
  like: string,
  dims: readonly [number, number, number],
): string {
  const size = dims.reduce((a, b) => a * b, 1)
  const batch = { of: like, axis: 0 }
  const matrix = reshape(emitter, value, [size, batch])
  return reshape(emitter, transpose(emitter, matrix, [1, 0]), [batch, ...dims])
}

/** A: [C·K·L, Q·N], or [g, C/g·K·L, Q·N]; with N zeros behind each line, if wanted. */
function columnsOf(
  emitter: Emitter,
  x: string,
  convolution: ImageConvolution,
  apart = false,
): string {
  const { channels, groups, rows, columns } = convolution
  const field = rows.kernel * columns.kernel
  const shape = groups === 1 ? [channels * field, -1] : [groups, (channels / groups) * field, -1]
  const images = batchLast(emitter, x)
  if (copiesNothing(convolution))
    return reshape(emitter, apart ? withZeros(emitter, images, x, channels) : images, shape)
  const size = rows.input * columns.input
  const batch = { of: x, axis: 0 }
  const places = range(field).flatMap((tap) => [
    ...range(rows.output * columns.output).map((q) => {
      const row = placeOf(rows, Math.floor(tap / columns.kernel), Math.floor(q / columns.output))
      const column = placeOf(columns, tap % columns.kernel, q % columns.output)
      return row === undefined || column === undefined ? size : row * columns.input + column
    }),
    ...(apart ? [size] : []),
  ])
  const lines = reshape(emitter, images, [channels, size, batch])
  return reshape(emitter, gathered(emitter, lines, x, places, size), shape)
}

/** Which input element a tap reads for an output; undefined in the padding. */
function placeOf(axis: SizedAxis, tap: number, output: number): number | undefined {
  const place = output * axis.stride + tap * axis.dilation - axis.pads.begin
  return place >= 0 && place < axis.input ? place : undefined
}

/** From the columns' gradient [C·K·L, Q·N], the sum for each element of x: [C, H·W·N]. */
function addedUp(
  emitter: Emitter,
  product: string,
  dy: string,
  { channels, rows, columns }: ImageConvolution,
): string {
  const outputs = rows.output * columns.output
  const none = rows.kernel * columns.kernel * outputs
  const [down, across] = [readersOf(rows), readersOf(columns)]
  const most = (readers: readonly (readonly unknown[])[]) =>
    Math.max(1, ...readers.map((list) => list.length))
  const [tall, wide] = [most(down), most(across)]
  // Which columns hold the t-th reader of each element.
  const places = range(tall * wide).flatMap((t) =>
    down.flatMap((list) =>
      across.map((others) => {
        const [row, column] = [list[Math.floor(t / wide)], others[t % wide]]
        if (!row || !column) return none
        const tap = row.tap * columns.kernel + column.tap
        return tap * outputs + row.output * columns.output + column.output
      }),
    ),
  )
  const batch = { of: dy, axis: 0 }
  const lines = reshape(emitter, product, [channels, none, batch])
  const found = gathered(emitter, lines, dy, places, none)
  const terms = reshape(emitter, found, [channels, tall * wide, -1])
  return tall * wide === 1 ? terms : reduce(emitter, 'Sum', terms, [1], false)
}

/** For every input element, the taps and outputs that read it. */
function readersOf(axis: SizedAxis) {
  const readers = range(axis.input).map((): { tap: number; output: number }[] => [])
  for (const tap of range(axis.kernel))
    for (const output of range(axis.output)) {
      const place = placeOf(axis, tap, output)
      if (place !== undefined) readers[place]!.push({ tap, output })
    }
  return readers
}

/** Runs of N from [C, lines, N]; place `lines` stands for zeros. */
function gathered(
  emitter: Emitter,
  value: string,
  like: string,
  places: readonly number[],
  lines: number,
): string {
  const [channels] = emitter.info(value).shape as readonly number[]
  const zeros = () => filled(emitter, [channels!, 1, { of: like, axis: 0 }], 0)
  const source = places.includes(lines)
    ? emitter.op('Concat', [value, zeros()], { axis: 1 })
    : value
  return emitter.op('Gather', [source, emitter.constant(int64(places))], { axis: 1 })
}
