/**
 * When it pays to compute the rows of a convolution by minimal filtering (`../helpers/minimal-filtering.ts`), and in which tiles:
 * `../../passes/cpu-layout/filtered-rows.ts` does it, on images in blocks of channels.
 */
import { costs, positionsOf } from '../helpers/costs.ts'
import { range } from '../helpers/emission.ts'
import { mostInputs } from '../helpers/minimal-filtering.ts'
import type { ImageConvolution, SizedAxis } from './convolution-columns.ts'

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
  /** Of each part of an image. */
  readonly tiles: number
  /** The tiles of a part are computed by one matrix. There is but one where rows are dilated. */
  readonly parts: number
}

/** So many rows of a high image are a part, or about as many. */
const rowsOfPart = 16

/** Filtering has to take less than this share of what it takes the place of. */
const worthwhile = 0.9

/**
 * The tiles that pay for a convolution of whole blocks of channels; undefined where none do.
 *
 * @param convolution its rows have a stride of one
 * @param readers how many convolutions read the same tiles
 */
export function rowTiles(convolution: ImageConvolution, readers = 1): RowTiles | undefined {
  const { rows, columns } = convolution
  if (rows.stride !== 1 || rows.kernel < 2) return undefined
  let best: RowTiles | undefined
  let least = worthwhile * rowOfTaps(convolution) * rows.kernel * columns.kernel * rows.output
  for (const tiles of tilings(rows)) {
    const cost = filteredCost(convolution, tiles, readers)
    if (cost < least) [best, least] = [tiles, cost]
  }
  return best
}

/** Multiply-adds of one tap for a row of outputs, in nanoseconds. */
const rowOfTaps = ({ channels, filters, groups, columns }: ImageConvolution): number =>
  (costs.product * channels * filters * columns.output) / groups

function tilings({ kernel, dilation, output }: SizedAxis): readonly RowTiles[] {
  const parts = dilation > 1 ? 1 : Math.max(1, Math.round(output / rowsOfPart))
  return range(mostInputs - kernel + 2, 2).flatMap((step) => {
    const all = dilation * Math.ceil(output / dilation / step)
    return [...new Set([1, parts])].map((few) => {
      const tiles = Math.ceil(all / few)
      return { step, size: step + kernel - 1, dilation, tiles, parts: Math.ceil(all / tiles) }
    })
  })
}

/** How many rows are below each other in so many tiles of some rows each. */
export const tiledHeight = (
  { step, tiles }: Pick<RowTiles, 'step' | 'tiles'>,
  rows: number,
): number => (tiles - 1) * step + rows

/** Nanoseconds for each image. */
function filteredCost(convolution: ImageConvolution, tiling: RowTiles, readers: number): number {
  const { batch, channels, filters, groups, rows, columns } = convolution
  const { step, size, tiles, parts } = tiling
  const outputs = tiles * parts * columns.output * filters
  const weight = (size * columns.kernel * channels * filters) / groups
  return (
    rowOfTaps(convolution) * size * columns.kernel * tiles * parts +
    tilesCost(channels * columns.input, tiling, size, rows.input) / readers +
    costs.blocks * ((size + 2 * step) * outputs + filters * rows.output * columns.output) +
    (costs.filteredWeight * weight + costs.filteredNodes) / positionsOf(batch)
  )
}

/** Computing tiles of an image whose rows have so many numbers, from so many rows each. */
function tilesCost(numbers: number, tiling: RowTiles, taken: number, height: number): number {
  const { size, tiles, parts } = tiling
  const read = parts === 1 ? height : tiledHeight(tiling, taken)
  const copied = parts === 1 ? 0 : costs.blocks * parts * read
  return numbers * (copied + size * tiles * parts * (costs.tiled + costs.tiledRow * read))
}

/** The tiles for the gradient of the weight, for which those of x are there, and what this takes for each image. */
export interface GradientTiles {
  readonly tiling: RowTiles
  readonly cost: number
}

/**
 * @param direct what the gradient takes as a convolution with tall kernels, nanoseconds for each image
 */
export function gradientTiles(
  convolution: ImageConvolution,
  direct: number,
): GradientTiles | undefined {
  const tiling = rowTiles(convolution)
  if (!tiling) return undefined
  const { channels, filters, rows, columns } = convolution
  const { step, size, tiles, parts } = tiling
  const all = size * tiles * parts
  const x = channels * (columns.pads.begin + columns.input + columns.pads.end)
  const deltas = filters * columns.output
  const cost =
    rowOfTaps(convolution) * columns.kernel * all +
    costs.blocks * all * (2 * x + deltas) +
    tilesCost(deltas, tiling, step, rows.output)
  return cost < worthwhile * direct ? { tiling, cost } : undefined
}
