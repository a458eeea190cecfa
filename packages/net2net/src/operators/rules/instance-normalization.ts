/**
 * InstanceNormalization: y = γ·(x − μ)/√(σ² + ε) + β with mean and variance over the spatial axes
 * of each channel of each sample. GroupNormalization: the same over the spatial axes and the
 * channels of each of G groups; γ and β are per group before operator set 21, per channel since.
 * https://onnx.ai/onnx/operators/onnx__InstanceNormalization.html, …/onnx__GroupNormalization.html
 *
 * Growth. Instance: channels do not meet, γ and β are copied with them. Group: write the channels as g·k.
 * Whole groups are copied freely; inside them mean and variance stay only if every unit has
 * equally many copies. The same holds for spatial axes.
 *
 * Gradients: see channelwiseGradient in standardize.ts; ∂L/∂γ = Σ δ·x̂ and ∂L/∂β = Σ δ per entry.
 */

import { floatAttribute, intAttribute } from '../../model/attributes.ts'
import { elementCount, toNumbers } from '../../tensor/tensor.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { isPerChannel, sumOverSamples } from '../helpers/channel-rows.ts'
import { splitGroups } from '../helpers/convolution.ts'
import { isStatic } from '../helpers/elements.ts'
import { knownShape, range, reshape, reshapeLike } from '../helpers/emission.ts'
import { linearIn } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import {
  channelwiseGradient,
  factorOf,
  standardize,
  standardizeGradient,
} from '../helpers/standardize.ts'

const infer: InferRule = (context) => [inferredFrom(context, context.shape(0))]

const meanOverSpace = (context: AxesContext) => {
  for (const axis of context.axes(0).slice(2))
    context.balanced(axis, 'takes mean and variance over it')
}

const instanceAxes: AxesRule = (context) => {
  const x = context.axes(0)
  for (const i of [1, 2]) context.unify(x[1]!, context.axes(i)[0]!)
  meanOverSpace(context)
  return [{ axes: x }]
}

const groupAxes: AxesRule = (context) => {
  const x = context.axes(0)
  const [g, inside] = splitGroups(context, x[1]!, intAttribute(context.node, 'num_groups', 1))
  context.balanced(inside, 'takes mean and variance over the channels of a group')
  context.sizeAttribute('num_groups', g)
  for (const i of [1, 2]) context.unify(context.opset < 21 ? g : x[1]!, context.axes(i)[0]!)
  meanOverSpace(context)
  return [{ axes: x }]
}

const epsilonOf = (context: GradientContext) => floatAttribute(context.node, 'epsilon', 1e-5)

/** Is the input a constant whose entries are all this number? */
function isConstant(context: GradientContext, i: number, value: number): boolean {
  const { constant } = context.info(context.input(i))
  return constant !== undefined && toNumbers(constant).every((entry) => Number(entry) === value)
}

const instanceGradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const x = context.input(0)
  const over = range(knownShape(context, x).length, 2)
  // Exporters write GroupNorm as this without scale and shift: then x̂ is the output.
  const isBare = isConstant(context, 1, 1) && isConstant(context, 2, 0)
  if (isBare && !context.needs(1) && !context.needs(2)) {
    const normal = context.output(0)
    const factor = factorOf(context, x, normal, over, epsilonOf(context))
    const scaled = scaledChannels(context, dy)
    if (!scaled) return [standardizeGradient(context, dy, { normal, factor }, over)]
    const { gradient, value, groups } = scaled
    const parts = { normal: value, factor }
    const found = channelwiseGradient(context, gradient, parts, scaled.factor, groups)
    return [reshapeLike(context, found.gradient, x)]
  }
  const parts = standardize(context, x, over, epsilonOf(context))
  const { gradient, sums } = channelwiseGradient(context, dy, parts, context.input(1), undefined)
  return [gradient, ...[sums.scale, sums.shift].map((each) => sumOverSamples(context, each, x))]
}

/**
 * How exporters go on after a GroupNorm: [N, G, …] becomes [N, C, …] again, and is multiplied by a number per channel. What was
 * multiplied, by what, and the gradient of that, where x̂ is read so.
 */
function scaledChannels(context: GradientContext, dy: string) {
  const { scaled } = context.hintOf(context.hintOf(dy).reshaped ?? dy)
  const [, ...before] = knownShape(context, context.input(0))
  const image = context.info(scaled?.value ?? '').shape ?? []
  const after = image.slice(1)
  if (!scaled || !isStatic(before) || !isStatic(after)) return undefined
  const [groups = 1] = before
  const isInGroups =
    elementCount(before) === elementCount(after) &&
    after[0]! % groups === 0 &&
    isPerChannel(context.info(scaled.factor).shape, image)
  return isInGroups ? { ...scaled, groups } : undefined
}

/** As for one instance, on [N, G, C/G · positions]. */
const groupGradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const x = context.input(0)
  const groups = intAttribute(context.node, 'num_groups', 1)
  const grouped = (value: string) => reshape(context, value, [{ of: x, axis: 0 }, groups, -1])
  const { normal, factor } = standardize(context, grouped(x), [2], epsilonOf(context))
  const perGroup = context.opset < 21
  const [delta, parts] = perGroup
    ? [grouped(dy), { normal, factor }]
    : [dy, { normal: reshapeLike(context, normal, x), factor }]
  const members = perGroup ? undefined : groups
  const { gradient, sums } = channelwiseGradient(context, delta, parts, context.input(1), members)
  return [
    perGroup ? reshapeLike(context, gradient, x) : gradient,
    ...[sums.scale, sums.shift].map((each) => sumOverSamples(context, each, parts.normal)),
  ]
}

export const instanceNormalization: Operator = {
  name: 'InstanceNormalization',
  infer,
  axes: instanceAxes,
  gradient: instanceGradient,
  scaling: linearIn([1, 2]),
  sign: 'unknown',
  training: { parameters: [1, 2] },
  growth: { padding: { 1: 1, 2: 0 } },
}

export const groupNormalization: Operator = {
  name: 'GroupNormalization',
  infer,
  axes: groupAxes,
  gradient: groupGradient,
  scaling: linearIn([1, 2]),
  sign: 'unknown',
  training: { parameters: [1, 2] },
  growth: { padding: { 1: 1, 2: 0 } },
}
