/**
 * LRN: y_c = x_c·S_c^(−β) with S_c = κ + α/n · Σ x_j² over the n channels around c (local response
 * normalization, Krizhevsky et al. 2012). https://onnx.ai/onnx/operators/onnx__LRN.html
 *
 * Growth. The sum runs over neighbouring channels, and copies would change who the neighbours
 * are: channels are fixed. Everything else passes through.
 *
 * Gradient: ∂L/∂x_i = δ_i·S_i^(−β) − 2αβ/n · x_i · Σ_j δ_j·x_j·S_j^(−β−1), over those j whose
 * window holds i. Sums over windows of channels are poolings of [N, 1, C, positions].
 */
import { floatAttribute, intAttribute } from '../../model/attributes.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { reshape, reshapeLike } from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { inferredFrom } from '../helpers/shapes.ts'

const infer: InferRule = (context) => [inferredFrom(context, context.shape(0))]

const axes: AxesRule = (context) => {
  const x = context.axes(0)
  context.fix(x[1]!, 'normalizes over neighbouring channels')
  return [{ axes: x }]
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  const { node } = context
  const x = context.input(0)
  const size = intAttribute(node, 'size', 1)
  const alpha = floatAttribute(node, 'alpha', 1e-4)
  const beta = floatAttribute(node, 'beta', 0.75)
  const bias = floatAttribute(node, 'bias', 1)
  const before = Math.floor((size - 1) / 2)
  const after = size - 1 - before
  const { add, mul, sub, pow } = formula(context, dy)
  const rows = (value: string) =>
    reshape(context, value, [{ of: x, axis: 0 }, 1, { of: x, axis: 1 }, -1])
  const [inputs, incoming] = [rows(x), rows(dy)]
  const sums = add(mul(windowMean(context, mul(inputs, inputs), before, after), alpha), bias)
  const outer = mul(mul(incoming, inputs), pow(sums, -beta - 1))
  // Seen from i, the windows that hold it reach as far to the other side.
  const spread = mul(windowMean(context, outer, after, before), 2 * alpha * beta)
  return [reshapeLike(context, sub(mul(incoming, pow(sums, -beta)), mul(inputs, spread)), x)]
}

/** Sum over before + 1 + after neighbours on axis 2, divided by their full number. */
const windowMean = (
  context: GradientContext,
  value: string,
  before: number,
  after: number,
): string =>
  context.op('AveragePool', [value], {
    kernel_shape: [before + 1 + after, 1],
    pads: [before, 0, after, 0],
    count_include_pad: 1,
  })

export const lrn: Operator = {
  name: 'LRN',
  infer,
  axes,
  gradient,
  scaling: 'none',
  sign: 'inherited',
}
