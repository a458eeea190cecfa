/**
 * Volumes [N, C, D, H, W] as images of their planes [N·D, C, H, W]. The planes that a convolution reads for one of its outputs, or for two, are channels of one image: see
 * `../../operators/decompositions/volume-planes.ts`.
 */
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import {
  linesTimes,
  pairsOfPlanes,
  planesFirst,
  stackedPlanes,
  tilesOfPlanes,
  type VolumeConvolution,
} from '../../operators/decompositions/volume-planes.ts'
import { filled, reshape, transpose } from '../../operators/helpers/emission.ts'
import type { Filtering } from '../../operators/helpers/minimal-filtering.ts'
import { elementCount } from '../../tensor/tensor.ts'
import { type ImageForm, sizesOf } from './image-form.ts'

export const volumes: ImageForm = {
  rank: 5,
  isApart: true,
  isBlocked(emitter, node, block) {
    const [filters, channels, depth] = sizesOf(emitter, node, 5) ?? []
    if (filters === undefined || intAttribute(node, 'group', 1) !== 1) return false
    const read = channels! * depth!
    return filters % block === 0 && (read < block || read % block === 0)
  },
  toImage(emitter, value) {
    const [, channels, , ...plane] = sizesIn(emitter, value)
    return reshape(emitter, transpose(emitter, value, planesFirst), [-1, channels!, ...plane])
  },
  fromImage(emitter, image, like) {
    const planes = planesOfImage(emitter, image, like)
    return { opType: 'Transpose', inputs: [planes], entries: { perm: planesFirst } }
  },
  unmoved: (emitter, node, image) =>
    node.opType === 'Transpose' && intsAttribute(node, 'perm')?.join() === planesFirst.join()
      ? planesOfImage(emitter, image, node.inputs[0]!)
      : undefined,
  convolve(emitter, node, image) {
    const convolution = volumeConvolution(emitter, node)
    const pairs = pairsOfPlanes(convolution)
    return pairs
      ? convolvePairs(emitter, node, image, convolution, pairs)
      : convolveStacked(emitter, node, image, convolution)
  },
  toOperand(emitter, value) {
    const shape = emitter.info(value).shape!
    const channels = shape[shape.length - 4] ?? 1
    const isPerChannel = shape.every((dim, axis) => dim === 1 || axis === shape.length - 4)
    return isPerChannel && typeof channels === 'number'
      ? reshape(emitter, value, [channels, 1, 1])
      : undefined
  },
}

const noPads = [0, 0, 0, 0, 0, 0]

/** A convolution of volumes, with one group and sizes that are known. */
function volumeConvolution(emitter: Emitter, node: Node): VolumeConvolution {
  const [x = '', weight = ''] = node.inputs
  const [filters, channels, ...kernel] = sizesIn(emitter, weight)
  const pads = intsAttribute(node, 'pads') ?? noPads
  return {
    depth: {
      kernel: kernel[0]!,
      stride: intsAttribute(node, 'strides')?.[0] ?? 1,
      dilation: intsAttribute(node, 'dilations')?.[0] ?? 1,
      pads: { begin: pads[0]!, end: pads[3]! },
      input: sizesIn(emitter, x)[2]!,
      output: sizesIn(emitter, node.outputs[0]!)[2]!,
    },
    filters: filters!,
    channels: channels!,
    kernel: kernel.slice(1),
  }
}

/** The image of the output, of which two planes are computed at once. */
function convolvePairs(
  emitter: Emitter,
  node: Node,
  image: string,
  { filters, channels, kernel }: VolumeConvolution,
  pairs: Filtering,
): string {
  const [x = '', weight = '', ...bias] = node.inputs
  const count = pairs.kernel.length
  const tiles = tilesOfPlanes(emitter, pairs.input, planesOfImage(emitter, image, x), count)
  const tapsFirst = transpose(emitter, weight, [2, 0, 1, 3, 4])
  const numbers = elementCount([filters, channels, ...kernel])
  const weights = linesTimes(emitter, pairs.kernel, tapsFirst, numbers)
  const own = reshape(emitter, weights, [count * filters, channels, ...kernel])
  // Of each tile, both outputs take the second product once.
  const zeros = (products: number) => filled(emitter, [products * filters], 0)
  const added = bias.map((values) =>
    emitter.op('Concat', [zeros(1), values, zeros(count - 2)], { axis: 0 }),
  )
  const products = convolvePlanes(emitter, node, [tiles, own, ...added], count)
  const [, , ...plane] = sizesIn(emitter, products)
  const lines = linesTimes(emitter, pairs.output, products, elementCount([filters, ...plane]))
  return reshape(emitter, lines, [-1, filters, ...plane])
}

/** The planes that an output reads are channels of one image. */
function convolveStacked(
  emitter: Emitter,
  node: Node,
  image: string,
  { depth, filters, channels, kernel }: VolumeConvolution,
): string {
  const [, weight = '', ...bias] = node.inputs
  const byPlane = transpose(emitter, weight, planesFirst)
  const all = depth.kernel * channels
  const own = reshape(emitter, byPlane, [filters, all, ...kernel])
  const images = stackedPlanes(emitter, image, depth)
  return convolvePlanes(emitter, node, [images, own, ...bias], 1)
}

/** A convolution of images as that of volumes is one of planes. */
function convolvePlanes(
  emitter: Emitter,
  node: Node,
  inputs: readonly string[],
  group: number,
): string {
  const inPlane = (name: string) => intsAttribute(node, name)?.slice(1) ?? [1, 1]
  const pads = intsAttribute(node, 'pads') ?? noPads
  return emitter.op('Conv', inputs, {
    kernel_shape: sizesIn(emitter, inputs[1]!).slice(2),
    strides: inPlane('strides'),
    dilations: inPlane('dilations'),
    pads: [...pads.slice(1, 3), ...pads.slice(4)],
    group,
  })
}

/** Sizes that are known but for that of the batch. */
const sizesIn = (emitter: Emitter, name: string) => emitter.info(name).shape as readonly number[]

/** The planes of each volume, [N, D, C, H, W], whose sizes are those of `like`. */
function planesOfImage(emitter: Emitter, image: string, like: string): string {
  const [, channels, depth, ...plane] = sizesIn(emitter, like)
  return reshape(emitter, image, [-1, depth!, channels!, ...plane])
}
