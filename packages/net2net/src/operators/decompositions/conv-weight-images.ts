/**
 * The gradient of a convolution's weight with stride 1 by products image by image, summed over the images, which costs little where
 * images are large beside the weight. Neither factor brings its channels before the images, as `conv-weight-shifts.ts` does. There are two forms:
 *
 * **By shifts**, with a product for each tap along the columns, and no versions of x that are joined:
 *
 *   ∂L/∂w[m, c, k, l] = Σ_n Σ_{r, j} B[n, m, k, r, j] · A[l, n, c, r, j]
 *
 * with A the versions of x shifted along the columns and B those of δ shifted along the rows.
 *
 * **By taps**, where there are few channels: all that the taps read of x, times δ as it is; or, where there are few filters, all of δ that
 * meets x by one of the taps, times x as it is.
 *
 * In a convolution with several groups, each group of channels counts as a separate image.
 */
import type { Emitter } from '../contract/gradient.ts'
import { costs, positionsOf, zerosPutApart } from '../helpers/costs.ts'
import {
  batchedProduct,
  filled,
  ints,
  range,
  reshape,
  type TargetSize,
  transpose,
} from '../helpers/emission.ts'
import {
  batchOf,
  computedColumns,
  joined,
  type Layer,
  shifted,
  tapsBehindChannels,
} from './conv-weight-shifts.ts'

/**
 * ∂L/∂w [M, C, K, L], or undefined where products over all images cost less, or the stride is another. Measured in native code
 * alone.
 *
 * @param fits whether there is memory for so many numbers for each position of an output
 */
export function weightGradientByImages(
  layer: Layer,
  fits: (numbers: number) => boolean,
): string | undefined {
  const { emitter, groups, rows, columns } = layer
  if (emitter.target !== 'onnxruntime-cpu' || rows.stride > 1 || columns.stride > 1)
    return undefined
  const [channels, filters] = [layer.channels / groups, layer.filters / groups]
  const [tall, wide] = [rows.kernel, columns.kernel]
  const taps = tall * wide * channels
  /** How many versions are made; a single one is what is given, unless zeros are put behind it. */
  const versions = (kernel: number, zeros = 0) => (kernel === 1 && zeros === 0 ? 0 : kernel)
  // For each position: elements that are copied, in rows, and products that are computed.
  const copied = (elements: number) => (costs.matrix + costs.row / columns.output) * elements
  const product = (lines: number, columns: number) =>
    costs.product * lines * computedColumns(columns)
  const summed = (costs.sums * taps * filters) / (rows.input * columns.output)
  const ofAll =
    groups > 1
      ? (costs.matrix + costs.row / positionsOf(layer.batch)) * taps +
        costs.matrix * (channels + filters) +
        product(filters, taps)
      : costs.matrix * ((2 * versions(wide) + 1) * channels + (versions(tall) + 1) * filters) +
        Math.min(product(taps, filters), product(tall * filters, wide * channels))
  const apart = zerosApart(layer)
  const byShifts =
    copied(versions(wide, apart) * channels + versions(tall, apart) * filters) +
    product(tall * wide * filters, channels) +
    summed
  /** With all taps of the factor that has so many channels. */
  const byTapsOf = (lines: number, others: number) =>
    fits(tall * wide * lines)
      ? copied((wide + versions(wide) + tall * wide) * lines) +
        Math.min(product(tall * wide * lines, others), product(others, tall * wide * lines)) +
        summed
      : Number.POSITIVE_INFINITY
  const [ofImages, ofDeltas] = [byTapsOf(channels, filters), byTapsOf(filters, channels)]
  const byTaps = Math.min(ofImages, ofDeltas)
  if (ofAll <= Math.min(byShifts, byTaps)) return undefined
  const images = groupsAsImages(layer)
  if (byShifts < byTaps) return productsOfShifts(images)
  return ofDeltas < ofImages ? productOfDeltaTaps(images) : productOfTaps(images)
}

/** The form by taps of x, of a layer with one group. */
export const tapsOfImages = (layer: Layer): string => productOfTaps(groupsAsImages(layer))

/** A layer whose groups are images, with the channels and filters of one group. */
interface GroupedLayer extends Layer {
  /** How many images there were. */
  readonly samples: TargetSize
}

function groupsAsImages(layer: Layer): GroupedLayer {
  const { emitter, groups, rows, columns } = layer
  const samples = batchOf(layer.x)
  if (groups === 1) return { ...layer, samples }
  const [channels, filters] = [layer.channels / groups, layer.filters / groups]
  const x = reshape(emitter, layer.x, [-1, channels, rows.input, columns.input])
  const dy = reshape(emitter, layer.dy, [-1, filters, rows.output, columns.output])
  return { ...layer, x, dy, channels, filters, samples }
}

function productsOfShifts(layer: GroupedLayer): string {
  const { emitter, x, dy, channels, filters, groups, samples, rows, columns } = layer
  const apart = zerosApart(layer)
  const height = rows.input + apart
  const line = height * columns.output
  const deltas = reshape(emitter, shiftedRows(layer, height), [
    batchOf(dy),
    filters * rows.kernel,
    line,
  ])
  const taps = shiftedColumns(layer, apart).map((version) => {
    const images = reshape(emitter, version, [batchOf(x), channels, line])
    const product = productOverPositions(emitter, deltas, images, samples)
    return reshape(emitter, product, [groups * filters, rows.kernel, 1, channels])
  })
  return tapsBehindChannels(layer, joined(emitter, taps, 2))
}

/** A value as so many lines [N, lines, positions] for each of the images that a second value holds. */
const linesOf =
  (emitter: Emitter, positions: number) =>
  (value: string, images: string, lines: number): string =>
    reshape(emitter, value, [batchOf(images), lines, positions])

function productOfTaps(layer: GroupedLayer): string {
  const { emitter, x, dy, channels, filters, groups, samples, rows, columns } = layer
  const versions = joined(emitter, shiftedColumns(layer, 1), 1)
  const read = range(rows.kernel).flatMap((tap) => {
    const offset = tap * rows.dilation - rows.pads.begin
    return rowsAt(rows.output, offset, rows.input)
  })
  const taken = emitter.op('Gather', [versions, ints(emitter, read)], { axis: 2 })
  const inLines = linesOf(emitter, rows.output * columns.output)
  const taps = columns.kernel * channels * rows.kernel
  const factors = [inLines(dy, dy, filters), inLines(taken, x, taps)] as const
  const product = productOverPositions(emitter, ...factors, samples)
  const dims = [groups * filters, columns.kernel, channels * rows.kernel]
  const channelsFirst = transpose(emitter, reshape(emitter, product, dims), [0, 2, 1])
  return reshape(emitter, channelsFirst, [groups * filters, channels, rows.kernel, columns.kernel])
}

/** The taps of δ: at each place of x, the δ of the outputs that read it by each of the taps. */
function productOfDeltaTaps(layer: GroupedLayer): string {
  const { emitter, x, dy, channels, filters, groups, samples, rows, columns } = layer
  const sizes = { input: columns.output, output: columns.input }
  const versions = range(columns.kernel).map((tap) =>
    shifted(emitter, dy, tap * columns.dilation - columns.pads.begin, sizes, 1),
  )
  const met = ints(emitter, rowsMet(layer, rows.input))
  const taken = emitter.op('Gather', [joined(emitter, versions, 1), met], { axis: 2 })
  const inLines = linesOf(emitter, rows.input * columns.input)
  const taps = columns.kernel * filters * rows.kernel
  const factors = [inLines(taken, dy, taps), inLines(x, x, channels)] as const
  const product = productOverPositions(emitter, ...factors, samples)
  const dims = [groups, columns.kernel, filters, rows.kernel, channels]
  const moved = transpose(emitter, reshape(emitter, product, dims), [0, 2, 4, 3, 1])
  return reshape(emitter, moved, [groups * filters, channels, rows.kernel, columns.kernel])
}

/** How many rows of zeros are behind each line: one, where lines would share the places of the cache. */
const zerosApart = ({ rows, columns }: Layer): number =>
  zerosPutApart(rows.input * columns.output, columns.output) ? 1 : 0

/** A: x for every tap along the columns, [N, C, H + zeros, W′]. */
function shiftedColumns({ emitter, x, columns }: Layer, zeros: number): readonly string[] {
  const { kernel, dilation, pads } = columns
  return range(kernel).map((tap) =>
    shifted(emitter, x, pads.begin - tap * dilation, columns, zeros),
  )
}

/** B: the rows of δ that each tap along the rows meets at each of so many rows of x, [N, M, K·rows, W′]. Gather moves whole rows, with all threads. */
function shiftedRows(layer: Layer, height: number): string {
  const { emitter, dy, rows, columns } = layer
  const met = rowsMet(layer, height)
  if (met.length === rows.output && met.every((place, row) => place === row)) return dy
  const width = columns.output
  const withZeros = shifted(emitter, dy, 0, { input: width, output: width }, 1)
  return emitter.op('Gather', [withZeros, ints(emitter, met)], { axis: 2 })
}

/** The rows of δ that each tap meets at each of the first `height` rows of x. */
const rowsMet = ({ rows }: Layer, height: number): readonly number[] =>
  range(rows.kernel).flatMap((tap) =>
    rowsAt(height, rows.pads.begin - tap * rows.dilation, rows.output),
  )

/** The row `offset` below each of the first `count` rows; where the image of a height has none, that of zeros below it. */
const rowsAt = (count: number, offset: number, height: number): readonly number[] =>
  range(count).map((row) => {
    const place = row + offset
    return place >= 0 && place < height ? place : height
  })

/**
 * Σ_{n, p} a[n, i, p] · b[n, j, p], where n runs over the samples and each of g groups of channels has its own sum: one row [1, g·I·J] holds all of them.
 * Each image is multiplied separately. The sum over the samples is a product with a row of ones, which is bound by memory alone.
 *
 * @param samples the size of the batch; the factors hold g images for each sample
 */
export function productOverPositions(
  emitter: Emitter,
  a: string,
  b: string,
  samples: TargetSize = batchOf(a),
): string {
  const flat = reshape(emitter, batchedProduct(emitter, a, b), [samples, -1])
  return emitter.op('MatMul', [filled(emitter, [1, samples], 1), flat])
}
