/**
 * The gradient of a convolution's weight as a convolution with tall kernels. With the images of a channel below each other, and rows of zeros between
 * them, one sum over rows and columns is the sum over the batch as well:
 *
 *   ∂L/∂w[m, c, k, l] = Σ_{r, j} D[m, r, j] · X[c, r·s + k·d − p, j·t + l·e − q],   r = n·S + i,
 *
 * for X [C, N·S·s, W] and D [M, N·S, W′]: the convolution of X by the kernels D, of which each channel of X is a sample and every tap an output. For a
 * depthwise convolution, X is one sample, and D has a group for each channel.
 *
 * ONNX Runtime's blocked layout computes this in blocks as they are (see `../../passes/cpu-layout/tall-kernels.ts`): neither the taps of x nor those of δ are
 * laid out. Of images that are in no blocks, those along the rows are.
 */
import type { Emitter } from '../contract/gradient.ts'
import { filledChannels, filledUp, widestBlock } from '../helpers/blocked.ts'
import { costs, positionsOf, productInBlocks } from '../helpers/costs.ts'
import { filled, ints, range, reshape, slice, transpose } from '../helpers/emission.ts'
import { inputsRead, reach, singleTap } from '../helpers/windows.ts'
import { batchOf, byChannel, columnsCost, type Layer, shiftsCost } from './conv-weight-shifts.ts'
import type { ImageConvolution, SizedAxis } from './convolution-columns.ts'

/** Do so many fill blocks on every processor that has them? */
const fillsWidest = (channels: number): boolean => channels % widestBlock === 0

/** So many channels of an image, or multiples of a block, may be computed apart. */
const fewGroups = 8

const none = Number.POSITIVE_INFINITY

export const isDepthwise = ({ channels, filters, groups }: ImageConvolution): boolean =>
  groups > 1 && groups === channels && groups === filters

/** Are the images of a convolution in no blocks? */
const isPlain = ({ channels, groups }: ImageConvolution): boolean =>
  groups === 1 && !fillsWidest(channels)

/**
 * How many groups are computed together, so that their channels and filters are whole blocks: all channels of these meet all of their filters, and what is
 * none of the weight's is left out. Undefined where that would be more than two, and more than one block.
 */
function joinedGroups({ channels, filters, groups }: ImageConvolution): number | undefined {
  const most = Math.max(2, (widestBlock * groups) / Math.min(channels, filters))
  const isWhole = (joined: number, all: number) => fillsWidest((joined * all) / groups)
  return range(most + 1, 1).find((joined) => {
    const count = groups / joined
    return (
      Number.isInteger(count) &&
      fitsGroups(count) &&
      isWhole(joined, channels) &&
      isWhole(joined, filters)
    )
  })
}

/** Can so many groups be computed apart? */
export const fitsGroups = (groups: number): boolean =>
  groups <= fewGroups || groups % widestBlock === 0

/** How the images are put below each other. */
function tallOf({ rows, columns }: ImageConvolution) {
  // Rows for each image, in steps of the stride: enough for all windows, and what they read beyond is 0.
  const between = Math.max(rows.pads.begin, inputsRead(rows, rows.output) - rows.input)
  const steps = Math.max(rows.output, Math.ceil((rows.input + between) / rows.stride))
  // As many positions of the kernel as there are taps; more where the image is larger than needed.
  const end = (axis: SizedAxis, beyond: number) => reach(axis) - 1 - axis.pads.begin - beyond
  const ends = [
    end(rows, rows.stride - 1),
    end(columns, columns.input - 1 - (columns.output - 1) * columns.stride),
  ] as const
  return { steps, ends }
}

/** The convolution of images of which each holds what one of the taps along the rows reads. */
function withTapsApart<T extends ImageConvolution>(convolution: T): T {
  const { channels, rows, columns } = convolution
  const { begin } = columns.pads
  const end = Math.max(0, inputsRead(columns, columns.output) - columns.input)
  return {
    ...convolution,
    channels: channels * rows.kernel,
    rows: { ...singleTap, input: rows.output, output: rows.output },
    columns: { ...columns, pads: { begin: 0, end: 0 }, input: begin + columns.input + end },
  }
}

// ------------------------------------------------------------------- costs

/**
 * Are tall kernels cheaper than matrix products, for which the images are brought out of blocks and copied more than once?
 *
 * @param fits is there memory for columns?
 */
export function tallKernelsPay(layer: Layer, fits: boolean): boolean {
  const { emitter, batch, channels, filters, groups, rows, columns } = layer
  if (emitter.target !== 'onnxruntime-cpu') return false
  const outputs = rows.output * columns.output
  const weight = (channels * filters * rows.kernel * columns.kernel) / groups
  const joined = (costs.joined * weight) / (positionsOf(batch) * outputs)
  const byProducts = Math.min(
    fits ? columnsCost(layer) : none,
    rows.stride === 1 && groups === 1 ? shiftsCost(layer) + joined : none,
  )
  const images = isPlain(layer) ? 0 : (channels * rows.input * columns.input) / outputs
  return tallCost(layer) < byProducts + costs.blocks * (images + filters)
}

/** Nanoseconds of tall kernels for each output. */
function tallCost(layer: ImageConvolution): number {
  const { batch, groups, rows, columns } = layer
  if (isPlain(layer)) return costOfTapsApart(layer)
  const joined = joinedGroups(layer)
  // See `everyColumn` in `passes/cpu-layout/tall-kernels.ts`.
  const isEvery = columns.dilation === 1 || (columns.stride === 1 && tallOf(layer).ends[1] >= 0)
  if (joined === undefined || !isEvery) return none
  const whole = { ...layer, groups: groups / joined }
  // See `passes/cpu-layout/state-in-blocks.ts`.
  const moved = groups === 1 ? -costs.keptInBlocks : costs.outOfBlocks
  const kept = (moved * tapsOf(whole)) / positionsOf(batch)
  return (wholeImagesCost(whole) + kept) / (rows.output * columns.output)
}

/** Nanoseconds of tall kernels for each image of whole blocks, whose rows of zeros are computed as well. */
export function wholeImagesCost(layer: ImageConvolution): number {
  const { channels, filters, groups, rows, columns } = layer
  const { steps, ends } = tallOf(layer)
  // Every so many columns that are taken apart are as many, and moved one by one.
  const outputs = columns.dilation * Math.ceil(columns.output / columns.dilation)
  const line = columns.input + columns.pads.begin + Math.max(0, ends[1])
  const images = channels * steps * rows.stride * Math.max(line, reach(columns) - 1 + outputs)
  const deltas = filters * steps * outputs
  const moved = costs.blocks * (columns.dilation > 1 ? 4 : 2)
  const products = tapsOf(layer) * steps * outputs
  return productInBlocks(filters / groups) * products + moved * (images + deltas)
}

/** The taps of all kernels, and those beyond them that are computed too. */
function tapsOf(layer: ImageConvolution): number {
  const { channels, filters, groups, rows, columns } = layer
  const { ends } = tallOf(layer)
  const [height, width] = [rows, columns].map(
    (axis, i) => axis.kernel - Math.min(0, ends[i]!) / axis.dilation,
  ) as [number, number]
  return ((channels * filters) / groups) * height * width
}

/** … for images that are in no blocks, of which taps are gathered row by row; filters of zeros fill the last block. */
function costOfTapsApart(layer: ImageConvolution): number {
  const { batch, channels, filters, rows, columns } = layer
  if (!tapsApartFit(layer) || columns.kernel === 1) return none
  const outputs = rows.output * columns.output
  const apart = withTapsApart(layer)
  const moved = (costs.matrix + costs.blocks) * apart.columns.input + costs.gatheredRow
  const padded = channels * rows.input * (costs.blocks * columns.input + costs.paddedRow)
  const filled = filledUp(filters)
  const taps = apart.channels * columns.kernel
  return (
    costs.fewColumns * taps * filled +
    (apart.channels * moved) / columns.output +
    padded / outputs +
    costs.blocks * filled +
    (costs.turned * taps * filters) / (positionsOf(batch) * outputs)
  )
}

/** Can the taps of images that are in no blocks meet δ in blocks? */
export const tapsApartFit = (convolution: ImageConvolution): boolean =>
  isPlain(convolution) && convolution.filters % filledChannels === 0

// ---------------------------------------------------------------- gradient

/** ∂L/∂w [M, C / groups, K, L]. */
export function weightGradientByTallKernels(layer: Layer): string {
  const { emitter, channels, filters, groups, rows, columns } = layer
  // The sizes of the gradient do not depend on that of the batch, though those of the kernels that give it do.
  const sized = (gradient: string, width: number) =>
    reshape(emitter, gradient, [filters, width, rows.kernel, columns.kernel])
  if (isDepthwise(layer)) return sized(tallKernels(layer, 1), 1)
  const filtersFirst = (gradient: string) => transpose(emitter, gradient, [1, 0, 2, 3])
  if (isPlain(layer)) {
    const apart = withTapsApart(layer)
    const taps = tallKernels({ ...apart, x: tapsOfRows(layer, apart) }, 1)
    return sized(filtersFirst(taps), channels)
  }
  const joined = joinedGroups(layer) ?? 1
  const gradient = sized(filtersFirst(tallKernels(layer, joined)), (joined * channels) / groups)
  return joined === 1 ? gradient : ownChannels(layer, gradient, joined)
}

/** The convolution by tall kernels, of groups that are joined: [joined·C / groups, M, K, L]. */
function tallKernels({ emitter, x, dy, ...convolution }: Layer, joined: number): string {
  const { channels, filters, groups, rows, columns } = convolution
  const { steps, ends } = tallOf(convolution)
  const image = stacked(emitter, x, steps * rows.stride - rows.input)
  const kernel = stacked(emitter, dy, steps - rows.output)
  // The channels of each group are samples.
  const [count, width] = [groups / joined, (joined * channels) / groups]
  const inGroups =
    count === 1 || width === 1
      ? image
      : transpose(emitter, reshape(emitter, image, [count, width, -1]), [1, 0, 2])
  const axes = [rows, columns]
  const taps = emitter.op(
    'Conv',
    [
      reshape(emitter, inGroups, [width, count, -1, columns.input]),
      reshape(emitter, kernel, [filters, 1, -1, columns.output]),
    ],
    {
      strides: axes.map((axis) => axis.dilation),
      dilations: axes.map((axis) => axis.stride),
      pads: [...axes.map((axis) => axis.pads.begin), ...ends.map((end) => Math.max(0, end))],
      group: count,
    },
  )
  const kernels = axes.map((axis) => axis.kernel)
  return ends.every((end) => end >= 0) ? taps : slice(emitter, taps, [2, 3], [0, 0], kernels)
}

/** The images that `withTapsApart` tells of, with zeros beside them: [N, C·K, H′, W + zeros]. */
function tapsOfRows({ emitter, x, rows, columns }: Layer, apart: ImageConvolution): string {
  const below = Math.max(0, inputsRead(rows, rows.output) - rows.input)
  const behind = apart.columns.input - columns.pads.begin - columns.input
  const pads = [rows.pads.begin, columns.pads.begin, 0, 0, below, behind]
  const padded = pads.some((pad) => pad > 0)
    ? emitter.op('Pad', [x, ints(emitter, [0, 0, ...pads])])
    : x
  const read = range(rows.kernel).flatMap((tap) =>
    range(rows.output).map((row) => row * rows.stride + tap * rows.dilation),
  )
  const taken = emitter.op('Gather', [padded, ints(emitter, read)], { axis: 2 })
  return reshape(emitter, taken, [batchOf(x), apart.channels, rows.output, apart.columns.input])
}

/** [N, C, H, W] as [C, N, (H + more)·W], with zeros below each image. */
function stacked(emitter: Emitter, images: string, more: number): string {
  const [, channels, height, width] = emitter.info(images).shape as readonly number[]
  const given = reshape(emitter, byChannel(emitter, images), [
    channels!,
    batchOf(images),
    height! * width!,
  ])
  if (more === 0) return given
  // The size of the batch is that of the images, which blocks of channels have as well.
  const zeros = filled(emitter, [channels!, batchOf(images), more * width!], 0)
  return emitter.op('Concat', [given, zeros], { axis: 2 })
}

/** Of what the filters of joined groups make of all their channels, [M, joined·C / groups, K, L], the weight's own part. */
function ownChannels(
  { emitter, channels, filters, groups, rows, columns }: Layer,
  gradient: string,
  joined: number,
): string {
  const [narrow, wide] = [channels / groups, filters / groups]
  const parts = reshape(emitter, gradient, [
    groups / joined,
    joined * wide * joined,
    narrow * rows.kernel * columns.kernel,
  ])
  const own = range(joined * wide).map((filter) => filter * joined + Math.floor(filter / wide))
  const taken = emitter.op('Gather', [parts, ints(emitter, own)], { axis: 1 })
  return reshape(emitter, taken, [filters, narrow, rows.kernel, columns.kernel])
}
