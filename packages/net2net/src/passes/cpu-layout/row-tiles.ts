/**
 * When it pays to compute the rows of a convolution by minimal filtering (`../../operators/helpers/minimal-filtering.ts`), and in which tiles.
 * `filtered-rows.ts` and `tall-kernels.ts` do it, on images in blocks of channels.
 */
import type { Dim } from '../../model/model.ts'
import { fitsGroups, wholeImagesCost } from '../../operators/decompositions/conv-weight-tall.ts'
import type {
  ImageConvolution,
  SizedAxis,
} from '../../operators/decompositions/convolution-columns.ts'
import { costs, positionsOf, productInBlocks } from '../../operators/helpers/costs.ts'
import { range } from '../../operators/helpers/emission.ts'
import { mostInputs } from '../../operators/helpers/minimal-filtering.ts'

/**
 * How the rows of an image are cut into tiles: each of n = m + r − 1 rows, m below the one before. With a dilation of d, rows that lie d apart are tiled as
 * if they were an image.
 */
export interface RowTiles {
  /** m. */
  readonly step: number
  /** n. */
  readonly size: number
  readonly dilation: number
  readonly tiles: number
}

/** Filtering has to take less than this share of what it takes the place of. */
const worthwhile = 0.9

/** The tiles that pay for a convolution of whole blocks of channels; undefined where none do. */
export function rowTiles(convolution: ImageConvolution): RowTiles | undefined {
  return cheapest(tilings(convolution.rows), directCost(convolution), (tiling) =>
    filteredCost(convolution, tiling),
  )
}

/** Nanoseconds for each image, row by row. */
const directCost = (convolution: ImageConvolution): number =>
  rowOfTaps(convolution) *
  convolution.rows.kernel *
  convolution.columns.kernel *
  convolution.rows.output

/** The cheapest tiles, if they take that much less than the direct way. */
function cheapest(
  candidates: readonly RowTiles[],
  direct: number,
  costOf: (tiling: RowTiles) => number,
): RowTiles | undefined {
  let best: RowTiles | undefined
  let least = worthwhile * direct
  for (const tiling of candidates) {
    const cost = costOf(tiling)
    if (cost < least) [best, least] = [tiling, cost]
  }
  return best
}

/** Rows of a kernel, as kernels of two or three rows: each begins two rows below the one before. */
export interface RowsOfKernel {
  readonly first: number
  readonly count: number
  readonly taps: 2 | 3
}

/** How a convolution computes two rows at once. With a dilation of d these are d apart, and d pairs are computed as one line of them. */
export interface PairsOfRows {
  readonly parts: readonly RowsOfKernel[]
  readonly dilation: number
  /** How many pairs of lines there are. */
  readonly pairs: number
}

/** Two rows at a time, and the last three of an odd number. */
function partsOf(kernel: number): readonly RowsOfKernel[] {
  const isOdd = kernel % 2 === 1
  const count = Math.floor(kernel / 2) - (isOdd ? 1 : 0)
  return [
    ...(count > 0 ? [{ first: 0, count, taps: 2 } as const] : []),
    ...(isOdd ? [{ first: 2 * count, count: 1, taps: 3 } as const] : []),
  ]
}

/**
 * Pairs of rows (`paired-rows.ts`) of a convolution of whole blocks of channels, if they pay.
 *
 * @param readers how many convolutions read the same tiles and weights
 */
export function pairsOfRows(
  convolution: ImageConvolution,
  readers: number,
): PairsOfRows | undefined {
  const pairs = allPairs(convolution.rows)
  const isWorthwhile =
    pairs && pairedCost(convolution, pairs, readers) < worthwhile * directCost(convolution)
  return isWorthwhile ? pairs : undefined
}

/** Nanoseconds for each image of a convolution of whole blocks of channels that the loss depends on. */
export function costInBlocks(convolution: ImageConvolution): number {
  const pairs = pairsOfRows(convolution, 1)
  return pairs ? pairedCost(convolution, pairs, 1) : directCost(convolution)
}

/** The pairs that there are for kernels of several rows, with a stride of one. */
function allPairs(rows: SizedAxis): PairsOfRows | undefined {
  const { kernel, stride, dilation } = rows
  const isWhole = [rows.input, rows.output, rows.pads.begin].every((size) => size % dilation === 0)
  return stride === 1 && kernel > 1 && isWhole
    ? { parts: partsOf(kernel), dilation, pairs: Math.ceil(rows.output / dilation / 2) }
    : undefined
}

/** Nanoseconds for each image. */
function pairedCost(
  convolution: ImageConvolution,
  { parts, dilation, pairs }: PairsOfRows,
  readers: number,
): number {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const lines = dilation * pairs
  const sum = (count: (part: RowsOfKernel) => number) =>
    parts.reduce((total, part) => total + count(part), 0)
  const products = sum(({ count, taps }) => count * (taps + 1))
  const images = sum(({ taps }) => taps + 1)
  const inTiles = channels * columns.input * images * lines
  const outputs = filters * columns.output * 2 * lines
  // Two sums of half the outputs each, all of them in their order, without the last row, and an activation that the convolution would have done.
  const passes = rows.output === 2 * lines ? 3 : 4
  const weight = (products * columns.kernel * channels * filters) / groups
  return (
    rowOfTaps(convolution) * products * columns.kernel * lines +
    costs.blocks * passes * outputs +
    // Small batches are not to lose what larger ones gain: it has to pay for half the usual batch.
    ((costs.tap * 2 + costs.blocks) * inTiles +
      (2 * (costs.filteredWeight * weight + costs.pairedNodes * images)) / positionsOf(batch)) /
      readers
  )
}

/** Multiply-adds of one tap for a row of outputs, in nanoseconds. */
const rowOfTaps = ({ channels, filters, groups, columns }: ImageConvolution): number =>
  (productInBlocks(filters / groups) * channels * filters * columns.output) / groups

/** All tiles that there are for kernels of several rows, with a stride of one. */
const tilings = ({ kernel, stride, dilation, output }: SizedAxis): readonly RowTiles[] =>
  stride === 1 && kernel > 1
    ? range(mostInputs - kernel + 2, 2).map((step) => ({
        step,
        size: step + kernel - 1,
        dilation,
        tiles: dilation * Math.ceil(output / dilation / step),
      }))
    : []

/** Nanoseconds for each image. */
function filteredCost(convolution: ImageConvolution, tiling: RowTiles): number {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const { step, size, tiles } = tiling
  const outputs = tiles * columns.output * filters
  const weight = (size * columns.kernel * channels * filters) / groups
  return (
    rowOfTaps(convolution) * size * columns.kernel * tiles +
    tilesCost({ batch, channels, numbers: channels * columns.input, height: rows.input }, tiling) +
    costs.blocks * ((size + 2 * step) * outputs + filters * rows.output * columns.output) +
    (costs.filteredWeight * weight + costs.filteredNodes) / positionsOf(batch)
  )
}

/** An image that is cut into tiles. */
interface TiledImage {
  readonly batch: Dim
  readonly channels: number
  /** In a row, of all channels. */
  readonly numbers: number
  readonly height: number
}

/** A product with a dense matrix for each row of it and each block of channels, which takes as much for each row of the image. */
const productCost = (
  { channels, numbers, height }: TiledImage,
  { size, tiles }: RowTiles,
): number =>
  size * (costs.tiledChannel * channels + numbers * tiles * (costs.tiled + costs.tiledRow * height))

/** n depthwise convolutions of up to n taps, whose results are put side by side. */
const tapsCost = ({ batch, numbers }: TiledImage, { size, tiles }: RowTiles): number =>
  numbers * size * tiles * (costs.tap * size + costs.joinedTiles) +
  (costs.tileNode * (size + 1)) / positionsOf(batch)

/** Are all tiles computed by one product of matrices? Rows that are dilated are. */
export const isTiledByProduct = (image: TiledImage, tiling: RowTiles): boolean =>
  tiling.dilation > 1 || productCost(image, tiling) <= tapsCost(image, tiling)

const tilesCost = (image: TiledImage, tiling: RowTiles): number =>
  isTiledByProduct(image, tiling) ? productCost(image, tiling) : tapsCost(image, tiling)

/** The tiles with which the gradient of the weight takes less as a convolution with tall kernels; undefined where none do. */
export function gradientTiles(convolution: ImageConvolution): RowTiles | undefined {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const x = { batch, channels, numbers: channels * columns.input, height: rows.input }
  const deltas = {
    batch,
    channels: filters,
    numbers: filters * columns.output,
    height: rows.output,
  }
  const wide = channels * (columns.pads.begin + columns.input + columns.pads.end)
  const candidates = tilings(rows).filter(({ size }) => fitsGroups(size * groups))
  return cheapest(candidates, wholeImagesCost(convolution), (tiling) => {
    const all = tiling.size * tiling.tiles
    return (
      rowOfTaps(convolution) * columns.kernel * all +
      costs.blocks * all * (2 * wide + deltas.numbers) +
      tilesCost(x, tiling) +
      tilesCost(deltas, tiling) +
      costs.filteredNodes / positionsOf(batch)
    )
  })
}
