/**
 * Resize and Upsample: interpolation to other sizes, axis by axis: the nearest element, linear, or
 * cubic. https://onnx.ai/onnx/operators/onnx__Resize.html, …/onnx__Upsample.html
 *
 * Growth. Axes that keep their size pass through; where the sizes are an input, its element
 * follows the axis. Axes that change their size never grow.
 *
 * Gradient: δ times the transpose of each axis's interpolation matrix. Where an axis becomes s times
 * as long by repetition, that is the sum over blocks of s, which needs no sizes. Where the sizes are only known to
 * the run, or the weights are those of a filter (`antialias`), the operator itself gives the matrix: it is what
 * becomes of the unit vectors.
 */
import { refusedError } from '../../errors.ts'
import {
  attributes,
  floatAttribute,
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
import type { UpgradeRule } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { elementsOf } from '../helpers/elements.ts'
import {
  cannotDifferentiate,
  ints,
  knownShape,
  range,
  shapeOf,
  slice,
  tensorLike,
  transpose,
  unsqueeze,
} from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { type Resampling, resamplingRows } from '../helpers/resample.ts'
import { axisPosition, inferredFrom, scaled } from '../helpers/shapes.ts'

/** What is asked for along each axis of x: a scale, a size, or nothing that is known. */
interface Change {
  readonly scale?: number
  readonly size?: Dim
  /** Position in the `sizes` input. */
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
    else if (sizes) result[axis] = { size: sizes[k] ?? null, entry: k }
    else if (context.has(3)) result[axis] = { entry: k }
  })
  return result
}

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  if (!shape) return [inferredFrom(context, undefined)]
  const changes = changesOf(context, shape.length)
  const policy = stringAttribute(context.node, 'keep_aspect_ratio_policy', 'stretch')
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

function resamplingOf({ node, opset }: Reader): Resampling {
  const mode = stringAttribute(node, 'mode', 'nearest')
  const old = node.opType === 'Upsample' || opset < 11
  return {
    mode: mode === 'bilinear' ? 'linear' : (mode as Resampling['mode']),
    coordinates: stringAttribute(
      node,
      'coordinate_transformation_mode',
      old ? 'asymmetric' : 'half_pixel',
    ),
    rounding: stringAttribute(node, 'nearest_mode', old ? 'floor' : 'round_prefer_floor'),
    cubic: floatAttribute(node, 'cubic_coeff_a', -0.75),
    excludeOutside: intAttribute(node, 'exclude_outside', 0) === 1,
  }
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  const shape = knownShape(context, context.input(0))
  const output = knownShape(context, context.output(0))
  const form = resamplingOf(reader(context))
  const changes = changesOf(reader(context), shape.length)
  const blocks = changes.map((change, k) => repetition(form, change, shape[k]!, output[k]!))
  if (blocks.every((block) => block !== undefined) && blocks[0] === 1 && blocks[1] === 1)
    return [sumBlocks(context, dy, blocks.slice(2))]
  let result = dy
  for (const [k, block] of blocks.entries())
    if (block !== 1)
      result = alongAxis(context, result, k, shape[k]!, output[k]!, changes[k]!, form)
  return [result]
}

const reader = (context: GradientContext): Reader => ({
  node: context.node,
  opset: context.opset,
  has: (i) => context.has(i),
  constant: (i) => context.info(context.input(i)).constant,
  elements: (i) => elementsOf(context.info(context.input(i))),
})

/** How often each element is repeated; undefined where the axis is not a plain repetition. */
function repetition(form: Resampling, change: Change, input: Dim, output: Dim): number | undefined {
  if (change.scale === 1 || (input === output && input !== null)) return 1
  const scale =
    change.scale ??
    (typeof input === 'number' && typeof output === 'number' ? output / input : Number.NaN)
  if (form.mode !== 'nearest' || !Number.isInteger(scale)) return undefined
  // Whole scales: the matrix of a short axis tells whether each element appears in one block.
  const rows = resamplingRows(form, 8, 8 * scale, scale)
  return rows?.every((row, o) => row[0]![0] === Math.floor(o / scale)) ? scale : undefined
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

/** Rᵀ·δ along axis k. */
function alongAxis(
  context: GradientContext,
  value: string,
  k: number,
  input: Dim,
  output: Dim,
  change: Change,
  form: Resampling,
): string {
  const weights =
    storedMatrix(context, value, input, output, change, form) ??
    matrixOfUnitVectors(context, k, change)
  const rank = knownShape(context, value).length
  const order = [...range(rank).filter((axis) => axis !== k), k]
  const back = range(rank).map((axis) => order.indexOf(axis))
  const moved = context.op('MatMul', [transpose(context, value, order), weights])
  return transpose(context, moved, back)
}

/** R, [output, input], where everything that it depends on is known. */
function storedMatrix(
  context: GradientContext,
  like: string,
  input: Dim,
  output: Dim,
  { scale }: Change,
  form: Resampling,
): string | undefined {
  if (typeof input !== 'number' || typeof output !== 'number') return undefined
  if (intAttribute(context.node, 'antialias', 0) === 1) return undefined
  const rows = resamplingRows(form, input, output, scale ?? output / input)
  if (!rows) return undefined
  const matrix = new Array<number>(output * input).fill(0)
  rows.forEach((row, o) => {
    for (const [i, weight] of row) matrix[o * input + i]! += weight
  })
  return tensorLike(context, like, [output, input], matrix)
}

/** R, [output, input]: the rows of the unit matrix, resized as axis k is. */
function matrixOfUnitVectors(
  context: GradientContext,
  k: number,
  { entry, scale }: Change,
): string {
  const { node } = context
  if (stringAttribute(node, 'coordinate_transformation_mode', '') === 'tf_crop_and_resize')
    throw cannotDifferentiate(context, 'it cuts out a region')
  const size = shapeOf(context, context.input(0), k, k + 1)
  const square = context.op('Concat', [size, size], { axis: 0 })
  const one = float32([1], [1])
  const unit = context.op('EyeLike', [context.op('ConstantOfShape', [square], { value: one })])
  const vectors = unsqueeze(context, unit, [0, 1])
  const named = intsAttribute(node, 'axes') ?? []
  const position =
    named.length === 0
      ? k
      : named.findIndex(
          (axis) => axis === k || axis === k - knownShape(context, context.input(0)).length,
        )
  const bySizes = entry !== undefined
  const scales = () =>
    scale === undefined
      ? context.op(
          'Concat',
          [
            context.constant(float32([3], [1, 1, 1])),
            slice(context, context.input(2), [0], [position], [position + 1]),
          ],
          { axis: 0 },
        )
      : context.constant(float32([4], [1, 1, 1, scale]))
  const sizes = () =>
    context.op(
      'Concat',
      [ints(context, [1, 1]), size, shapeOf(context, context.output(0), k, k + 1)],
      { axis: 0 },
    )
  const kept = [...node.attributes].filter(
    ([name]) => name !== 'axes' && name !== 'keep_aspect_ratio_policy',
  )
  const resized = context.op(
    'Resize',
    [vectors, '', ...(bySizes ? ['', sizes()] : [scales()])],
    Object.fromEntries(kept),
  )
  return transpose(context, context.op('Squeeze', [resized, ints(context, [0, 1])]), [1, 0])
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
    // It has no filter.
    wrongOnWebGpu: ({ node }) => intAttribute(node, 'antialias', 0) === 1,
  },
}
export const upsample: Operator = { ...resize, name: 'Upsample', sign: 'inherited' }
