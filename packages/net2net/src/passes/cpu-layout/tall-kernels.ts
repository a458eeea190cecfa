/**
 * Convolutions with tall kernels, which are gradients of weights (`../../operators/decompositions/conv-weight-tall.ts`), on images in blocks of channels:
 * whole images of b channels are moved.
 */
import { attributes as attributesOf, intAttribute, intsAttribute } from '../../model/attributes.ts'
import { isStandard, type Node, type Shape } from '../../model/model.ts'
import type { BlockedContext } from '../../operators/contract/facets.ts'
import type { ImageConvolution } from '../../operators/decompositions/convolution-columns.ts'
import { padBlocks, reshapeBlocks } from '../../operators/helpers/blocked.ts'
import {
  type Rows as Matrix,
  minimalFiltering,
  transposed,
} from '../../operators/helpers/minimal-filtering.ts'
import { type Columns, matrixOf, tiledRows } from './filtered-rows.ts'
import type { ImagesBelow } from './images-below.ts'
import { areTaken, type KernelImages, sizesByParts } from './kernel-parts.ts'
import { gradientTiles, type RowTiles } from './row-tiles.ts'

export interface ImagesInBlocks extends ImagesBelow {
  /** How many channels the blocks hold. Those behind the images' own count for nothing. */
  readonly channels: number
}

export interface BlockedImages extends ImagesInBlocks {
  /** [N, C, H, W] in blocks; converted if need be. */
  blocks(): string
  /** How many images there are: int64 [1]. */
  count(): string
}

/** What a tall kernel gives. */
export interface TallKernel {
  /** The convolution's result. */
  readonly gradient: string
  /** Where whole blocks of channels meet whole blocks of filters. */
  readonly taps?: BlockedTaps
}

/** [C / groups / b, M, K, L·b] in blocks: the channels of each block beside each other. */
export interface BlockedTaps {
  readonly value: string
  /** L, with what is beyond the kernel. */
  readonly columns: number
}

type Stacked<T> = (name: string) => T | undefined

/** @param stacked of which images a value was made, if it was */
export function tallKernels(
  context: BlockedContext,
  stacked: Stacked<BlockedImages>,
): TallKernel | undefined {
  const { node } = context
  const [samples, filters] = [context.shape(0)?.[0], context.shape(1)?.[0]]
  const kernels = isTall(node, context.shape(1)) ? stacked(node.inputs[1]!) : undefined
  if (!kernels || typeof samples !== 'number' || typeof filters !== 'number') return undefined
  const x = stacked(node.inputs[0]!)
  const group = intAttribute(node, 'group', 1)
  /** The filters that count, of those that blocks hold. */
  const own = ([gradient]: readonly string[]) => ({
    gradient:
      filters === kernels.channels
        ? gradient!
        : context.emit('ReorderOutput', [gradient!], { channels: filters }, { blocked: true })[0]!,
  })
  const below = (images: BlockedImages, given: readonly [number, number, number, number]) =>
    reshapeBlocks(context, belowEachOther(context, images, [given[0], given[1]]), given)
  if (group > 1 && samples === 1) {
    if (x?.channels !== kernels.channels) return undefined
    const { channels } = x
    const inputs = [
      below(x, [1, channels, -1, x.sizes[2]]),
      below(kernels, [channels, 1, -1, kernels.sizes[2]]),
    ]
    const attributes = new Map([...node.attributes, ...attributesOf({ group: channels })])
    return own(context.emit('Conv', inputs, attributes, { blocked: true }))
  }
  if (x && fillsColumns(node, context.block, [samples, filters], x, kernels))
    return byColumns(context, x, kernels, group)
  if (group > 1) return undefined
  const inputs = [context.plain(0), below(kernels, [kernels.channels, 1, -1, kernels.sizes[2]])]
  return own(context.emit('Conv', inputs, node.attributes, { blocked: true }))
}

/** Might the node be a convolution with tall kernels of this shape? */
export const isTall = (node: Node, kernels: Shape | undefined): boolean =>
  isStandard(node, 'Conv') && kernels?.[1] === 1 && !node.inputs[2]

/**
 * Does `tallKernels` give the taps of whole blocks for this convolution?
 *
 * @param stacked of which images a value was made, if they are in whole blocks
 */
export function isByColumns(
  node: Node,
  block: number,
  shape: (name: string) => Shape,
  stacked: Stacked<ImagesInBlocks>,
): boolean {
  const [x = '', kernel = ''] = node.inputs
  if (!isTall(node, shape(kernel))) return false
  const [images, kernels] = [stacked(x), stacked(kernel)]
  const [[samples], [filters]] = [shape(x), shape(kernel)]
  if (!images || !kernels || typeof samples !== 'number' || typeof filters !== 'number')
    return false
  return fillsColumns(node, block, [samples, filters], images, kernels)
}

/** Do blocks of the images' channels meet blocks of filters? */
function fillsColumns(
  node: Node,
  block: number,
  [samples, filters]: readonly [number, number],
  x: ImagesInBlocks,
  kernels: ImagesInBlocks,
): boolean {
  const group = intAttribute(node, 'group', 1)
  return (
    samples % block === 0 &&
    x.channels === group * samples &&
    x.groups === group &&
    filters === kernels.channels &&
    (filters / group) % block === 0 &&
    everyColumn(tallWindow(node, x, kernels), x) &&
    areTaken(group, block)
  )
}

/**
 * Each channel of images meets each channel of kernels: [C / groups, M, K, L]. In memory, blocks [C/b, N·R, W, b] are images of one channel with b columns
 * for each place, [C/b, 1, N·R, W·b], and blocks [M/b, N·S, W′, b] are kernels [M, 1, N·S, W′] in blocks. With a dilation of b columns a kernel meets one
 * channel at all places, and the outputs [C/b, M, K, L·b] hold the channels of a block beside each other.
 */
function byColumns(
  context: BlockedContext,
  x: BlockedImages,
  kernels: BlockedImages,
  group: number,
): TallKernel {
  const { block } = context
  const [channels, filters] = [x.channels / group, kernels.channels]
  const window = tallWindow(context.node, x, kernels)
  const tiling = gradientTiles(convolutionOf(window, x, kernels, group))
  const taps = tiling
    ? tapsOfTiles(context, x, kernels, window, group, tiling)
    : convolved(context, x, kernels, window, group)
  const apart = reshapeBlocks(context, taps, [channels / block, -1, block, block])
  const moved = context.emit('Transpose', [apart], { perm: [0, 2, 1, 3] })[0]!
  const gradient = reshapeBlocks(context, moved, [channels, filters, -1, window.width])
  return { gradient, taps: { value: taps, columns: window.width } }
}

/** The window of a convolution with tall kernels. */
interface TallWindow {
  readonly strides: readonly [down: number, across: number]
  readonly dilations: readonly [down: number, across: number]
  readonly pads: readonly [top: number, left: number, bottom: number, right: number]
  /** Taps along the columns. */
  readonly width: number
  /** Columns of a kernel, and of an image with what its taps read beside it, for each of so many as the stride along the columns: every one of them is apart. */
  readonly apart: readonly [kernel: number, image: number]
}

function tallWindow(node: Node, x: ImagesInBlocks, kernels: ImagesInBlocks): TallWindow {
  const list = (name: string) => intsAttribute(node, name) ?? []
  const [top = 0, left = 0, bottom = 0, right = 0] = list('pads')
  const [between = 1, step = 1] = list('strides')
  const [down = 1, across = 1] = list('dilations')
  const beyond = left + x.sizes[2] + right - across * (kernels.sizes[2] - 1) - 1
  const width = Math.floor(beyond / step) + 1
  const columns = Math.ceil(kernels.sizes[2] / step)
  return {
    strides: [between, step],
    dilations: [down, across],
    pads: [top, left, bottom, right],
    width,
    apart: [columns, width + across * (columns - 1)],
  }
}

/** Can every so many columns be taken apart? A tap of the one meets the same columns of the other then. */
const everyColumn = (
  { strides: [, step], dilations: [, across], pads: [, left, , right], apart }: TallWindow,
  x: ImagesInBlocks,
): boolean => step === 1 || (across === 1 && step * apart[1] >= left + x.sizes[2] + right)

/** Columns of zeros before and behind the rows, with which there are as many of each that are taken apart. */
function zerosBeside(
  { strides: [, step], pads: [, left], apart: [kernel, image] }: TallWindow,
  x: ImagesInBlocks,
  kernels: ImagesInBlocks,
): { readonly ofImages: Columns; readonly ofKernels: Columns } {
  return {
    ofImages: [left, step * image - left - x.sizes[2]],
    ofKernels: [0, step * kernel - kernels.sizes[2]],
  }
}

/** [C / groups / b, M, K, L·b] in blocks: the convolution of images by kernels, as they lie below each other. */
function convolved(
  context: BlockedContext,
  x: BlockedImages,
  kernels: BlockedImages,
  window: TallWindow,
  group: number,
): string {
  const { strides, dilations, pads, apart } = window
  const [[between, step], [down, across]] = [strides, dilations]
  const { block } = context
  const [top, , bottom] = pads
  const [columns, wide] = apart
  const samples = x.channels / group / block
  const { ofImages, ofKernels } = zerosBeside(window, x, kernels)
  const images = belowEachOther(context, x, [samples, group], ofImages, step)
  const filters = belowEachOther(context, kernels, [kernels.channels, 1], ofKernels, step)
  const parts: KernelImages = {
    batch: x.batch,
    rows: step * heightOf(kernels),
    columns,
    groups: group,
    filters: kernels.channels / group,
  }
  const byParts = sizesByParts(context, parts, x.count)
  const inParts = (value: string, sizes: (count: number) => readonly number[]) =>
    context.emit('Reshape', [value, byParts(sizes)])[0]!
  return context.emit(
    'Conv',
    [
      inParts(images, (count) => [samples, group * count, -1, wide * block]),
      inParts(filters, (count) => [kernels.channels, count, -1, columns]),
    ],
    {
      strides: [between, 1],
      dilations: [down, across * block],
      pads: [top, 0, bottom, 0],
      group,
    },
    { blocked: true },
  )[0]!
}

/** The convolution whose weight's gradient the window computes. */
function convolutionOf(
  { strides, dilations: [down, across], pads: [top, left, bottom, right], width }: TallWindow,
  x: ImagesInBlocks,
  kernels: ImagesInBlocks,
  groups: number,
): ImageConvolution {
  const [, height, columns] = x.sizes
  const [, outputs, wide] = kernels.sizes
  return {
    batch: x.batch,
    channels: x.channels,
    filters: kernels.channels,
    groups,
    rows: {
      kernel: Math.floor((top + bottom) / strides[0]) + 1,
      stride: down,
      dilation: strides[0],
      pads: { begin: top, end: bottom },
      input: height,
      output: outputs,
    },
    columns: {
      kernel: width,
      stride: across,
      dilation: strides[1],
      pads: { begin: left, end: right },
      input: columns,
      output: wide,
    },
  }
}

/** The same by minimal filtering of the rows: the products of all tiles of all images are summed up, and then interpolated. */
function tapsOfTiles(
  context: BlockedContext,
  x: BlockedImages,
  kernels: BlockedImages,
  window: TallWindow,
  group: number,
  tiling: RowTiles,
): string {
  const { block } = context
  const { size, tiles } = tiling
  const [top] = window.pads
  const { ofImages, ofKernels } = zerosBeside(window, x, kernels)
  const filtering = minimalFiltering(tiling.step, size - tiling.step + 1)
  const tiled = (
    images: BlockedImages,
    matrix: Matrix,
    begin: number,
    columns: Columns,
  ): BlockedImages => {
    const [, height, width] = images.sizes
    const { batch, channels: own } = images
    const given = { batch, blocks: images.blocks(), channels: own, height, width }
    const blocks = tiledRows(context, given, tiling, matrix, begin, columns)
    const channels = size * own
    const wide = columns[0] + width + columns[1]
    return { ...images, blocks: () => blocks, channels, sizes: [channels, tiles, wide], zeros: 0 }
  }
  const products = convolved(
    context,
    tiled(x, filtering.input, -top, ofImages),
    tiled(kernels, transposed(filtering.output), 0, ofKernels),
    { ...window, strides: [1, window.strides[1]], pads: [0, 0, 0, 0] },
    size * group,
  )
  const [count, outer] = [x.channels / group / block, kernels.channels / block]
  const numbers = window.width * block ** 2
  const matrix = matrixOf(context, transposed(filtering.kernel))
  const inTiles = reshapeBlocks(context, products, [count, size, outer * numbers])
  const rows = context.emit('MatMul', [matrix, inTiles])[0]!
  const apart = reshapeBlocks(context, rows, [count, -1, outer, numbers])
  const sorted = context.emit('Transpose', [apart], { perm: [0, 2, 1, 3] })[0]!
  return reshapeBlocks(context, sorted, [count, kernels.channels, -1, window.width * block])
}

/** Rows of an image with the zeros behind it. */
const heightOf = ({ sizes: [, height, width], zeros }: ImagesBelow): number =>
  height + zeros / width

/**
 * Blocks of images below each other, with the zeros behind each and so many columns of zeros before and behind its rows, in the order that so many samples
 * and groups have. With a step, the columns 0, s, 2s, … of all images come first, and then the others.
 */
function belowEachOther(
  context: BlockedContext,
  images: BlockedImages,
  [samples, groups]: readonly [samples: number, groups: number],
  [left, right]: Columns = [0, 0],
  step = 1,
): string {
  const {
    channels,
    sizes: [, height, width],
  } = images
  const [rows, columns] = [heightOf(images), left + width + right]
  const isPadded = rows > height || columns > width
  const blocks = isPadded
    ? padBlocks(context, images.blocks(), channels, [0, left, rows - height, right])
    : images.blocks()
  const count = channels / context.block
  const moved = (dims: readonly number[], perm: readonly number[]) =>
    context.emit('Transpose', [reshapeBlocks(context, blocks, dims)], { perm })[0]!
  if (count === 1 && step === 1) return blocks
  const outer = samples > 1 ? groups : 1
  if (step > 1)
    return moved(
      [-1, outer, count / outer, rows, columns / step, step, context.block],
      [2, 1, 5, 0, 3, 4, 6],
    )
  const numbers = rows * columns * context.block
  return outer > 1
    ? moved([-1, outer, count / outer, numbers], [2, 1, 0, 3])
    : moved([-1, count, numbers], [1, 0, 2])
}
