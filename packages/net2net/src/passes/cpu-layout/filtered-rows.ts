/**
 * Convolutions on images in blocks of channels whose rows are computed by minimal filtering (`../../operators/helpers/minimal-filtering.ts`): with the rows
 * of x in tiles of n = m + r − 1, each of which begins m rows below the one before,
 *
 *   y = Aᵀ[ Σ_c (G w) ⊙ (Bᵀ x) ],    ∂L/∂w = Gᵀ[ Σ (A δ) ⊙ (Bᵀ x) ],
 *
 * where ⊙ is a convolution along the columns, one for each of the n rows of a tile. Of r rows of multiply-adds n/m are left, 6/4 of 3.
 *
 * The gradients of images and weights are computed so, and not what the loss depends on (`paired-rows.ts`). There numbers that are equal have to stay equal: where
 * images are empty, a pooling takes the first of its zeros, and a ReLU hands no gradient down. With products that are added up in the order of a tile some of
 * these are 10⁻⁸.
 *
 * In memory, images in blocks are matrices of rows, [N, C/b, H, W·b]. Bᵀ x are images [N, n·C, tiles, W]: by one product, in which Bᵀ is repeated along a
 * diagonal, or of higher images by depthwise convolutions with a stride of m. The n convolutions are groups of one; a product along n gives m rows of each
 * tile, and these are put in their order.
 */
import type { Dim } from '../../model/model.ts'
import type { BlockedContext, BlockedEmitter } from '../../operators/contract/facets.ts'
import type {
  ImageConvolution,
  SizedAxis,
} from '../../operators/decompositions/convolution-columns.ts'
import { padBlocks, reshapeBlocks } from '../../operators/helpers/blocked.ts'
import { range } from '../../operators/helpers/emission.ts'
import {
  alongDiagonal,
  minimalFiltering,
  type Rows,
} from '../../operators/helpers/minimal-filtering.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { isTiledByProduct, type RowTiles, rowTiles } from './row-tiles.ts'

// ---------------------------------------------------------------- emission

/** Columns of zeros before and behind those of an image. */
export type Columns = readonly [left: number, right: number]

export interface Images {
  readonly batch: Dim
  readonly blocks: string
  readonly channels: number
  readonly height: number
  readonly width: number
}

/** The first row of a tile's outputs. */
function rowOf({ tiles, dilation, step }: RowTiles, tile: number): number {
  const line = tiles / dilation
  return Math.floor(tile / line) + dilation * step * (tile % line)
}

/**
 * For every tile the product of a matrix [n, rows] and the image's rows from its first one on, `begin` further down; zeros beyond the image:
 * [N, n·C, tiles, W].
 */
export function tiledRows(
  emitter: BlockedEmitter,
  images: Images,
  tiling: RowTiles,
  matrix: Rows,
  begin: number,
  columns: Columns = [0, 0],
): string {
  const { batch, channels, height, width } = images
  if (!isTiledByProduct({ batch, channels, numbers: channels * width, height }, tiling))
    return tilesByTaps(emitter, images, tiling, matrix, begin, columns)
  const [left, right] = columns
  if (left + right === 0) return tilesByProduct(emitter, images, tiling, matrix, begin)
  const blocks = padBlocks(emitter, images.blocks, channels, [0, left, 0, right])
  const wide = { ...images, blocks, width: left + width + right }
  return tilesByProduct(emitter, wide, tiling, matrix, begin)
}

function tilesByProduct(
  emitter: BlockedEmitter,
  { blocks, channels, height, width }: Images,
  tiling: RowTiles,
  matrix: Rows,
  begin: number,
): string {
  const { size, dilation, tiles } = tiling
  const starts = range(tiles).map((tile) => begin + rowOf(tiling, tile))
  const diagonals = alongDiagonal(matrix, starts, height, dilation)
  const { block } = emitter
  const lines = reshapeBlocks(emitter, blocks, [-1, 1, channels / block, height, width * block])
  const product = emitter.constantOf(float32([size, 1, tiles, height], diagonals.flat()))
  const products = emitter.emit('MatMul', [product, lines])[0]!
  return reshapeBlocks(emitter, products, [-1, size * channels, tiles, width])
}

/** A depthwise convolution for each row of the matrix. */
function tilesByTaps(
  emitter: BlockedEmitter,
  images: Images,
  tiling: RowTiles,
  matrix: Rows,
  begin: number,
  columns: Columns,
): string {
  const parts = matrix.map((entries) =>
    rowOfTiles(emitter, images, tiling, entries, begin, columns),
  )
  return emitter.emit('Concat', parts, { axis: 1 })[0]!
}

/**
 * The products of one row of the matrix, [N, C, tiles, W], by a depthwise convolution. It leaves out the zeros at the row's ends where that is possible. The rows of
 * the image are not dilated. `begin` may be beyond the first row of the image.
 */
export function rowOfTiles(
  emitter: BlockedEmitter,
  { blocks, channels, height }: Images,
  { step, tiles }: Pick<RowTiles, 'step' | 'tiles'>,
  row: readonly number[],
  begin: number,
  [left, right]: Columns = [0, 0],
): string {
  const zeros = (count: number) => Array<number>(Math.max(0, count)).fill(0)
  const entries = [...zeros(begin), ...row]
  const above = Math.max(0, -begin)
  const first = Math.min(
    above,
    entries.findIndex((entry) => entry !== 0),
  )
  const top = above - first
  const last = entries.findLastIndex((entry) => entry !== 0)
  // As many as it takes for no tile to be behind the last one.
  const count = Math.max(last + 1 - first, height + top - step * tiles + 1)
  const taps = [...entries, ...zeros(first + count - entries.length)].slice(first, first + count)
  const bottom = Math.max(0, step * (tiles - 1) + taps.length - top - height)
  return depthwise(emitter, blocks, channels, taps, step, [top, left, bottom, right])
}

/** The same taps along the rows for each channel. */
function depthwise(
  emitter: BlockedEmitter,
  blocks: string,
  channels: number,
  taps: readonly number[],
  stride: number,
  pads: readonly [top: number, left: number, bottom: number, right: number],
): string {
  const { block } = emitter
  const lanes = taps.flatMap((tap) => Array<number>(block).fill(tap))
  const weight = range(channels / block).flatMap(() => lanes)
  return emitter.emit(
    'Conv',
    [blocks, emitter.constantOf(float32([channels, 1, taps.length, 1], weight))],
    {
      kernel_shape: [taps.length, 1],
      strides: [stride, 1],
      pads,
      group: channels,
    },
    { blocked: true },
  )[0]!
}

export const matrixOf = (emitter: BlockedEmitter, rows: Rows): string =>
  emitter.constantOf(float32([rows.length, rows[0]!.length], rows.flat()))

/** The weight [M, C / groups, r, L] as [n·M, C / groups, 1, L], both in blocks of filters. */
export function filteredKernels(
  emitter: BlockedEmitter,
  weight: string,
  { channels, filters, groups, rows, columns }: ImageConvolution,
  matrix: Rows,
): string {
  const size = matrix.length
  const pairs = (channels * filters) / groups / emitter.block ** 2
  const numbers = columns.kernel * emitter.block ** 2
  const taps = reshapeBlocks(emitter, weight, [1, pairs, rows.kernel, numbers])
  const kernel = emitter.constantOf(float32([size, 1, 1, rows.kernel], matrix.flat()))
  const kernels = emitter.emit('MatMul', [kernel, taps])[0]!
  return reshapeBlocks(emitter, kernels, [size * filters, channels / groups, 1, columns.kernel])
}

/** The weight [M, C / groups, r, L] as [M, C / groups, n, L], both in blocks of filters. */
export function stackedKernels(
  emitter: BlockedEmitter,
  weight: string,
  { channels, filters, groups, rows, columns }: ImageConvolution,
  matrix: Rows,
): string {
  const pairs = (channels * filters) / groups / emitter.block ** 2
  const numbers = columns.kernel * emitter.block ** 2
  const taps = reshapeBlocks(emitter, weight, [pairs, rows.kernel, numbers])
  const kernels = emitter.emit('MatMul', [matrixOf(emitter, matrix), taps])[0]!
  const sizes = [filters, channels / groups, matrix.length, columns.kernel]
  return reshapeBlocks(emitter, kernels, sizes)
}

/** A convolution of each row by itself, or of more of them. */
export const convolveColumns = (
  emitter: BlockedEmitter,
  inputs: readonly string[],
  { kernel, stride, dilation, pads }: SizedAxis,
  group: number,
  rows: Pick<SizedAxis, 'kernel' | 'dilation'> = { kernel: 1, dilation: 1 },
): string =>
  emitter.emit(
    'Conv',
    inputs,
    {
      kernel_shape: [rows.kernel, kernel],
      strides: [1, stride],
      dilations: [rows.dilation, dilation],
      pads: [0, pads.begin, 0, pads.end],
      group,
    },
    { blocked: true },
  )[0]!

/** The convolution of x [N, C, H, W] by a weight [M, C / groups, r, L], both in blocks. */
function convolve(
  emitter: BlockedEmitter,
  x: string,
  weight: string,
  convolution: ImageConvolution,
  tiling: RowTiles,
): string {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const { step, size, dilation, tiles } = tiling
  const filtering = minimalFiltering(step, rows.kernel)
  const images = { batch, blocks: x, channels, height: rows.input, width: columns.input }
  const inputs = [
    tiledRows(emitter, images, tiling, filtering.input, -rows.pads.begin),
    filteredKernels(emitter, weight, convolution, filtering.kernel),
  ]
  const products = convolveColumns(emitter, inputs, columns, size * groups)
  const [count, numbers] = [filters / emitter.block, columns.output * emitter.block]
  const inTiles = reshapeBlocks(emitter, products, [-1, size, count * tiles * numbers])
  const lines = emitter.emit('MatMul', [matrixOf(emitter, filtering.output), inTiles])[0]!
  const order = range(count).flatMap((m) =>
    range(rows.output).map((row) => {
      const [line, place] = [row % dilation, Math.floor(row / dilation)]
      const tile = (line * tiles) / dilation + Math.floor(place / step)
      return ((place % step) * count + m) * tiles + tile
    }),
  )
  const given = reshapeBlocks(emitter, lines, [-1, step * count * tiles, numbers])
  const sorted = emitter.emit('Gather', [given, emitter.constantOf(int64(order))], { axis: 1 })[0]!
  return reshapeBlocks(emitter, sorted, [-1, filters, rows.output, columns.output])
}

// ------------------------------------------------------------------- nodes

/** The convolution that the context's node computes, of images in whole blocks and without a bias, if it pays to filter its rows. */
export function filteredRows(
  context: BlockedContext,
  convolution: ImageConvolution,
): readonly string[] | undefined {
  const { channels, filters, groups } = convolution
  const isWhole = [channels, filters].every((count) => (count / groups) % context.block === 0)
  const tiling = isWhole && !context.has(2) ? rowTiles(convolution) : undefined
  return tiling && [convolve(context, context.blocks(0), context.filters(1), convolution, tiling)]
}
