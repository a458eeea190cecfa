/**
 * Signals and volumes as images: the blocked layout is one of images. Signals [N, C, L] are images [N, C, 1, L] of one row. Volumes
 * [N, C, D, H, W] are images [N·D, C, H, W] of their planes, and the planes that a convolution reads for one of its outputs, or for two
 * (`../../operators/decompositions/volume-planes.ts`), are channels of one image.
 *
 * Convolutions whose filters are whole blocks are written as convolutions of images, and what is computed from these element by element, as a
 * normalization, as a sum or side by side follows them, so that they are brought into blocks once and not for each convolution.
 */
import { intAttribute, intsAttribute, stringAttribute } from '../../model/attributes.ts'
import { capturedValues } from '../../model/links.ts'
import type { Model, Node } from '../../model/model.ts'
import type { Emitter } from '../../operators/contract/gradient.ts'
import {
  linesTimes,
  pairsOfPlanes,
  planesFirst,
  stackedPlanes,
  tilesOfPlanes,
  type VolumeConvolution,
} from '../../operators/decompositions/volume-planes.ts'
import { blockedElementwise } from '../../operators/helpers/blocked.ts'
import { areSame } from '../../operators/helpers/dims.ts'
import {
  filled,
  ints,
  range,
  reshape,
  transpose,
  unsqueeze,
} from '../../operators/helpers/emission.ts'
import type { Filtering } from '../../operators/helpers/minimal-filtering.ts'
import { operatorOf } from '../../operators/table.ts'
import { elementCount, toNumbers } from '../../tensor/tensor.ts'
import { Rewriter } from './rewriter.ts'
import { RewritingEmitter } from './rewriting-emitter.ts'

/** What is held as images. */
interface Form {
  /** The rank of the values, batch and channels included. */
  readonly rank: number
  /** Is a value several images, whose batch is no longer that of the values? */
  readonly isApart: boolean
  /** Is it a convolution in blocks of channels if its values are images? */
  isBlocked(emitter: Emitter, node: Node, block: number): boolean
  toImage(emitter: Emitter, value: string): string
  /** The node, without its outputs, that gives the value back whose sizes are those of `like`. */
  fromImage(
    emitter: Emitter,
    image: string,
    like: string,
  ): Pick<Node, 'opType' | 'inputs'> & {
    readonly entries?: Readonly<Record<string, readonly number[]>>
  }
  /** What a node gives that moves nothing of the image of its input; undefined for others. */
  unmoved(emitter: Emitter, node: Node, image: string): string | undefined
  /** The convolution of images. */
  convolve(emitter: Emitter, node: Node, image: string): string
  /** What is repeated along the other axes: a number for each channel, or of signals for each place as well. */
  toOperand(emitter: Emitter, value: string): string | undefined
}

/** @param block channels per block of the runtime's blocked layout */
export function asImages(model: Model, block: number): Model {
  return [signals, volumes].reduce((found, form) => inForm(found, form, block), model)
}

function inForm(model: Model, form: Form, block: number): Model {
  const { nodes } = model.graph
  const hasRank = nodes.some(
    ({ opType, attributes: given }) =>
      opType === 'Conv' && (given.get('kernel_shape') === undefined || rankOf(given) === form.rank),
  )
  if (!hasRank) return model
  const rewriter = new Rewriter(model)
  const emitter = new RewritingEmitter(rewriter, model)
  if (!nodes.some((node) => form.isBlocked(emitter, node, block))) return model
  const captured = new Set(nodes.flatMap((node) => [...capturedValues(node)]))
  /** Values → the images that hold the same. */
  const images = new Map<string, string>()
  /** What moves nothing of images → these. */
  const apart = new Map<string, string>()
  const imageOf = (name: string): string => {
    const image = images.get(name) ?? form.toImage(emitter, rewriter.value(name))
    images.set(name, image)
    return image
  }
  /** The image stands for the value, which is there for those that read it in its own rank. */
  const hold = (value: string, image: string): void => {
    images.set(value, image)
    const { entries = {}, ...node } = form.fromImage(emitter, image, value)
    rewriter.define({ domain: '', outputs: [value], ...node }, entries)
  }
  const hasSizes = (...names: readonly [string, string]): boolean => {
    const [given, wanted] = names.map((name) => emitter.info(name).shape?.slice(1))
    return areSame(given, wanted)
  }
  const shapeIn = (name: string) => {
    const { shape, dtype } = emitter.info(name)
    return shape?.length === form.rank && dtype === 'float32' ? shape : undefined
  }

  /** The operand of an element-wise node on images; undefined where there is none. */
  const operandOf = (name: string, result: readonly unknown[]): (() => string) | undefined => {
    const { shape, dtype } = emitter.info(name)
    if (!shape || dtype !== 'float32') return undefined
    if (shape.every((dim) => dim === 1) && shape.length < 3) return () => rewriter.value(name)
    const missing = form.rank - shape.length
    const fits = (dim: unknown, axis: number) => dim === 1 || dim === result[axis + missing]
    if (!shape.every(fits)) return undefined
    const isWhole = shape.every((dim, axis) => dim === result[axis])
    if (missing === 0 && (isWhole || !form.isApart)) return () => imageOf(name)
    const operand = form.toOperand(emitter, rewriter.value(name))
    return operand === undefined ? undefined : () => operand
  }

  const rewrite = (node: Node): boolean => {
    const { opType, inputs, outputs } = node
    const [x = ''] = inputs
    const [y = ''] = outputs
    if (outputs.some((name) => captured.has(name))) return false
    if (form.isBlocked(emitter, node, block)) {
      const own = { ...node, inputs: inputs.map((name) => rewriter.value(name)) }
      hold(y, form.convolve(emitter, own, imageOf(x)))
      return true
    }
    if (node.domain !== '') return false
    // What is put together again is the image.
    const whole = opType === 'Reshape' ? apart.get(rewriter.value(x)) : undefined
    if (whole !== undefined && hasSizes(y, whole)) {
      rewriter.replace(y, whole)
      return true
    }
    if (!inputs.some((name) => images.has(name))) return false
    const unmoved = images.has(x) ? form.unmoved(emitter, node, imageOf(x)) : undefined
    if (unmoved !== undefined) {
      apart.set(unmoved, imageOf(x))
      rewriter.replace(y, unmoved)
      return true
    }
    if (opType === 'Identity') {
      images.set(y, imageOf(x))
      rewriter.replace(y, rewriter.value(x))
      return true
    }
    const result = shapeIn(y)
    if (opType === 'BatchNormalization' && result) {
      const given = [imageOf(x), ...inputs.slice(1).map((name) => rewriter.value(name))]
      const entries = Object.fromEntries(node.attributes)
      const [image, ...rest] = emitter.emit(opType, given, entries, { outputs: outputs.length })
      hold(y, image!)
      for (const [k, name] of rest.entries()) rewriter.replace(outputs[k + 1]!, name)
      return true
    }
    if (/^(Concat|Split)$/.test(opType) && intAttribute(node, 'axis', 0) === 1) {
      const values = opType === 'Concat' ? inputs : [x]
      if (![...values, ...outputs].every((name) => shapeIn(name))) return false
      const others = inputs.slice(values.length).map((name) => rewriter.value(name))
      const given = [...values.map(imageOf), ...others]
      const entries = Object.fromEntries(node.attributes)
      const found = emitter.emit(opType, given, entries, { outputs: outputs.length })
      for (const [k, name] of outputs.entries()) hold(name, found[k]!)
      return true
    }
    if (/^Reduce(Sum|Mean)$/.test(opType)) {
      const axes = axesOf(emitter, node)
      const spatial = range(form.rank, 2)
      const isOfChannels = spatial.every((axis) => axes?.includes(axis)) && !axes!.includes(1)
      const ofBatch = axes?.includes(0) === true
      if (!isOfChannels || (form.isApart && !ofBatch)) return false
      const keepdims = intAttribute(node, 'keepdims', 1)
      const kept = [...(ofBatch ? [0] : []), 2, 3]
      const value = emitter.op(opType, [imageOf(x), ints(emitter, kept)], { keepdims })
      if (keepdims === 1) hold(y, value)
      else rewriter.replace(y, value)
      return true
    }
    const elementwise = operatorOf(node)?.execution?.blocked === blockedElementwise
    if (!elementwise || !result || outputs.length !== 1) return false
    const operands = inputs.map((name) => operandOf(name, result))
    if (!operands.every((operand) => operand !== undefined)) return false
    const given = operands.map((operand) => operand())
    hold(y, emitter.op(opType, given, Object.fromEntries(node.attributes)))
    return true
  }

  for (const node of nodes) if (!rewrite(node)) rewriter.share(node)
  return rewriter.model()
}

/** Of the values of a convolution with these attributes. */
const rankOf = (given: Node['attributes']): number => {
  const kernel = given.get('kernel_shape')
  return kernel?.type === 'ints' ? kernel.value.length + 2 : 0
}

/** The sizes of the weight of a convolution of float32 numbers whose spatial sizes are known. */
function sizesOf(emitter: Emitter, node: Node, rank: number): readonly number[] | undefined {
  if (node.opType !== 'Conv' || node.domain !== '') return undefined
  if (stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET') return undefined
  const [x, weight] = [0, 1].map((i) => emitter.info(node.inputs[i] ?? ''))
  if (x?.dtype !== 'float32' || x.shape?.length !== rank) return undefined
  const known = [...x.shape.slice(2), ...(weight?.shape ?? [null])]
  return known.every((dim) => typeof dim === 'number')
    ? (weight!.shape as readonly number[])
    : undefined
}

const signals: Form = {
  rank: 3,
  isApart: false,
  isBlocked(emitter, node, block) {
    const [filters, perGroup] = sizesOf(emitter, node, 3) ?? []
    if (filters === undefined || perGroup === undefined) return false
    const group = intAttribute(node, 'group', 1)
    const isDepthwise = group === filters && perGroup === 1
    // Fewer channels than a block, as in a first layer, stay as they are.
    const inBlocks = perGroup < block || perGroup % block === 0
    const inWholeBlocks = perGroup % block === 0 && (filters / group) % block === 0
    return filters % block === 0 && (group === 1 ? inBlocks : isDepthwise || inWholeBlocks)
  },
  toImage: (emitter, value) => unsqueeze(emitter, value, [2]),
  fromImage: (emitter, image) => ({ opType: 'Squeeze', inputs: [image, ints(emitter, [2])] }),
  unmoved: (emitter, node, image) =>
    node.opType === 'Unsqueeze' && axesOf(emitter, node)?.join() === '2' ? image : undefined,
  convolve(emitter, node, image) {
    const [, weight = '', ...bias] = node.inputs
    const [filters, channels, kernel] = emitter.info(weight).shape as readonly number[]
    const own = reshape(emitter, weight, [filters!, channels!, 1, kernel!])
    const along = (name: string) => intsAttribute(node, name)?.[0] ?? 1
    const [begin = 0, end = 0] = intsAttribute(node, 'pads') ?? []
    return emitter.op('Conv', [image, own, ...bias], {
      kernel_shape: [1, kernel!],
      strides: [1, along('strides')],
      dilations: [1, along('dilations')],
      pads: [0, begin, 0, end],
      group: intAttribute(node, 'group', 1),
    })
  },
  toOperand(emitter, value) {
    return emitter.info(value).shape!.length < 2 ? undefined : unsqueeze(emitter, value, [1])
  },
}

const volumes: Form = {
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

/** Two planes of each output at once: the image of its own result. */
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

/** Axes that are given as a constant. */
function axesOf(emitter: Emitter, node: Node): readonly number[] | undefined {
  const { constant } = emitter.info(node.inputs[1] ?? '')
  return constant && [...toNumbers(constant)].map(Number)
}
