/**
 * AveragePool: y[n, c, o] = 1/count(o) · Σ_k x[n, c, o·s + k·d − p], where count(o) is the number
 * of elements of the window inside the input, or inside the padded input (count_include_pad).
 * LpPool: y = (Σ_k |x|^p)^(1/p). https://onnx.ai/onnx/operators/onnx__AveragePool.html
 *
 * Growth. Every channel is pooled by itself, so batch and channels pass through unchanged.
 *
 * Gradients: δ/count is spread back over each window: a transposed convolution with a kernel of
 * ones, channel by channel. For stride 1 that is the mean over the windows of δ, which the kernel of the pooling computes. For LpPool, δ·y^(1−p) is spread and multiplied by sign(x)·|x|^(p−1).
 */

import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { elementCount } from '../../tensor/tensor.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { BlockedRule } from '../contract/facets.ts'
import { type GradientContext, type GradientRule, isCpu } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fillsBlocks } from '../decompositions/convolution-columns.ts'
import { spreadWindows } from '../decompositions/convolution-gradient.ts'
import { blockedPool } from '../helpers/blocked.ts'
import {
  cannotDifferentiate,
  knownShape,
  onesLike,
  range,
  reshape,
  reshapeLike,
  tensorLike,
} from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { lpInner, lpOuter } from '../helpers/lp.ts'
import { linearIn, positivelyHomogeneous } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import {
  allKnown,
  ceilMode,
  type KnownWindowAxis,
  liesSideBySide,
  pooledShape,
  poolingAxes,
  poolKernel,
  windowOf,
} from '../helpers/windows.ts'

const infer: InferRule = (context) => [inferredFrom(context, pooledShape(context))]
const axes: AxesRule = (context) => [{ axes: poolingAxes(context) }]

function knownWindow(context: GradientContext): readonly KnownWindowAxis[] {
  const spatial = knownShape(context, context.input(0)).slice(2)
  const window = windowOf(context.node, poolKernel(context.node), spatial)
  if (allKnown(window)) return window
  throw cannotDifferentiate(context, 'its automatic pads depend on a size that is not known')
}

/** Adds every value to all inputs of its window. */
function spreadOnes(
  context: GradientContext,
  values: string,
  window: readonly KnownWindowAxis[],
): string {
  const x = context.input(0)
  if (isCpu(context.target) && coverAll(window)) return repeated(context, values, window)
  const spatial = range(window.length + 2, 2)
  const channels = context.info(x).shape?.[1]
  if (isCpu(context.target) && typeof channels === 'number' && fillsBlocks(channels)) {
    const kernels = onesLike(context, values, [channels, 1, ...window.map((axis) => axis.kernel)])
    return spreadWindows(context, values, kernels, x, window, channels)
  }
  // Each channel of each sample as a sample of its own: one kernel serves all.
  const single = reshape(context, values, [-1, 1, ...spatial.map((axis) => ({ of: values, axis }))])
  const kernel = onesLike(context, values, [1, 1, ...window.map((axis) => axis.kernel)])
  return reshapeLike(context, spreadWindows(context, single, kernel, x, window, 1), x)
}

/** Outputs of a row beyond which a product with a 0/1 matrix costs more than a transposed convolution. */
const widestRow = 48

/** Windows that cover a signal, an image or a volume, each element once. */
const coverAll = (window: readonly KnownWindowAxis[]): boolean => {
  const columns = window.at(-1)!
  return (
    window.length <= 3 &&
    window.every(
      (axis) =>
        liesSideBySide(axis) && typeof axis.input === 'number' && axis.input % axis.stride === 0,
    ) &&
    (columns.input as number) <= widestRow * columns.stride
  )
}

/**
 * Every value in all places of its window. The rows of a window lie behind each other, so that a row of values times a 0/1 matrix
 * gives all of them, exactly. Planes are copied then.
 */
function repeated(
  context: GradientContext,
  values: string,
  window: readonly KnownWindowAxis[],
): string {
  const [columns, rows, planes] = window.toReversed()
  const width = columns!.input as number
  const outputs = width / columns!.kernel
  const places = (rows?.kernel ?? 1) * width
  const matrix = Array<number>(outputs * places).fill(0)
  for (const place of range(places))
    matrix[Math.floor((place % width) / columns!.kernel) * places + place] = 1
  const product = context.op('MatMul', [
    reshape(context, values, [-1, outputs]),
    tensorLike(context, values, [outputs, places], matrix),
  ])
  const x = context.input(0)
  if (planes === undefined) return reshapeLike(context, product, x)
  const single = reshape(context, product, [-1, 1, (rows!.input as number) * width])
  const copies = range(planes.kernel).map(() => single)
  return reshapeLike(context, context.op('Concat', copies, { axis: 1 }), x)
}

/** Does a window start at every element? Then those that hold an element are a window of outputs. */
const slides = (window: readonly KnownWindowAxis[]): boolean =>
  window.every(
    ({ kernel, stride, dilation, pads }) =>
      stride === 1 && dilation === 1 && pads.begin < kernel && pads.end < kernel,
  )

/** For every input the sum over the windows that hold it, divided by the number of elements of a window. */
function meansOverWindows(
  context: GradientContext,
  values: string,
  window: readonly KnownWindowAxis[],
): string {
  const others = (side: 'begin' | 'end') => window.map((axis) => axis.kernel - 1 - axis.pads[side])
  return context.op('AveragePool', [values], {
    kernel_shape: window.map((axis) => axis.kernel),
    pads: [...others('begin'), ...others('end')],
    count_include_pad: 1,
  })
}

const averageGradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  const window = knownWindow(context)
  const { div, mul } = formula(context, dy)
  const found = counts(context, window)
  if (isCpu(context.target) && slides(window)) {
    const field = elementCount(window.map((axis) => axis.kernel))
    const weights = found.map((count) => field / count)
    const values = weights.every((weight) => weight === 1)
      ? dy
      : mul(dy, perWindow(context, dy, weights))
    return [meansOverWindows(context, values, window)]
  }
  return [spreadOnes(context, div(dy, perWindow(context, dy, found)), window)]
}

/** A number for all windows, or one for each, that broadcasts over y. */
function perWindow(
  context: GradientContext,
  dy: string,
  values: readonly number[],
): string | number {
  if (values.length === 1) return values[0]!
  const outputs = knownShape(context, context.output(0)).slice(2) as readonly number[]
  return tensorLike(context, dy, [1, 1, ...outputs], values)
}

/** How many elements each window averages: one number if all do the same. */
function counts(context: GradientContext, window: readonly KnownWindowAxis[]): readonly number[] {
  const included = intAttribute(context.node, 'count_include_pad', 0) === 1
  const unpadded = window.every((axis) => axis.pads.begin === 0 && axis.pads.end === 0)
  if ((included || unpadded) && !ceilMode(context.node))
    return [elementCount(window.map((axis) => axis.kernel))]
  const outputs: readonly Dim[] = knownShape(context, context.output(0)).slice(2)
  const along = window.map((axis, i) => {
    const output = outputs[i]
    if (typeof axis.input !== 'number' || typeof output !== 'number')
      throw cannotDifferentiate(context, 'how much its windows overlap the pads is not known')
    const [first, last] = included
      ? [-axis.pads.begin, axis.input + axis.pads.end]
      : [0, axis.input]
    return range(output).map((o) => {
      const start = o * axis.stride - axis.pads.begin
      return range(axis.kernel).filter((k) => {
        const at = start + k * axis.dilation
        return at >= first && at < last
      }).length
    })
  })
  let values: readonly number[] = [1]
  for (const list of along) values = values.flatMap((value) => list.map((count) => value * count))
  return values
}

const lpGradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  const spread = spreadOnes(context, lpOuter(context, dy), knownWindow(context))
  return [lpInner(context, spread)]
}

/**
 * Windows that overlap are averaged in blocks in a sixteenth of the time that ONNX Runtime takes for images in the plain layout, so these are brought there
 * and back (docs/lab/steps-of-any-network.md).
 */
const blocked: BlockedRule = (context) => {
  const { node } = context
  const product = (name: string) => elementCount(intsAttribute(node, name) ?? [])
  if (ceilMode(node) || product('dilations') > 1) return undefined
  const found = blockedPool(context)
  const overlaps = product('kernel_shape') > product('strides')
  const blocks = found || !overlaps ? undefined : context.wholeBlocks(0)
  if (blocks === undefined) return found
  const means = context.emit('AveragePool', [blocks], node.attributes, { blocked: true })
  const [, channels] = context.shape(0) as readonly number[]
  return context.fits(context.output(0))
    ? means
    : context.emit('ReorderOutput', means, { channels: channels! }, { blocked: true })
}

export const averagePool: Operator = {
  name: 'AveragePool',
  infer,
  axes,
  gradient: averageGradient,
  scaling: linearIn([0]),
  sign: 'inherited',
  reads: { sizes: { rounds: true, window: true } },
  execution: {
    blocked,
  },
}

export const lpPool: Operator = {
  name: 'LpPool',
  infer,
  axes,
  gradient: lpGradient,
  scaling: positivelyHomogeneous,
  sign: 'non-negative',
  reads: { sizes: { rounds: true, window: true } },
}
