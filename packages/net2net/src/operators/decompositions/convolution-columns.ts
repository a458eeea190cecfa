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
 * The batch comes last: [N, C·H·W] is transposed as a matrix, and columns are gathered in runs of N: first what the taps along the columns read
 * of every row, and then whole rows of that.
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
 * gradient of x, and its gradient back? Or, for channels that fill no blocks, than a convolution that lays out its windows row by row?
 */
export function columnsPay(convolution: ImageConvolution): boolean {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const field = rows.kernel * columns.kernel
  const positions = positionsOf(batch) * rows.output * columns.output
  const images = positionsOf(batch) * (channels * rows.input * columns.input) + filters * positions
  const copied = copiesNothing(convolution) ? 0 : channels * field * positions
  const weight = (filters * channels * field) / groups
  const line = isLaidOutAlone(convolution) ? costs.windowRowAlone : costs.windowRow
  const gathered = costs.columns * copied
  return (
    gathered + costs.matrix * 2 * images < costs.weight * weight ||
    (isPlain(convolution) && gathered + costs.columnNodes < (line * copied) / columns.output)
  )
}

/** Does one thread lay the windows out? In the plain layout it does where an image has fewer outputs than there are filters. */
export const isLaidOutAlone = ({ filters, groups, rows, columns }: ImageConvolution): boolean =>
  rows.output * columns.output < filters / groups

/**
 * Are the images in blocks on no processor? Groups of 2, 4, 8, 16, … channels are, alone or together, images of very few channels are read as they are, and
 * depthwise convolutions have forms of their own.
 */
function isPlain({ channels, filters, groups }: ImageConvolution): boolean {
  const [read, given] = [channels / groups, filters / groups]
  const fills = (width: number, all: number) =>
    fillsBlocks(width) || (smallestBlock % width === 0 && fillsBlocks(all))
  const isRead = fills(read, channels) || (groups === 1 && read < smallestBlock)
  return read > 1 && !(isRead && fills(given, filters))
}

/** ONNX Runtime's blocks have 8 or 16 channels. */
const smallestBlock = 8

/** Images with other numbers of channels are in blocks on no processor: their convolutions are products of columns. */
export const fillsBlocks = (channels: number): boolean => channels % smallestBlock === 0

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
  const behind = emitter.target === 'onnxruntime-cpu' ? zerosBehind(convolution) : 0
  const delta = deltaMatrix(emitter, dy, convolution, behind)
  const taken = columnsOf(emitter, x, convolution, behind)
  const product =
    groups > 1
      ? batchedProduct(emitter, delta, taken)
      : columnsFirst(convolution)
        ? turned(emitter, emitter.op('Gemm', [taken, delta], { transB: 1 }))
        : emitter.op('Gemm', [delta, taken], { transB: 1 })
  return reshape(emitter, product, [filters, channels / groups, rows.kernel, columns.kernel])
}

/**
 * For how many positions there are zeros behind each line of both factors: none, unless the lines collide and that is worth the copies; whole rows
 * of outputs, where these are gathered. Measured in native code alone.
 */
function zerosBehind(convolution: ImageConvolution): number {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const [outputs, samples] = [rows.output * columns.output, positionsOf(batch)]
  const field = rows.kernel * columns.kernel
  // Columns are gathered anyway.
  const copied = filters + (copiesNothing(convolution) ? channels : 0)
  const zeros = copiesNothing(convolution) ? 1 : columns.output
  const products = (field * channels * filters) / groups
  const saved = (costs.collision - (costs.product * zeros) / outputs) * products
  return zerosPutApart(outputs * samples, zeros * samples) && saved > costs.padded * copied
    ? zeros
    : 0
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

/** δ [N, M, H′, W′] as [M, Q·N], or [g, M/g, Q·N]; with zeros for so many positions behind each line. */
function deltaMatrix(
  emitter: Emitter,
  dy: string,
  { filters, groups }: ImageConvolution,
  behind = 0,
): string {
  return reshape(
    emitter,
    withZeros(emitter, batchLast(emitter, dy), dy, filters, behind),
    groups === 1 ? [filters, -1] : [groups, filters / groups, -1],
  )
}

/** A matrix [C·H·W, N] with zeros for so many positions behind each channel: [C, H·W + behind, N]. */
function withZeros(
  emitter: Emitter,
  matrix: string,
  images: string,
  channels: number,
  behind: number,
): string {
  if (behind === 0) return matrix
  const lines = reshape(emitter, matrix, [channels, -1, { of: images, axis: 0 }])
  return emitter.op('Pad', [lines, ints(emitter, [0, 0, 0, 0, behind, 0])])
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

/** A: [C·K·L, Q·N], or [g, C/g·K·L, Q·N]; with zeros for so many positions behind each line. */
function columnsOf(emitter: Emitter, x: string, convolution: ImageConvolution, behind = 0): string {
  const { channels, groups, rows, columns } = convolution
  const field = rows.kernel * columns.kernel
  const shape = groups === 1 ? [channels * field, -1] : [groups, (channels / groups) * field, -1]
  const images = batchLast(emitter, x)
  if (copiesNothing(convolution))
    return reshape(emitter, withZeros(emitter, images, x, channels, behind), shape)
  const taken = rowsTaken(emitter, x, images, convolution, behind / columns.output)
  return reshape(emitter, taken, shape)
}

/** The columns of x, whose images are [C·H·W, N]: [C, K·L·(H′ + behind), W′·N]. */
function rowsTaken(
  emitter: Emitter,
  x: string,
  images: string,
  { channels, rows, columns }: ImageConvolution,
  behind: number,
): string {
  const placesOf = (axis: SizedAxis) =>
    range(axis.kernel).map((tap) => range(axis.output).map((output) => placeOf(axis, tap, output)))
  const down = placesOf(rows).map((outputs) => [...outputs, ...range(behind).map(() => undefined)])
  // Only rows that are read, and one of zeros where it is.
  const read = [...new Set(down.flat())]
  const across = placesOf(columns).flat()
  const inRows = read.flatMap((row) =>
    across.map((place) =>
      row === undefined || place === undefined ? [] : [row * columns.input + place],
    ),
  )
  const places = rows.input * columns.input
  const versions = sums(emitter, images, x, inRows, [channels, places, 1])
  const met = down.flatMap((outputs) =>
    range(columns.kernel).flatMap((tap) =>
      outputs.map((row) => [read.indexOf(row) * columns.kernel + tap]),
    ),
  )
  const lines = [channels, read.length * columns.kernel, columns.output] as const
  return sums(emitter, versions, x, met, lines)
}

/** Which input element a tap reads for an output; undefined in the padding. */
function placeOf(axis: SizedAxis, tap: number, output: number): number | undefined {
  const place = output * axis.stride + tap * axis.dilation - axis.pads.begin
  return place >= 0 && place < axis.input ? place : undefined
}

/** From the columns' gradient [C·K·L, Q·N], the sum for each element of x, [C, H·W·N]: over the taps of a column first, then over those of a row. */
function addedUp(
  emitter: Emitter,
  product: string,
  dy: string,
  { channels, rows, columns }: ImageConvolution,
): string {
  const across = columns.kernel
  const places = rows.kernel * across * rows.output
  const ofRows = readersOf(rows).map((readers) =>
    range(across).map((tap) =>
      readers.map((reader) => (reader.tap * across + tap) * rows.output + reader.output),
    ),
  )
  const summedRows = sums(emitter, product, dy, ofRows.flat(), [channels, places, columns.output])
  const inRow = rows.input * across * columns.output
  const inRows = readersOf(columns)
  const ofColumns = range(rows.input).flatMap((row) =>
    inRows.map((readers) =>
      readers.map(({ tap, output }) => (row * across + tap) * columns.output + output),
    ),
  )
  return sums(emitter, summedRows, dy, ofColumns, [channels, inRow, 1])
}

/** For each list, the sum of what is at its places of a value [C, places, width·N], or zeros: [C, lists, width·N]. */
function sums(
  emitter: Emitter,
  value: string,
  like: string,
  lists: readonly (readonly number[])[],
  [channels, places, width]: readonly [channels: number, places: number, width: number],
): string {
  const most = Math.max(1, ...lists.map((list) => list.length))
  const read = range(most).flatMap((t) => lists.map((list) => list[t] ?? places))
  if (read.length === places && read.every((place, k) => place === k)) return value
  const batch = { of: like, axis: 0 }
  const runs = reshape(emitter, value, [channels, places * width, batch])
  const isShort = read.includes(places)
  const zeros = () => filled(emitter, [channels, width, batch], 0)
  const source = isShort ? emitter.op('Concat', [runs, zeros()], { axis: 1 }) : runs
  const lines = reshape(emitter, source, [channels, places + Number(isShort), -1])
  const found = emitter.op('Gather', [lines, emitter.constant(int64(read))], { axis: 1 })
  const terms = reshape(emitter, found, [channels, most, -1])
  return most === 1 ? terms : reduce(emitter, 'Sum', terms, [1], false)
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
