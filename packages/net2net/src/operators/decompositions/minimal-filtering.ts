/**
 * Convolutions by Winograd's minimal filtering: in tiles of m × m outputs, for kernels of r × r taps,
 *
 *   Y = Aᵀ[ Σ_c (G w Gᵀ) ⊙ (Bᵀ x B) ]A,
 *
 * where an output costs (m + r − 1)² / m² multiplications for each channel instead of r² (4 instead of 9 for m = 2, r = 3).
 * See `../helpers/minimal-filtering.ts`. With tiles of four inputs along an axis, errors are no larger than those of a plain convolution.
 *
 * Pixels come first here, [H, W, N·C], so that transforms are products of matrices too: the rows of all tiles
 * at once are R·x, with Bᵀ repeated along R's diagonal and the padding left out, and the columns likewise. Then there is one product
 * of matrices [N·tiles, C] × [C, M] for each of the (m + r − 1)² entries of a tile.
 *
 * The gradients are the same steps backwards: with V = BᵀxB and D = A·δ·Aᵀ,
 *
 *   ∂L/∂w = Gᵀ[ Σ D ⊙ V ]G,    ∂L/∂x = B[ Σ_m (G w Gᵀ) ⊙ D ]Bᵀ.
 *
 * This pays where arithmetic is slow beside memory, as in WebAssembly. Products with R take H multiplications for each element,
 * of which few are needed: so it does not pay for large images of few channels.
 */
import { float32 } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { costs, positionsOf } from '../helpers/costs.ts'
import { ints, range, reduce, reshape, type TargetSize, transpose } from '../helpers/emission.ts'
import {
  alongDiagonal,
  type Filtering,
  minimalFiltering,
  type Rows,
  transposed,
} from '../helpers/minimal-filtering.ts'
import type { ImageConvolution, SizedAxis } from './convolution-columns.ts'

/** Larger tiles have three times the errors of a plain convolution, and more. */
const largestTile = 4

/** One axis of the images, cut into tiles. */
interface TiledAxis {
  readonly axis: SizedAxis
  readonly filtering: Filtering
  /** m. */
  readonly step: number
  readonly tiles: number
  /** m + r − 1. */
  readonly size: number
}

export interface Tiling {
  readonly rows: TiledAxis
  readonly columns: TiledAxis
}

/**
 * The tiles with which filtering a convolution and computing both of its gradients is cheaper than by plain
 * products; undefined where none are, or where there is no such form.
 */
export function tilesThatPay(convolution: ImageConvolution): Tiling | undefined {
  let best: Tiling | undefined
  let least = plainCost(convolution)
  for (const tiling of tilingsOf(convolution)) {
    const cost = tiledCost(convolution, tiling)
    if (cost < least) [best, least] = [tiling, cost]
  }
  return best
}

/** All tiles of two outputs or more. */
export function tilingsOf({ rows, columns, groups }: ImageConvolution): readonly Tiling[] {
  if (groups > 1 || ![rows, columns].every(isPlain)) return []
  return range(largestTile + 1, 2)
    .filter((step) => [rows, columns].every(({ kernel }) => step + kernel - 1 <= largestTile))
    .map((step) => ({ rows: tiled(rows, step), columns: tiled(columns, step) }))
}

const isPlain = ({ kernel, stride, dilation }: SizedAxis): boolean =>
  kernel > 1 && stride === 1 && dilation === 1

const tiled = (axis: SizedAxis, step: number): TiledAxis => ({
  axis,
  filtering: minimalFiltering(step, axis.kernel),
  step,
  tiles: Math.ceil(axis.output / step),
  size: step + axis.kernel - 1,
})

const plainCost = ({ batch, channels, filters, rows, columns }: ImageConvolution): number => {
  const field = rows.kernel * columns.kernel
  const positions = positionsOf(batch) * rows.output * columns.output
  return 3 * costs.multiplied * channels * filters * field * positions
}

/** Three products, four transforms of images, four transpositions of images, and the weight there and back. */
function tiledCost(
  { batch, channels, filters, rows, columns }: ImageConvolution,
  tiling: Tiling,
): number {
  const [tall, wide] = [tiling.rows, tiling.columns].map(({ size, tiles }) => size * tiles)
  const transform = (height: number, width: number) => tall! * width * (height + wide!)
  const read = channels * transform(rows.input, columns.input)
  const written = filters * transform(rows.output, columns.output)
  const images = channels * rows.input * columns.input + filters * rows.output * columns.output
  const weight = channels * filters
  const field = rows.kernel * columns.kernel
  const entries = tiling.rows.size * tiling.columns.size
  return (
    positionsOf(batch) *
      (costs.multiplied * (3 * tall! * wide! * weight + 2 * (read + written)) +
        costs.moved * 2 * images) +
    weight * (costs.multiplied * 3 * entries * field + costs.moved * (4 * field + 3 * entries))
  )
}

/** The output [N, M, H′, W′], without a bias. */
export function convolveByTiles(
  emitter: Emitter,
  x: string,
  weight: string,
  convolution: ImageConvolution,
  tiling: Tiling,
): string {
  const { filters, rows, columns } = convolution
  const pixels = outputPixels(emitter, x, weight, convolution, tiling)
  return imagesFirst(emitter, pixels, x, [filters, rows.output, columns.output])
}

/** The four 2 × 2 phases of the output, each [N, M, H′/2, W′/2], without a bias. */
export function phasesByTiles(
  emitter: Emitter,
  x: string,
  weight: string,
  convolution: ImageConvolution,
  tiling: Tiling,
): readonly string[] {
  const { filters, rows, columns } = convolution
  const [height, width] = [rows.output / 2, columns.output / 2]
  const pixels = outputPixels(emitter, x, weight, convolution, tiling)
  const cells = reshape(emitter, pixels, [height, 2, width, 2, -1, filters])
  const sorted = transpose(emitter, cells, [0, 2, 4, 1, 3, 5])
  const images = imagesFirst(emitter, sorted, x, [4 * filters, height, width])
  const sizes = ints(emitter, Array(4).fill(filters))
  return emitter.emit('Split', [images, sizes], { axis: 1 }, { outputs: 4 })
}

/** The output [H′, W′, N·M]. */
function outputPixels(
  emitter: Emitter,
  x: string,
  weight: string,
  convolution: ImageConvolution,
  tiling: Tiling,
): string {
  const taken = asFactors(emitter, inputTiles(emitter, x, tiling), convolution.channels, tiling)
  const kernels = kernelTiles(emitter, weight, convolution, tiling, true)
  const product = emitter.op('MatMul', [taken, kernels])
  return transform(emitter, product, tiling, outputOf, true)
}

/** ∂L/∂x [N, C, H, W]. */
export function inputGradientByTiles(
  emitter: Emitter,
  dy: string,
  weight: string,
  convolution: ImageConvolution,
  tiling: Tiling,
): string {
  const { channels, filters, rows, columns } = convolution
  const kernels = kernelTiles(emitter, weight, convolution, tiling, false)
  const product = emitter.op('MatMul', [
    asFactors(emitter, deltaTiles(emitter, dy, tiling), filters, tiling),
    kernels,
  ])
  const pixels = transform(emitter, product, tiling, inputOf, true)
  return imagesFirst(emitter, pixels, dy, [channels, rows.input, columns.input])
}

/** ∂L/∂w [M, C, K, L]. */
export function weightGradientByTiles(
  emitter: Emitter,
  dy: string,
  x: string,
  { channels, filters, rows, columns }: ImageConvolution,
  tiling: Tiling,
): string {
  const delta = asFactors(emitter, deltaTiles(emitter, dy, tiling), filters, tiling)
  const taken = asFactors(emitter, inputTiles(emitter, x, tiling), channels, tiling)
  const leading = emitter.info(delta).shape!.slice(0, 3)
  const infos = [{ dtype: emitter.info(x).dtype, shape: [...leading, filters, channels] }]
  const options = { domain: 'com.microsoft', infos }
  const products = emitter.emit('FusedMatMul', [delta, taken], { transA: 1 }, options)[0]!
  const summed = reduce(emitter, 'Sum', products, [1], false)
  const entries = tiling.rows.size * tiling.columns.size
  const field = rows.kernel * columns.kernel
  const back = emitter.op('MatMul', [
    matrix(emitter, transposed(kernelMatrix(tiling))),
    reshape(emitter, summed, [entries, filters * channels]),
  ])
  return reshape(emitter, transpose(emitter, reshape(emitter, back, [field, -1]), [1, 0]), [
    filters,
    channels,
    rows.kernel,
    columns.kernel,
  ])
}

/** V [n·tiles, n′·tiles′, N·C]. */
const inputTiles = (emitter: Emitter, x: string, tiling: Tiling): string =>
  transform(emitter, pixelsFirst(emitter, x, inputOf, tiling), tiling, inputOf, false)

/** D [n·tiles, n′·tiles′, N·M]. */
function deltaTiles(emitter: Emitter, dy: string, tiling: Tiling): string {
  const { phases } = emitter.hintOf(dy)
  const pixels = phases
    ? pixelsOfPhases(emitter, phases)
    : pixelsFirst(emitter, dy, outputOf, tiling)
  return transform(emitter, pixels, tiling, outputOf, false)
}

/** Tiles as matrices [n, tiles, n′, tiles′·N, C]. */
const asFactors = (emitter: Emitter, tiles: string, channels: number, { rows, columns }: Tiling) =>
  reshape(emitter, tiles, [rows.size, rows.tiles, columns.size, -1, channels])

/** G w Gᵀ as matrices [n, 1, n′, C, M], or [n, 1, n′, M, C]. */
function kernelTiles(
  emitter: Emitter,
  weight: string,
  { channels, filters, rows, columns }: ImageConvolution,
  tiling: Tiling,
  channelsFirst: boolean,
): string {
  const field = rows.kernel * columns.kernel
  const flat = (value: string, sizes: readonly number[]) => reshape(emitter, value, sizes)
  const turned = (value: string, sizes: readonly number[]) =>
    transpose(emitter, flat(value, sizes), [1, 0])
  // Whole rows of filters are moved: element by element that is slow.
  const taps = channelsFirst
    ? transpose(
        emitter,
        flat(turned(weight, [filters, channels * field]), [channels, field, filters]),
        [1, 0, 2],
      )
    : turned(weight, [filters * channels, field])
  const tiles = emitter.op('MatMul', [
    matrix(emitter, kernelMatrix(tiling)),
    flat(taps, [field, channels * filters]),
  ])
  const matrices = channelsFirst ? [channels, filters] : [filters, channels]
  return flat(tiles, [tiling.rows.size, 1, tiling.columns.size, ...matrices])
}

/** G for the rows and the columns at once: [n·n′, K·L]. */
const kernelMatrix = ({ rows, columns }: Tiling): Rows =>
  rows.filtering.kernel.flatMap((down) =>
    columns.filtering.kernel.map((across) => down.flatMap((a) => across.map((b) => a * b))),
  )

/** What a transform is of: the size of its images, and a tile's matrix with the place of its first pixel. */
interface Side {
  readonly pixels: (axis: TiledAxis) => number
  readonly matrix: (axis: TiledAxis) => Rows
  readonly begin: (axis: TiledAxis) => number
}

const inputOf: Side = {
  pixels: ({ axis }) => axis.input,
  matrix: ({ filtering }) => filtering.input,
  begin: ({ axis }) => -axis.pads.begin,
}

const outputOf: Side = {
  pixels: ({ axis }) => axis.output,
  matrix: ({ filtering }) => transposed(filtering.output),
  begin: () => 0,
}

/** From pixels [H, W·P] to tiles [n·tiles, n′·tiles′, P]; backwards, the transpose of that. */
function transform(
  emitter: Emitter,
  value: string,
  { rows, columns }: Tiling,
  side: Side,
  backwards: boolean,
): string {
  const matrixOf = (axis: TiledAxis) => {
    const starts = range(axis.tiles).map((tile) => side.begin(axis) + tile * axis.step)
    const forwards = alongDiagonal(side.matrix(axis), starts, side.pixels(axis))
    return matrix(emitter, backwards ? transposed(forwards) : forwards)
  }
  const sizes = (axis: TiledAxis) => {
    const [pixels, tiles] = [side.pixels(axis), axis.size * axis.tiles]
    return backwards ? [tiles, pixels] : [pixels, tiles]
  }
  const [from, to] = sizes(rows)
  const down = emitter.op('MatMul', [matrixOf(rows), reshape(emitter, value, [from!, -1])])
  const lines = reshape(emitter, down, [to!, sizes(columns)[0]!, -1])
  return emitter.op('MatMul', [matrixOf(columns), lines])
}

/** Images [N, C, H, W] as pixels [H·W, N·C]. */
function pixelsFirst(
  emitter: Emitter,
  images: string,
  side: Side,
  { rows, columns }: Tiling,
): string {
  const size = side.pixels(rows) * side.pixels(columns)
  return transpose(emitter, reshape(emitter, images, [-1, size]), [1, 0])
}

/** Pixels [H·W, N·C] of an image that is given as its 2 × 2 phases. */
function pixelsOfPhases(emitter: Emitter, phases: readonly string[]): string {
  const [, channels, height, width] = emitter.info(phases[0]!).shape as readonly number[]
  const images = emitter.op('Concat', phases, { axis: 1 })
  const matrix = transpose(emitter, reshape(emitter, images, [-1, height! * width!]), [1, 0])
  const cells = reshape(emitter, matrix, [height!, width!, -1, 2, 2, channels!])
  return reshape(emitter, transpose(emitter, cells, [0, 3, 1, 4, 2, 5]), [4 * height! * width!, -1])
}

/** Pixels [H, W, N·C] as images [N, C, H, W], as many as `like` has. */
function imagesFirst(
  emitter: Emitter,
  pixels: string,
  like: string,
  [channels, height, width]: readonly [number, number, number],
): string {
  const flat = reshape(emitter, pixels, [height * width, -1])
  const batch: TargetSize = { of: like, axis: 0 }
  return reshape(emitter, transpose(emitter, flat, [1, 0]), [batch, channels, height, width])
}

const matrix = (emitter: Emitter, rows: Rows): string =>
  emitter.constant(float32([rows.length, rows[0]!.length], rows.flat()))
