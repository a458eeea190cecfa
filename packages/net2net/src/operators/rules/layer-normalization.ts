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
import type { GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { sumTo } from '../helpers/broadcast.ts'
import { knownShape, range } from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { axisPosition, inferredFrom } from '../helpers/shapes.ts'
import { standardize, standardizeGradient, unifyLast } from '../helpers/standardize.ts'

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
  const parts = standardize(context, x, over, floatAttribute(context.node, 'epsilon', 1e-5))
  const [scale, shift] = [context.input(1), context.input(2)]
  return [
    context.needs(0) ? standardizeGradient(context, mul(dy, scale), parts, over) : undefined,
    context.needs(1) ? sumTo(context, mul(dy, parts.normal), x, scale) : undefined,
    context.has(2) && context.needs(2) ? sumTo(context, dy, x, shift) : undefined,
  ]
}

export const layerNormalization: Operator = {
  name: 'LayerNormalization',
  infer,
  axes,
  gradient,
  scaling: linearIn([1, 2]),
  sign: 'unknown',
  training: { parameters: [1, 2] },
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
