/**
 * Convolutions on images in blocks of channels whose rows are computed by minimal filtering (`../../operators/helpers/minimal-filtering.ts`): with the rows
 * of x in tiles of n = m + r − 1, each of which begins m rows below the one before,
 *
 *   y = Aᵀ[ Σ_c (G w) ⊙ (Bᵀ x) ],    ∂L/∂w = Gᵀ[ Σ (A δ) ⊙ (Bᵀ x) ],
 *
 * where ⊙ is a convolution along the columns, one for each of the n rows of a tile. Of r rows of multiply-adds n/m are left, 6/4 of 3.
 *
 * The gradients of images and weights are computed so, and not what the loss depends on. There numbers that are equal have to stay equal: where images are empty,
 * a pooling takes the first of its zeros, and a ReLU hands no gradient down. With products that are added up in the order of a tile some of these
 * are 10⁻⁸.
 *
 * In memory, images in blocks are matrices of rows, [N, C/b, H, W·b]. Bᵀ x are images [N, n·C, tiles, W]: by one product, in which Bᵀ is repeated along a
 * diagonal, or of higher images by depthwise convolutions with a stride of m. The n convolutions are groups of one; a product along n gives m rows of each
 * tile, and these are put in their order.
 */
import { intAttribute } from '../../model/attributes.ts'
import { type Dim, isStandard } from '../../model/model.ts'
import type { BlockedContext, BlockedEmitter } from '../../operators/contract/facets.ts'
import type {
  ImageConvolution,
  SizedAxis,
} from '../../operators/decompositions/convolution-columns.ts'
import { reshapeBlocks } from '../../operators/helpers/blocked.ts'
import { range } from '../../operators/helpers/emission.ts'
import { minimalFiltering, type Rows } from '../../operators/helpers/minimal-filtering.ts'
import { allKnown, kernelShape, windowOf } from '../../operators/helpers/windows.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import { isTiledByProduct, type RowTiles, rowTiles } from './row-tiles.ts'

// ---------------------------------------------------------------- emission

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
): string {
  const { batch, channels, height, width } = images
  const isByProduct = isTiledByProduct({ batch, numbers: channels * width, height }, tiling)
  return (isByProduct ? tilesByProduct : tilesByTaps)(emitter, images, tiling, matrix, begin)
}

function tilesByProduct(
  emitter: BlockedEmitter,
  { blocks, channels, height, width }: Images,
  tiling: RowTiles,
  matrix: Rows,
  begin: number,
): string {
  const { size, dilation, tiles } = tiling
  const diagonals = matrix.flatMap((entries) =>
    range(tiles).flatMap((tile) => {
      const line = new Array<number>(height).fill(0)
      for (const [k, entry] of entries.entries()) {
        const row = begin + rowOf(tiling, tile) + k * dilation
        if (row >= 0 && row < height) line[row] = entry
      }
      return line
    }),
  )
  const { block } = emitter
  const lines = reshapeBlocks(emitter, blocks, [-1, 1, channels / block, height, width * block])
  const product = emitter.constantOf(float32([size, 1, tiles, height], diagonals))
  const products = emitter.emit('MatMul', [product, lines])[0]!
  return reshapeBlocks(emitter, products, [-1, size * channels, tiles, width])
}

/** A depthwise convolution for each row of the matrix, without the zeros at its ends where that is possible. */
function tilesByTaps(
  emitter: BlockedEmitter,
  { blocks, channels, height }: Images,
  { step, tiles }: RowTiles,
  matrix: Rows,
  begin: number,
): string {
  const parts = matrix.map((entries) => {
    const first = Math.min(
      -begin,
      entries.findIndex((entry) => entry !== 0),
    )
    const top = -begin - first
    const last = entries.findLastIndex((entry) => entry !== 0)
    // As many as it takes for no tile to be behind the last one.
    const count = Math.max(last + 1 - first, height + top - step * tiles + 1)
    const taps = entries.slice(first, first + count)
    const bottom = Math.max(0, step * (tiles - 1) + taps.length - top - height)
    return depthwise(emitter, blocks, channels, taps, step, [top, bottom])
  })
  return emitter.emit('Concat', parts, { axis: 1 })[0]!
}

/** The same taps along the rows for each channel. */
function depthwise(
  emitter: BlockedEmitter,
  blocks: string,
  channels: number,
  taps: readonly number[],
  stride: number,
  [top, bottom]: readonly [number, number],
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
      pads: [top, 0, bottom, 0],
      group: channels,
    },
    { blocked: true },
  )[0]!
}

export const matrixOf = (emitter: BlockedEmitter, rows: Rows): string =>
  emitter.constantOf(float32([rows.length, rows[0]!.length], rows.flat()))

/** The weight [M, C / groups, r, L] as [n·M, C / groups, 1, L], both in blocks of filters. */
function filteredKernels(
  emitter: BlockedEmitter,
  weight: string,
  { channels, filters, groups, rows, columns }: ImageConvolution,
  { step, size }: RowTiles,
): string {
  const { kernel: matrix } = minimalFiltering(step, rows.kernel)
  const pairs = (channels * filters) / groups / emitter.block ** 2
  const numbers = columns.kernel * emitter.block ** 2
  const taps = reshapeBlocks(emitter, weight, [1, pairs, rows.kernel, numbers])
  const kernel = emitter.constantOf(float32([size, 1, 1, rows.kernel], matrix.flat()))
  const kernels = emitter.emit('MatMul', [kernel, taps])[0]!
  return reshapeBlocks(emitter, kernels, [size * filters, channels / groups, 1, columns.kernel])
}

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
    filteredKernels(emitter, weight, convolution, tiling),
  ]
  const window = {
    kernel_shape: [1, columns.kernel],
    strides: [1, columns.stride],
    dilations: [1, columns.dilation],
    pads: [0, columns.pads.begin, 0, columns.pads.end],
    group: size * groups,
  }
  const products = emitter.emit('Conv', inputs, window, { blocked: true })[0]!
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

/** The convolution of images in blocks, if it has no bias and it pays to filter its rows. */
export function filteredRows(context: BlockedContext): readonly string[] | undefined {
  const convolution = convolutionOf(context)
  const tiling = convolution && rowTiles(convolution)
  return tiling && [convolve(context, context.blocks(0), context.filters(1), convolution, tiling)]
}

/** The convolution that the node computes, if that is one of whole blocks of channels. */
function convolutionOf(context: BlockedContext): ImageConvolution | undefined {
  const { node, block } = context
  const [x, weight, y] = [context.shape(0), context.shape(1), context.output(0).shape]
  if (!isStandard(node, 'Conv') || context.has(2) || context.dtype(0) !== 'float32')
    return undefined
  if (weight?.length !== 4) return undefined
  const kernel = kernelShape(node, weight.slice(2))
  if (!kernel || !context.fits(context.output(0)) || !x) return undefined
  const window = windowOf(node, kernel, x.slice(2))
  const sizes = [...weight.slice(0, 2), ...x.slice(1), ...y!.slice(2)]
  if (!allKnown(window) || !sizes.every((size) => typeof size === 'number')) return undefined
  const [filters, perGroup, channels, height, width, ...outputs] = sizes as readonly number[] as [
    filters: number,
    perGroup: number,
    channels: number,
    height: number,
    width: number,
    ...outputs: number[],
  ]
  const groups = intAttribute(node, 'group', 1)
  if (perGroup % block !== 0 || (filters / groups) % block !== 0) return undefined
  const [rows, columns] = window.map((axis, i) => {
    const input = [height, width][i]!
    return { ...axis, input, output: outputs[i]! }
  }) as [SizedAxis, SizedAxis]
  return { batch: x[0] ?? null, channels, filters, groups, rows, columns }
}
