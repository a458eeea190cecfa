/**
 * Softmax: y_i = exp(x_i) / Σ_j exp(x_j), LogSoftmax: y_i = x_i − log Σ_j exp(x_j), and Hardmax: y_i = 1 for the first
 * of the largest x_i, otherwise 0, over one axis. Before operator set 13 the input counts as a matrix instead: the axes before `axis`
 * (default 1) are rows, all others together are the columns that the sum runs over.
 * https://onnx.ai/onnx/operators/onnx__Softmax.html, https://onnx.ai/onnx/operators/onnx__Hardmax.html
 *
 * Growth. A copy of unit i adds exp(x_i) to the sum, so the probabilities of all units change:
 * the axis of the sum is fixed. New units far below the others add next to nothing to the sum. Nor does a copy get the 1 of
 * Hardmax. Every other axis passes through.
 *
 * Gradients, with δ = ∂L/∂y: y·(δ − Σ_j y_j·δ_j), and δ − exp(y)·Σ_j δ_j. Hardmax is a step.
 */
import { attributes, intAttribute } from '../../model/attributes.ts'
import { none } from '../contract/answers.ts'
import type { Appended, AxesRule } from '../contract/axes.ts'
import type { LinkFacet, UpgradeRule } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext, InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { knownShape, range, reduce } from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { axisPosition, inferredFrom } from '../helpers/shapes.ts'

/** The axes that the sum runs over. */
function summedAxes(context: Pick<InferContext, 'node' | 'opset'>, rank: number): number[] {
  const old = context.opset < 13
  const axis = axisPosition(intAttribute(context.node, 'axis', old ? 1 : -1), rank)
  return old ? range(rank, axis) : [axis]
}

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  if (shape) summedAxes(context, shape.length)
  return [inferredFrom(context, shape)]
}

const axesWith =
  (reason: string, appended?: Appended): AxesRule =>
  (context) => {
    const x = context.axes(0)
    for (const axis of summedAxes(context, x.length)) context.fix(x[axis]!, reason, appended)
    return [{ axes: x }]
  }

const axes = axesWith('normalizes over it: a copy would change the other probabilities', 'unlikely')

const gradientWith =
  (rule: (context: GradientContext, dy: string, axes: readonly number[]) => string): GradientRule =>
  (context) => {
    const dy = context.outputGradient(0)
    if (dy === undefined || !context.needs(0)) return []
    const rank = knownShape(context, context.input(0)).length
    return [rule(context, dy, summedAxes(context, rank))]
  }

const softmaxGradient = gradientWith((context, dy, summed) => {
  const { mul, sub } = formula(context, dy)
  const y = context.output(0)
  return mul(y, sub(dy, reduce(context, 'Sum', mul(y, dy), summed, true)))
})

const logSoftmaxGradient = gradientWith((context, dy, summed) => {
  const { mul, sub, exp } = formula(context, dy)
  return sub(dy, mul(exp(context.output(0)), reduce(context, 'Sum', dy, summed, true)))
})

/** The sum over a matrix's columns: over the last axis, or of a flattened copy of the input. */
const upgrade: UpgradeRule = (context) => {
  const { node, from } = context
  if (from >= 13) return node
  const axis = intAttribute(node, 'axis', 1)
  const rank = context.shape(0)?.length
  const last = axis === -1 || (rank !== undefined && axis === rank - 1)
  if (last) return { ...node, attributes: attributes({ axis: -1 }) }
  const [flat, sums, shape] = ['flat', 'probabilities', 'shape'].map((hint) => context.fresh(hint))
  const chain = (opType: string, inputs: string[], output: string, axisOf?: number) => ({
    name: output,
    opType,
    domain: '',
    inputs,
    outputs: [output],
    attributes: attributes({ axis: axisOf }),
  })
  return [
    chain('Flatten', [node.inputs[0]!], flat!, axis),
    { ...chain(node.opType, [flat!], sums!, -1), name: node.name },
    chain('Shape', [node.inputs[0]!], shape!),
    chain('Reshape', [sums!, shape!], node.outputs[0]!),
  ]
}

/** Cross-entropy of both is best taken from their input. */
const link: LinkFacet = { kind: 'softmax', axis: (node) => intAttribute(node, 'axis', -1) }

export const softmax: Operator = {
  name: 'Softmax',
  infer,
  axes,
  gradient: softmaxGradient,
  scaling: 'none',
  sign: 'non-negative',
  growth: { bounds: () => ({ low: 0, high: 1 }) },
  training: { link, upgrade },
  execution: {
    // Before operator set 13 all axes from this one on are one; WebGPU takes them so at the end only.
    wrongOnWebGpu: ({ node, opset, shape }) =>
      opset < 13 && !isLastAxis(intAttribute(node, 'axis', 1), shape(0)?.length),
  },
}

const isLastAxis = (axis: number, rank: number | undefined) => axis === -1 || axis + 1 === rank

export const logSoftmax: Operator = {
  name: 'LogSoftmax',
  infer,
  axes,
  gradient: logSoftmaxGradient,
  scaling: 'none',
  sign: 'unknown',
  training: { link, upgrade },
}

export const hardmax: Operator = {
  name: 'Hardmax',
  infer,
  axes: axesWith('marks one entry along it: a copy would get no mark'),
  gradient: none,
  scaling: 'none',
  sign: 'non-negative',
  training: { upgrade },
}
