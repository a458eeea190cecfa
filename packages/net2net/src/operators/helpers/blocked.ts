/** How operators compute images in blocks of channels; see `../../passes/cpu-layout/blocked-layout.ts`. */
import {
  type AttributeLike,
  attributes,
  floatAttribute,
  intAttribute,
  stringAttribute,
} from '../../model/attributes.ts'
import type { Attribute } from '../../model/model.ts'
import { dtypes } from '../../tensor/dtype.ts'
import { float32, int64 } from '../../tensor/tensor.ts'
import type { BlockedContext, BlockedEmitter, BlockedRule } from '../contract/facets.ts'

const ints = (context: BlockedEmitter, values: readonly number[]) =>
  context.constantOf(int64(values))

export const reshapeBlocks = (
  context: BlockedEmitter,
  value: string,
  dims: readonly number[],
): string => context.emit('Reshape', [value, ints(context, dims)])[0]!

/**
 * Element by element: the order of the elements does not matter, as long as all operands of the
 * output's shape have the same. Pays where one of them comes in blocks. A convolution does some of it
 * while its results are in registers.
 */
export const blockedElementwise: BlockedRule = (context) => {
  const { node } = context
  const output = context.output(0)
  if (!context.fits(output) || output.shape!.slice(1).some((dim) => typeof dim !== 'number'))
    return undefined
  const whole = node.inputs.map((_, i) => {
    const shape = context.shape(i)
    // Along the batch, operands may repeat themselves: blocks do not show there.
    return shape?.length === 4 && shape.slice(1).every((dim, k) => dim === output.shape![k + 1])
  })
  if (!node.inputs.some((_, i) => whole[i] && context.isBlocked(i)))
    return startsBlocks(context) ? withChannels(context, whole) : undefined
  if (!node.inputs.every((_, i) => !whole[i] || context.dtype(i) === 'float32')) return undefined
  const alike = node.inputs.every(
    (_, i) =>
      whole[i] || (context.shape(i)?.every((dim) => dim === 1) === true && !context.isBlocked(i)),
  )
  if (!alike) return withChannels(context, whole)
  const fused = node.inputs.length === 2 ? addedImage(context) : activated(context)
  if (fused) return fused
  const inputs = node.inputs.map((_, i) => (whole[i] ? context.blocks(i) : context.plain(i)))
  return context.emit(node.opType, inputs, node.attributes)
}

/**
 * Does it pay to bring an image into blocks here, before a convolution reads what is computed of it? Where each channel is multiplied by a number, it does: one
 * depthwise convolution of a single tap computes this, a shift and an activation behind it.
 */
const startsBlocks = (context: BlockedContext): boolean =>
  context.node.opType === 'Mul' && context.isConvolved()

/** An image of which every channel is multiplied by a number, or has one added or subtracted. */
function withChannels(context: BlockedContext, whole: readonly boolean[]) {
  const { opType, inputs } = context.node
  const image = whole[0] ? 0 : 1
  const channels = context.output(0).shape![1] as number
  const shape = context.shape(1 - image)
  const isPerChannel =
    inputs.length === 2 &&
    whole[image] &&
    shape?.[shape.length - 3] === channels &&
    shape.every((dim, k) => dim === 1 || k === shape.length - 3)
  if (!isPerChannel || !['Mul', 'Add', 'Sub'].includes(opType)) return undefined
  const numbers = context.vector(1 - image, channels)
  const blocks = () => context.blocks(image)
  if (opType === 'Mul') return scaleChannels(context, blocks(), channels, numbers)
  if (opType === 'Sub' && image === 1)
    return scaleChannels(context, blocks(), channels, repeated(context, -1, channels), numbers)
  const shift = opType === 'Sub' ? context.emit('Neg', [numbers])[0]! : numbers
  const given = context.convolution(image)
  if (!given || given.inputs.length > 2 || given.attributes.has('activation'))
    return shiftChannels(context, blocks(), channels, shift)
  return context.emit('Conv', [...given.inputs, shift], given.attributes, { blocked: true })
}

const repeated = (context: BlockedEmitter, value: number, count: number): string =>
  context.constantOf(float32([count], new Float32Array(count).fill(value)))

/** x + shift per channel. */
export const shiftChannels = (
  context: BlockedContext,
  blocks: string,
  channels: number,
  shift: string,
): readonly string[] =>
  scaleChannels(context, blocks, channels, repeated(context, 1, channels), shift)

/** An image with zeros around it: a depthwise convolution of a single tap puts them there. */
export const padBlocks = (
  context: BlockedEmitter,
  blocks: string,
  channels: number,
  pads: readonly [top: number, left: number, bottom: number, right: number],
): string => {
  const ones = repeated(context, 1, channels)
  return scaleChannels(context, blocks, channels, ones, undefined, { pads })[0]!
}

/** scale·x + shift per channel: a depthwise convolution of a single tap. */
export const scaleChannels = (
  context: BlockedEmitter,
  blocks: string,
  channels: number,
  scale: string,
  shift?: string,
  window: Readonly<Record<string, AttributeLike>> = {},
): readonly string[] =>
  context.emit(
    'Conv',
    [
      blocks,
      reshapeBlocks(context, scale, [channels, 1, 1, 1]),
      ...(shift === undefined ? [] : [shift]),
    ],
    { kernel_shape: [1, 1], group: channels, ...window },
    { blocked: true },
  )

/** The sum of two images that convolutions give: one of these adds the other's result to its own. */
function addedImage(context: BlockedContext) {
  const { node } = context
  const [a, b] = [context.convolution(0), context.convolution(1)]
  if (node.opType !== 'Add' || !a || !b || context.shape(0)![0] !== context.shape(1)![0])
    return undefined
  const [given, other] = b.inputs.length < 4 && !b.attributes.has('activation') ? [b, 0] : [a, 1]
  if (given.inputs.length > 3 || given.attributes.has('activation')) return undefined
  const [x = '', weight = '', bias = ''] = given.inputs
  const inputs = [x, weight, bias, context.blocks(other)]
  return context.emit('Conv', inputs, given.attributes, { blocked: true })
}

/** What an activation is called as part of a convolution, and its numbers. */
const activations: Readonly<
  Record<string, (context: BlockedContext) => readonly number[] | undefined>
> = {
  Relu: () => [],
  Sigmoid: () => [],
  Tanh: () => [],
  LeakyRelu: ({ node }) => [floatAttribute(node, 'alpha', 0.01)],
  HardSigmoid: ({ node }) => [
    floatAttribute(node, 'alpha', 0.2),
    floatAttribute(node, 'beta', 0.5),
  ],
}

/** An activation of what a convolution gives. */
function activated(context: BlockedContext) {
  const numbers = activations[context.node.opType]?.(context)
  const given = context.convolution(0)
  if (!numbers || !given || given.attributes.has('activation')) return undefined
  const activation = new Map<string, Attribute>([
    ...given.attributes,
    ...attributes({ activation: context.node.opType }),
    ...(numbers.length === 0
      ? []
      : ([['activation_params', { type: 'floats', value: numbers }]] as const)),
  ])
  return context.emit('Conv', given.inputs, activation, { blocked: true })
}

/** The mean of each channel of an image [N, C, H, W] in blocks, over its positions: [N, C, 1, 1]. */
export const meansOfImages = (context: BlockedContext, blocks: string): string =>
  context.emit('GlobalAveragePool', [blocks], {}, { blocked: true })[0]!

/**
 * … and over the batch of input 0, as a vector [C]: a product with a row of numbers, as in `sums-over-rows.ts`.
 *
 * @param positions H·W, for the sum in the place of the mean
 */
export function meansOfChannels(
  context: BlockedContext,
  blocks: string,
  channels: number,
  positions?: number,
): string {
  const op = (opType: string, inputs: readonly string[], entries = {}) =>
    context.emit(opType, inputs, entries)[0]!
  const means = meansOfImages(context, blocks)
  const batch = context.batch(0)
  const row = op('ConstantOfShape', [batch], { value: float32([1], [positions ?? 1]) })
  const weights =
    positions === undefined
      ? op('Div', [row, op('Cast', [batch], { to: dtypes.float32.code })])
      : row
  return op('MatMul', [weights, reshapeBlocks(context, means, [-1, channels])])
}

/** Concat and Split of whole blocks of channels, and Concat of batches. */
export const blockedChannels: BlockedRule = (context) => {
  const { node } = context
  const joins = node.opType === 'Concat'
  const axis = intAttribute(node, 'axis', joins ? Number.NaN : 0)
  const alongBatch = joins && axis === 0
  if (axis !== 1 && !alongBatch) return undefined
  if (!node.outputs.every((_, k) => context.fits(context.output(k)))) return undefined
  const images = joins ? node.inputs.map((_, i) => i) : [0]
  if (!(alongBatch ? context.isBlocked(0) : images.every((i) => context.isBlocked(i))))
    return undefined
  if (!images.every((i) => context.fits({ dtype: context.dtype(i), shape: context.shape(i) })))
    return undefined
  if (node.opType === 'Split' && !context.has(1)) return undefined
  const inputs = node.inputs.map((_, i) =>
    images.includes(i) ? context.blocks(i) : context.plain(i),
  )
  return context.emit(node.opType, inputs, node.attributes, { outputs: node.outputs.length })
}

/** The first channels of an image in blocks: going back to the order of the standard leaves out the others. */
export const blockedFirstChannels: BlockedRule = (context) => {
  if (!context.isBlocked(0) || context.fits(context.output(0))) return undefined
  const lists = [1, 2, 3].map((i) => (context.has(i) ? context.elements(i)?.join() : undefined))
  const [whole, channels] = [context.shape(0)?.[1], context.output(0).shape?.[1]]
  // ONNX Runtime leaves out a part of the last block.
  if (Number(whole) - Number(channels) >= context.block) return undefined
  const isStep = !context.has(4) || context.elements(4)?.join() === '1'
  if (lists.join(' ') !== `0 ${channels} 1` || !isStep) return undefined
  return context.emit(
    'ReorderOutput',
    [context.blocks(0)],
    { channels: channels as number },
    { blocked: true },
  )
}

/** Channels of the widest blocks that ONNX Runtime has: 16, or 8. */
export const widestBlock = 16

/** The channels of the fewest blocks that hold so many. */
export const filledUp = (channels: number, block = widestBlock): number =>
  Math.ceil(channels / block) * block

/** ONNX Runtime fills up multiples of so many channels with zeros on the way into blocks. */
export const filledChannels = 4

/** Channels of zeros behind those of an image, which then fills blocks. */
export const blockedFilling: BlockedRule = (context) => {
  const [given, output] = [context.shape(0), context.output(0)]
  const [channels, whole] = [given?.[1], output.shape?.[1]]
  if (!context.fits(output) || context.has(2) || context.has(3)) return undefined
  if (typeof channels !== 'number' || typeof whole !== 'number') return undefined
  const isNearest = whole - channels < context.block
  const isBehind = context.elements(1)?.join() === [0, 0, 0, 0, 0, whole - channels, 0, 0].join()
  if (!isNearest || !isBehind || stringAttribute(context.node, 'mode', 'constant') !== 'constant')
    return undefined
  const image = context.plain(0)
  const isOwn = channels % filledChannels === 0
  const filled = isOwn ? image : context.emit('Pad', [image, context.plain(1)])[0]!
  return context.emit('ReorderInput', [filled], {}, { blocked: true })
}

/** Whole images of a batch. The order of images that are read several times is changed once, before. */
export const blockedSamples: BlockedRule = (context) => {
  const isAlongBatch = intAttribute(context.node, 'axis', 0) === 0 && context.shape(1)?.length === 1
  if (!isAlongBatch || !context.fits(context.output(0))) return undefined
  return context.emit('Gather', [context.blocks(0), context.plain(1)])
}

/** The channels of images that follow on one another as those of one image. */
export const blockedReshape: BlockedRule = (context) => {
  const output = context.output(0)
  const [[, channels, ...sizes], [, all, ...others]] = [context.shape(0) ?? [], output.shape ?? []]
  if (!context.isBlocked(0) || !context.fits(output) || sizes.join() !== others.join())
    return undefined
  if (![channels, all, ...sizes].every((dim) => typeof dim === 'number')) return undefined
  if (Number(all) % Number(channels) !== 0) return undefined
  return [
    reshapeBlocks(context, context.blocks(0), [-1, all as number, ...(sizes as readonly number[])]),
  ]
}

/** A pooling over blocks, by the kernel of the same name. */
export const blockedPool: BlockedRule = (context) => {
  const { node } = context
  if (node.outputs.length !== 1 || !context.isBlocked(0) || !context.fits(context.output(0)))
    return undefined
  return context.emit(node.opType, [context.blocks(0)], node.attributes, { blocked: true })
}

/**
 * The 2-D convolution with one group, or with groups of whole blocks. The weight [M, C, K, L], where C counts the channels of a
 * group, becomes [M/b, C/b, K, L, b of C, b of M]; with fewer channels than a block, as in a first layer, the input stays as it is and the weight
 * becomes [M/b, C, K, L, b of M].
 */
export const blockedConv: BlockedRule = (context) => {
  const { node, block } = context
  const weight = context.shape(1)
  if (weight?.length !== 4) return undefined
  const group = intAttribute(node, 'group', 1)
  if (group > 1 && weight[1] === 1) return blockedDepthwise(context, group)
  if (!context.fits(context.output(0))) return undefined
  if (context.dtype(0) !== 'float32' || !weight.every((dim) => typeof dim === 'number'))
    return undefined
  const [filters, channels] = weight as readonly number[] as [number, number]
  const few = group === 1 && channels < block
  if (!few && channels % block !== 0) return undefined
  if ((filters / group) % block !== 0) return undefined
  const inputs = [
    few ? context.plain(0) : context.blocks(0),
    context.filters(1),
    ...(context.has(2) ? [context.plain(2)] : []),
  ]
  return context.emit('Conv', inputs, node.attributes, { blocked: true })
}

/** A depthwise convolution: its weight [C, 1, K, L] is blocked like an image of C channels. */
function blockedDepthwise(context: BlockedContext, group: number) {
  const [filters, channels, ...kernel] = context.shape(1)!
  if (filters !== group || channels !== 1 || context.dtype(0) !== 'float32') return undefined
  const sizes = kernel.map((size) => (typeof size === 'number' ? size : -1))
  if (sizes.filter((size) => size === -1).length > 1) return undefined
  if (!context.fits(context.output(0))) return undefined
  const inputs = [
    context.blocks(0),
    blockedKernels(context, group, sizes),
    ...(context.has(2) ? [context.plain(2)] : []),
  ]
  return context.emit('Conv', inputs, context.node.attributes, { blocked: true })
}

function blockedKernels(context: BlockedContext, group: number, sizes: readonly number[]) {
  const image = reshapeBlocks(context, context.plain(1), [1, group, ...sizes])
  const inner = context.emit('ReorderInput', [image], {}, { blocked: true })[0]!
  return reshapeBlocks(context, inner, [group, 1, ...sizes])
}

/** SpaceToDepth and DepthToSpace (DCR) move whole blocks of pixels. */
export const blockedDepthSpace: BlockedRule = (context) => {
  const { node, block } = context
  const size = intAttribute(node, 'blocksize', 1)
  const [x, y] = [context.shape(0), context.output(0).shape]
  if (!context.isBlocked(0) || !context.fits(context.output(0)) || !x || !y) return undefined
  if (stringAttribute(node, 'mode', 'DCR') !== 'DCR') return undefined
  const toDepth = node.opType === 'SpaceToDepth'
  const image = (toDepth ? x : y).slice(1)
  if (!image.every((dim) => typeof dim === 'number')) return undefined
  const [channels, height, width] = image as readonly number[] as [number, number, number]
  if (channels % block !== 0) return undefined
  const cells = [height / size, width / size] as const
  const groups = channels / block
  // As an image: [N, C/b, h, i, w, j, b]; as phases: [N, i, j, C/b, h, w, b].
  const [dims, perm] = toDepth
    ? [
        [-1, groups, cells[0], size, cells[1], size, block],
        [0, 3, 5, 1, 2, 4, 6],
      ]
    : [
        [-1, size, size, groups, ...cells, block],
        [0, 3, 4, 1, 5, 2, 6],
      ]
  const split = reshapeBlocks(context, context.blocks(0), dims!)
  const moved = context.emit('Transpose', [split], { perm })[0]!
  return [reshapeBlocks(context, moved, [-1, ...(y.slice(1) as readonly number[])])]
}
