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
import { costs, positionsOf } from '../../operators/helpers/costs.ts'
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

/**
 * Pairs of rows (`paired-rows.ts`) of a convolution of whole blocks of channels, if they pay.
 *
 * @param readers how many convolutions read the same tiles and weights
 */
export function pairsOfRows(convolution: ImageConvolution, readers: number): RowTiles | undefined {
  const { batch, channels, filters, groups, rows, columns } = convolution
  if (rows.kernel > 3 || rows.dilation > 1) return undefined
  const pairs = tilings(rows).filter(({ step }) => step === 2)
  return cheapest(pairs, directCost(convolution), ({ step, size, tiles }) => {
    const inTiles = channels * columns.input * size * tiles
    const outputs = filters * columns.output * step * tiles
    // Two sums of half the outputs each, all of them in their order, without the last row, and an activation that the convolution would have done.
    const passes = rows.output === step * tiles ? 3 : 4
    const weight = (size * columns.kernel * channels * filters) / groups
    return (
      rowOfTaps(convolution) * size * columns.kernel * tiles +
      costs.blocks * passes * outputs +
      // Small batches are not to lose what larger ones gain: it has to pay for half the usual batch.
      ((costs.tap * 2 + costs.blocks) * inTiles +
        (2 * (costs.filteredWeight * weight + costs.pairedNodes)) / positionsOf(batch)) /
        readers
    )
  })
}

/** Multiply-adds of one tap for a row of outputs, in nanoseconds. */
const rowOfTaps = ({ channels, filters, groups, columns }: ImageConvolution): number =>
  (costs.product * channels * filters * columns.output) / groups

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
    tilesCost({ batch, numbers: channels * columns.input, height: rows.input }, tiling) +
    costs.blocks * ((size + 2 * step) * outputs + filters * rows.output * columns.output) +
    (costs.filteredWeight * weight + costs.filteredNodes) / positionsOf(batch)
  )
}

/** An image that is cut into tiles. */
interface TiledImage {
  readonly batch: Dim
  /** In a row, of all channels. */
  readonly numbers: number
  readonly height: number
}

/** A product with a dense matrix takes as much for each row of the image. */
const productCost = ({ numbers, height }: TiledImage, { size, tiles }: RowTiles): number =>
  numbers * size * tiles * (costs.tiled + costs.tiledRow * height)

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
  const x = { batch, numbers: channels * columns.input, height: rows.input }
  const deltas = { batch, numbers: filters * columns.output, height: rows.output }
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
