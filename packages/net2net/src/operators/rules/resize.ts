/**
 * Resize and Upsample: interpolation to other sizes, axis by axis: the nearest element, linear, or
 * cubic. https://onnx.ai/onnx/operators/onnx__Resize.html, …/onnx__Upsample.html
 *
 * Growth. Axes that keep their size pass through; where the sizes are an input, its element
 * follows the axis. Axes that change their size never grow.
 *
 * Gradient: δ times the transpose of each axis's interpolation matrix, which the operator itself gives: it is what
 * becomes of the unit vectors. Where an axis becomes s times as long by repetition, that is the sum over blocks of s.
 */
import { refusedError } from '../../errors.ts'
import {
  attributes,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
} from '../../model/attributes.ts'
import type { Dim, Node, Shape } from '../../model/model.ts'
import { describeNode } from '../../model/names.ts'
import type { LazyTensor } from '../../tensor/tensor.ts'
import { elementCount, float32, toNumbers } from '../../tensor/tensor.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import type { FastKernelsContext, FastKernelsRule, UpgradeRule } from '../contract/facets.ts'
import type { Emitter, GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { productAlong, productBack, sizeOf, unitVectors } from '../helpers/axis-products.ts'
import {
  cannotDifferentiate,
  ints,
  knownShape,
  range,
  reshape,
  slice,
  unsqueeze,
} from '../helpers/emission.ts'
import { formula, inferView } from '../helpers/formula.ts'
import { axisPosition, inferredFrom, scaled } from '../helpers/shapes.ts'

/** What is asked for along each axis of x: a scale, a size, or nothing that is known. */
interface Change {
  readonly scale?: number
  readonly size?: Dim
  /** Position in the input of scales or sizes. */
  readonly entry?: number
}

type Reader = Pick<InferContext, 'node' | 'opset' | 'has' | 'constant' | 'elements'>

const readFloats = (tensor: LazyTensor | undefined): readonly number[] | undefined =>
  tensor &&
  elementCount(tensor.dims) > 0 &&
  (tensor.dtype === 'float32' || tensor.dtype === 'float64')
    ? toNumbers(tensor)
    : undefined

/** Positions of the inputs, which moved between operator sets. */
const scalesInput = ({ node, opset }: Reader) => (node.opType === 'Upsample' || opset < 11 ? 1 : 2)

/** The scales, also where exporters put them together from constants. */
function scalesOf(context: Reader): readonly number[] | undefined {
  const input = scalesInput(context)
  if (!context.has(input)) return undefined
  const stored = readFloats(context.constant(input))
  const elements = stored ?? context.elements(input)
  const known = elements?.every((scale) => typeof scale === 'number')
  return known && elements!.length > 0 ? (elements as readonly number[]) : undefined
}

function changesOf(context: Reader, rank: number): readonly Change[] {
  const { node, opset } = context
  const named = intsAttribute(node, 'axes')?.map((axis) => axisPosition(axis, rank)) ?? range(rank)
  const result: Change[] = range(rank).map((axis) => (named.includes(axis) ? {} : { scale: 1 }))
  const old = node.opType === 'Upsample' && opset < 9
  const scales = old ? floatsAttribute(node, 'scales') : scalesOf(context)
  const sizes = scales === undefined && context.has(3) ? context.elements(3) : undefined
  named.forEach((axis, k) => {
    if (scales?.[k] !== undefined) result[axis] = { scale: scales[k] }
    else result[axis] = sizes ? { size: sizes[k] ?? null, entry: k } : { entry: k }
  })
  return result
}

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  if (!shape) return [inferredFrom(context, undefined)]
  const changes = changesOf(context, shape.length)
  const policy = policyOf(context.node)
  return [
    inferredFrom(
      context,
      policy === 'stretch' ? resized(shape, changes) : fitted(shape, changes, policy),
    ),
  ]
}

const resized = (shape: Shape, changes: readonly Change[]): Dim[] =>
  shape.map((dim, k) => {
    const { scale, size } = changes[k]!
    return scale === undefined ? (size ?? null) : scaled(dim, scale)
  })

const policyOf = (node: Node): string =>
  stringAttribute(node, 'keep_aspect_ratio_policy', 'stretch')

/** Sizes are bounds, and one scale serves all the axes that are named. */
function fitted(shape: Shape, changes: readonly Change[], policy: string): Dim[] {
  const ratios = changes.flatMap(({ size }, k): number[] => {
    const dim = shape[k]
    if (size === undefined) return []
    return typeof size === 'number' && typeof dim === 'number' ? [size / dim] : [Number.NaN]
  })
  const scale = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios)
  return shape.map((dim, k) => {
    if (changes[k]!.size === undefined) return dim
    return typeof dim === 'number' && !Number.isNaN(scale) ? Math.floor(scale * dim + 0.5) : null
  })
}

const axes: AxesRule = (context) => {
  const x = context.axes(0)
  if (stringAttribute(context.node, 'coordinate_transformation_mode', '') === 'tf_crop_and_resize')
    context.refuse('cuts out a region, which is not followed')
  const changes = changesOf(context, x.length)
  const reason = 'interpolates along it'
  return [
    {
      axes: x.map((axis, k) => {
        if (keeps(context, k, changes[k]!)) return axis
        context.fix(axis, reason)
        const element = context.axisElements(3)?.[changes[k]!.entry ?? -1]
        if (element?.kind === 'size') context.fix(element.axis, reason)
        return context.fixed(context.output(0).shape?.[k] ?? null, reason)
      }),
    },
  ]
}

/** Does the axis pass through? Ties its size to the element of `sizes` that asks for it. */
function keeps(context: AxesContext, k: number, { scale, size, entry }: Change): boolean {
  if (scale !== undefined) return scale === 1
  const dim = context.shape(0)?.[k]
  if (entry === undefined || size === undefined || size === null || size !== dim) return false
  context.sizeElement(3, entry, context.axes(0)[k]!)
  return true
}

/** Which element stands for which outputs. */
interface Resampling {
  readonly mode: string
  readonly coordinates: string
  readonly rounding: string
}

function resamplingOf({ node, opset }: Reader): Resampling {
  const old = node.opType === 'Upsample' || opset < 11
  const coordinates = old ? 'asymmetric' : 'half_pixel'
  return {
    mode: stringAttribute(node, 'mode', 'nearest'),
    coordinates: stringAttribute(node, 'coordinate_transformation_mode', coordinates),
    rounding: stringAttribute(node, 'nearest_mode', old ? 'floor' : 'round_prefer_floor'),
  }
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  if (cutsOut(context.node)) throw cannotDifferentiate(context, 'it cuts out a region')
  const shape = knownShape(context, context.input(0))
  const output = knownShape(context, context.output(0))
  const view = inferView(context)
  const form = resamplingOf(view)
  const changes = changesOf(view, shape.length)
  const blocks = changes.map((change, k) => repetition(form, change, shape[k]!, output[k]!))
  if (blocks.every((block) => block !== undefined) && blocks[0] === 1 && blocks[1] === 1)
    return [sumBlocks(context, dy, blocks.slice(2))]
  let result = dy
  const size = (k: number) => sizeOf(context, context.output(0), k)
  for (const [k, block] of blocks.entries())
    if (block !== 1)
      result = productBack(context, result, k, matrixOf(context, k, changes[k]!, size))
  return [result]
}

/** Does it resize a part of x alone? */
const cutsOut = (node: Node): boolean =>
  stringAttribute(node, 'coordinate_transformation_mode', '') === 'tf_crop_and_resize'

const isFiltered = (node: Node): boolean => intAttribute(node, 'antialias', 0) === 1

/** How often each element is repeated; undefined where the axis is not a plain repetition. */
function repetition(form: Resampling, change: Change, input: Dim, output: Dim): number | undefined {
  if (change.scale === 1 || (input === output && input !== null)) return 1
  const scale =
    change.scale ??
    (typeof input === 'number' && typeof output === 'number' ? output / input : Number.NaN)
  if (form.mode !== 'nearest' || !Number.isInteger(scale)) return undefined
  // Whole scales: the middle of an element lies in the one that it repeats, and never halfway between two.
  const isBlock =
    form.coordinates === 'asymmetric'
      ? form.rounding === 'floor'
      : /half_pixel(_symmetric)?$/.test(form.coordinates) && form.rounding.startsWith('round')
  return isBlock ? scale : undefined
}

/** Sums over blocks, as their mean times their size. */
function sumBlocks(
  context: GradientContext,
  dy: string,
  blocks: readonly (number | undefined)[],
): string {
  const sizes = blocks as readonly number[]
  const { mul } = formula(context, dy)
  const mean = context.op('AveragePool', [dy], { kernel_shape: sizes, strides: sizes })
  return mul(mean, elementCount(sizes))
}

/** Changes to axis k as a matrix, [input, output]. */
function matrixOf(
  context: Emitter & Pick<GradientContext, 'node' | 'input'>,
  k: number,
  { entry = 0, scale }: Change,
  output: (k: number) => string,
): string {
  const { node } = context
  const x = context.input(0)
  const vectors = unsqueeze(context, unitVectors(context, x, k), [0, 1])
  const scales = () =>
    scale === undefined
      ? context.op(
          'Concat',
          [
            context.constant(float32([3], [1, 1, 1])),
            slice(context, context.input(2), [0], [entry], [entry + 1]),
          ],
          { axis: 0 },
        )
      : context.constant(float32([4], [1, 1, 1, scale]))
  const sizes = () =>
    context.op('Concat', [ints(context, [1, 1]), sizeOf(context, x, k), output(k)], {
      axis: 0,
    })
  const kept = [...node.attributes].filter(
    ([name]) => name !== 'axes' && name !== 'keep_aspect_ratio_policy',
  )
  const resized = context.op(
    'Resize',
    [vectors, '', ...((node.inputs[3] ?? '') === '' ? [scales()] : ['', sizes()])],
    Object.fromEntries(kept),
  )
  return context.op('Squeeze', [resized, ints(context, [0, 1])])
}

/**
 * ONNX Runtime's CPU takes 70 ns for an element that is interpolated by cubics and 3 for a filtered one, where products take less than one, and several times
 * as long for signals, and for volumes whose elements are repeated, as for images (docs/lab/steps-of-any-network.md).
 */
const fastKernels: FastKernelsRule = (context) => {
  const view = inferView(context)
  const shape = view.shape(0)
  const { node } = context
  if (view.dtype(0) !== 'float32' || !shape || cutsOut(node) || policyOf(node) !== 'stretch')
    return undefined
  const changes = changesOf(view, shape.length)
  const { mode } = resamplingOf(view)
  return mode === 'cubic' || isFiltered(node)
    ? byProducts(context, shape, changes)
    : ofImages(context, shape, changes, mode)
}

function byProducts(
  context: FastKernelsContext,
  shape: Shape,
  changes: readonly Change[],
): string | undefined {
  const isKept = ({ scale, size = null }: Change, k: number) =>
    scale === 1 || (size !== null && size === shape[k])
  const isKnown = (change: Change, k: number) =>
    isKept(change, k) || typeof (change.scale ?? change.size) === 'number'
  if (!changes.every(isKnown)) return undefined
  return changes.reduce((value, change, k) => {
    if (isKept(change, k)) return value
    const size = () => ints(context, [change.size as number])
    return productAlong(context, value, k, matrixOf(context, k, change, size))
  }, context.input(0))
}

/** Signals as images of one row; volumes first as images of all planes, and then with each plane as a row. */
function ofImages(
  context: FastKernelsContext,
  shape: Shape,
  changes: readonly Change[],
  mode: string,
): string | undefined {
  const [, channels = 0, ...sizes] = shape as readonly number[]
  const [batchwise, channelwise, ...scales] = changes.map(({ scale }) => scale as number)
  const isKnown = [channels, ...sizes, ...scales].every((number) => typeof number === 'number')
  if (!isKnown || batchwise !== 1 || channelwise !== 1) return undefined
  const ends = sizes.map((size, k) => scaled(size, scales[k]!) as number)
  const [depth = 1, ...plane] = sizes
  const [deeper = 1, ...wider] = scales
  const isVolume = sizes.length === 3 && mode === 'nearest'
  if (sizes.length !== 1 && !isVolume) return undefined
  const across = { dims: [channels * depth, ...plane], by: wider }
  const along = isVolume
    ? { dims: [channels, depth, ends[1]! * ends[2]!], by: [deeper, 1] }
    : { dims: [channels, 1, depth], by: [1, deeper] }
  const kept = [...context.node.attributes].filter(([name]) => name !== 'axes')
  const images = (value: string, { dims, by }: typeof across) =>
    by.every((scale) => scale === 1)
      ? value
      : context.op(
          'Resize',
          [
            reshape(context, value, [-1, ...dims]),
            '',
            context.constant(float32([4], [1, 1, ...by])),
          ],
          Object.fromEntries(kept),
        )
  return reshape(context, [across, along].reduce(images, context.input(0)), [-1, channels, ...ends])
}

/**
 * Operator set 10 and Upsample count from the corner and round down, except that Resize rounds up
 * along axes that it shortens.
 */
const upgrade: UpgradeRule = (context) => {
  const { node, from } = context
  const isResize = node.opType === 'Resize'
  if (isResize && from >= 11) return withoutTensorFlowPixels(node)
  const mode = stringAttribute(node, 'mode', 'nearest')
  const attribute = !isResize && from < 9 ? (floatsAttribute(node, 'scales') ?? []) : undefined
  const scales = attribute ?? readFloats(context.tensor(1)) ?? []
  const shrinks = isResize && mode === 'nearest' && scales.some((scale) => scale < 1)
  if (shrinks && scales.some((scale) => scale > 1))
    throw refusedError(
      `${describeNode(node)} lengthens one axis and shortens another in one way, which newer operator sets cannot express.`,
      { where: describeNode(node) },
    )
  return {
    ...node,
    opType: 'Resize',
    inputs: [
      node.inputs[0]!,
      '',
      attribute ? context.constant(float32([attribute.length], attribute)) : node.inputs[1]!,
    ],
    attributes: attributes({
      mode: mode === 'bilinear' ? 'linear' : mode,
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: shrinks ? 'ceil' : 'floor',
    }),
  }
}

/**
 * The coordinates (o + ½)/s of operator sets 11 and 12, rounded down, are the half pixels of today
 * rounded to the nearest.
 */
function withoutTensorFlowPixels(node: Node): Node {
  const name = 'coordinate_transformation_mode'
  if (stringAttribute(node, name, '') !== 'tf_half_pixel_for_nn') return node
  if (stringAttribute(node, 'nearest_mode', 'round_prefer_floor') !== 'floor')
    throw refusedError(
      `${describeNode(node)} has coordinates "tf_half_pixel_for_nn" that are not rounded down, which newer operator sets cannot express.`,
      { where: describeNode(node) },
    )
  const changed = attributes({ [name]: 'half_pixel', nearest_mode: 'round_prefer_ceil' })
  return { ...node, attributes: new Map([...node.attributes, ...changed]) }
}

export const resize: Operator = {
  name: 'Resize',
  infer,
  axes,
  gradient,
  scaling: 'none',
  sign: 'unknown',
  reads: { numbers: [1, 2, 3], sizes: { target: { input: 3, keeps: 'axes' }, rounds: true } },
  training: { upgrade },
  execution: {
    fastKernels,
    // It has no filter.
    wrongOnWebGpu: ({ node }) => isFiltered(node),
  },
}
export const upsample: Operator = { ...resize, name: 'Upsample', sign: 'inherited' }
