/**
 * Convolutions of volumes [N, C, D, H, W], with one group, as ones of images [N·D, C, H, W], their planes. There are two forms:
 *
 * **Stacked**: the planes that an output reads are channels of one image.
 *
 * **In pairs**: two outputs at once, by minimal filtering along the depth (`../helpers/minimal-filtering.ts`). For a kernel of three planes there are four planes
 * of multiply-adds in the place of six. The planes of a volume times a matrix are tiles of four planes, which are channels of images, in a group each:
 *
 *   y = A · (G·w ∗ B·x),     ∂L/∂w = Gᵀ · (Aᵀ·δ ⋆ B·x).
 *
 * As for pairs of rows, an output reads no plane beyond its own, and what equal planes give is equal to the bit.
 */
import { elementCount, float32, scalar, Tensor } from '../../tensor/tensor.ts'
import type { Emitter } from '../contract/gradient.ts'
import { filledUp } from '../helpers/blocked.ts'
import { costs } from '../helpers/costs.ts'
import { filled, ints, range, reshape, shapeOf, unsqueeze } from '../helpers/emission.ts'
import {
  alongDiagonal,
  type Filtering,
  minimalFiltering,
  type Rows,
} from '../helpers/minimal-filtering.ts'
import type { SizedAxis } from './convolution-columns.ts'

/** Axes of volumes with their planes before channels, and back. */
export const planesFirst = [0, 2, 1, 3, 4]

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

/** For each output along the depth, all planes that it reads: [N·D, C, H, W] as [N·D′, K·C, H, W]. */
export function stackedPlanes(emitter: Emitter, image: string, depth: SizedAxis): string {
  const [, channels, ...plane] = emitter.info(image).shape as readonly number[]
  const read = range(depth.output).flatMap((output) =>
    range(depth.kernel).map(
      (tap) => output * depth.stride + tap * depth.dilation - depth.pads.begin,
    ),
  )
  const planes = planesOf(emitter, image, read, depth.input)
  return reshape(emitter, planes, [-1, depth.kernel * channels!, ...plane])
}

/** These planes of each of the volumes, which have `depth` planes; zeros for what is none of them. */
function planesOf(emitter: Emitter, image: string, read: readonly number[], depth: number): string {
  if (read.length === depth && read.every((plane, i) => plane === i)) return image
  const isInside = read.map((plane) => plane >= 0 && plane < depth)
  const [, ...sizes] = emitter.info(image).shape as readonly number[]
  const planes = isInside.every((inside) => inside)
    ? image
    : emitter.op('Concat', [image, filled(emitter, [1, ...sizes], 0)], { axis: 0 })
  // Behind the planes of all volumes is one of zeros.
  const count = emitter.op('Squeeze', [shapeOf(emitter, image, 0, 1)])
  const [zero, step] = [0, depth].map((n) => emitter.constant(scalar('int64', n)))
  const first = unsqueeze(emitter, emitter.op('Range', [zero!, count, step!]), [1])
  const own = emitter.op('Add', [first, ints(emitter, read)])
  const mask = new Tensor('bool', [read.length], Uint8Array.from(isInside, Number))
  const order = emitter.op('Where', [emitter.constant(mask), own, count])
  return emitter.op('Gather', [planes, reshape(emitter, order, [-1])], { axis: 0 })
}
