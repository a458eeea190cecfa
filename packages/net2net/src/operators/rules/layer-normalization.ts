/**
 * LayerNormalization: y = γ·(x − μ)/√(σ² + ε) + β with mean and variance over the axes from `axis`
 * to the last. https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
 *
 * Growth. Mean and variance of the units do not change if every unit has equally many copies; γ
 * and β are copied with the units. With unequal numbers of copies they do change. To any other width the units grow if the
 * added ones hold the mean of the others: then the mean stays, the variance shrinks by a factor that γ and ε make up for, and
 * y is β at the added units (plan/added-width.ts).
 *
 * Gradients: see standardize.ts, with g = γ·δ; ∂L/∂γ = Σ δ·x̂ and ∂L/∂β = Σ δ over the axes that
 * γ and β do not have.
 */

import { floatAttribute, intAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import type { AxesRule } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { TrainingRule } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { sumTo } from '../helpers/broadcast.ts'
import { knownShape, range, reshape } from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { axisPosition, inferredFrom } from '../helpers/shapes.ts'
import {
  type Standardized,
  standardize,
  standardizeGradient,
  unifyLast,
} from '../helpers/standardize.ts'

const firstAxis = (node: Node, rank: number) => axisPosition(intAttribute(node, 'axis', -1), rank)

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  const first = shape && firstAxis(context.node, shape.length)
  const statistics = shape?.map((dim, k): Dim => (k < first! ? dim : 1))
  return [
    inferredFrom(context, shape),
    { dtype: 'float32', shape: statistics },
    { dtype: 'float32', shape: statistics },
  ]
}

const axes: AxesRule = (context) => {
  const x = context.axes(0)
  const first = firstAxis(context.node, x.length)
  for (const axis of x.slice(first)) context.balanced(axis, 'takes mean and variance over it')
  const vectors = [1, 2].filter((i) => context.has(i))
  for (const i of vectors) unifyLast(context, i, x)
  const single = (axis: Axis, k: number) =>
    k < first ? axis : context.fixed(1, 'takes mean and variance over it')
  return context.node.outputs.map((_, k) => ({ axes: k === 0 ? x : x.map(single) }))
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const x = context.input(0)
  const rank = knownShape(context, x).length
  const over = range(rank, firstAxis(context.node, rank))
  const { mul } = formula(context, dy)
  const parts = standardized(context, x, over)
  const [scale, shift] = [context.input(1), context.input(2)]
  const product = mul(dy, parts.normal)
  return [
    context.needs(0)
      ? standardizeGradient(context, mul(dy, scale), parts, over, slope(context, product, over))
      : undefined,
    context.needs(1) ? sumTo(context, product, x, scale) : undefined,
    context.has(2) && context.needs(2) ? sumTo(context, dy, x, shift) : undefined,
  ]
}

/** x̂ and r, by the mean and the factor that the node gives in training. */
function standardized(context: GradientContext, x: string, over: readonly number[]): Standardized {
  const [mean = '', factor = ''] = [context.output(1), context.output(2)]
  if (mean === '' || factor === '')
    return standardize(context, x, over, floatAttribute(context.node, 'epsilon', 1e-5))
  const { sub, mul } = formula(context, x)
  return { normal: mul(sub(x, mean), factor), factor }
}

/** mean_A(γ·δ·x̂) from δ·x̂: over one axis, a product with the vector γ; undefined where there are several. */
function slope(
  context: GradientContext,
  product: string,
  over: readonly number[],
): string | undefined {
  const scale = context.input(1)
  const [size] = context.info(scale).shape ?? []
  const last = context.info(product).shape?.at(-1)
  if (over.length > 1 || typeof size !== 'number' || size !== last) return undefined
  const { div } = formula(context, product)
  const column = reshape(context, scale, [size, 1])
  return div(context.op('MatMul', [product, column]), size)
}

/** The mean and r of the forward pass are outputs, for the gradient. */
const inTraining: TrainingRule = (context) => {
  const { node } = context
  const { dtype } = context.info(context.input(0))
  if (context.target === 'onnxruntime-webgpu' || dtype !== 'float32' || node.outputs.length > 1)
    return undefined
  const outputs = [...node.outputs, ...['mean', 'factor'].map((name) => context.fresh(name))]
  return { nodes: [{ ...node, outputs }] }
}

export const layerNormalization: Operator = {
  name: 'LayerNormalization',
  infer,
  axes,
  gradient,
  scaling: linearIn([1, 2]),
  sign: 'unknown',
  training: { parameters: [1, 2], inTraining },
  growth: {
    padding: { 1: 1, 2: 0 },
    statistics: {
      kind: 'variance',
      scale: 1,
      shift: 2,
      epsilon: { attribute: 'epsilon', default: 1e-5 },
    },
  },
}
