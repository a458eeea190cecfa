/**
 * Convolutions of volumes [N, C, D, H, W] that compute two planes at once, by minimal filtering along the depth (`../helpers/minimal-filtering.ts`): for a
 * kernel of three planes, four planes of multiply-adds in the place of six. The planes of a volume times a matrix are tiles of four planes, which are
 * channels of images, in a group each:
 *
 *   y = A · (G·w ∗ B·x),     ∂L/∂w = Gᵀ · (Aᵀ·δ ⋆ B·x).
 *
 * As for pairs of rows, an output reads no plane beyond its own, and what equal planes give is equal to the bit.
 */
import { elementCount, float32 } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { filledUp } from '../helpers/blocked.ts'
import { costs } from '../helpers/costs.ts'
import { range, reshape } from '../helpers/emission.ts'
import {
  alongDiagonal,
  type Filtering,
  minimalFiltering,
  type Rows,
} from '../helpers/minimal-filtering.ts'
import type { SizedAxis } from './convolution-columns.ts'

/** A convolution of volumes, with one group. */
export interface VolumeConvolution {
  readonly depth: SizedAxis
  readonly channels: number
  readonly filters: number
  /** Of a plane. */
  readonly kernel: readonly number[]
}

/** For all planes of a volume: A [outputs, tiles], B [tiles, inputs], and for each tile G [n, kernel]; undefined where pairs do not pay. */
export function pairsOfPlanes({
  depth: { kernel, stride, dilation, pads, input: inputs, output: outputs },
  channels,
  filters,
  kernel: plane,
}: VolumeConvolution): Filtering | undefined {
  const isWhole = [channels, filters].every((count) => filledUp(count) === count)
  if (!isWhole || kernel < 2 || kernel > 3 || stride > 1 || dilation > 1) return undefined
  const filtering = minimalFiltering(2, kernel)
  const size = filtering.input.length
  const pairs = range(Math.ceil(outputs / 2))
  const tiles = pairs.length * size
  const saved =
    costs.product * channels * filters * elementCount(plane) * (kernel * outputs - tiles)
  // Products with dense matrices, and products of tiles that are brought out of blocks.
  const added =
    costs.product * tiles * (channels * inputs + filters * outputs) +
    costs.blocks * 3 * filters * (tiles - outputs)
  if (added > saved) return undefined
  return {
    input: pairs.flatMap((k) => alongDiagonal(filtering.input, [2 * k - pads.begin], inputs)),
    output: pairs
      .flatMap((k) => alongDiagonal(filtering.output, [k * size], tiles))
      .slice(0, outputs),
    kernel: filtering.kernel,
  }
}

/** A matrix times what lies behind one another, of `numbers` elements each: [-1, rows, numbers]. */
export const linesTimes = (emitter: Emitter, rows: Rows, value: string, numbers: number): string =>
  emitter.op('MatMul', [
    emitter.constant(float32([rows.length, rows[0]!.length], rows.flat())),
    reshape(emitter, value, [-1, rows[0]!.length, numbers]),
  ])

/** A matrix times the planes of volumes [N, D, C, H, W], as images of `count` groups: [-1, count·C, H, W]. */
export function tilesOfPlanes(emitter: Emitter, rows: Rows, planes: string, count: number): string {
  const [, , channels, ...plane] = emitter.info(planes).shape as readonly number[]
  const lines = linesTimes(emitter, rows, planes, elementCount([channels!, ...plane]))
  return reshape(emitter, lines, [-1, count * channels!, ...plane])
}
