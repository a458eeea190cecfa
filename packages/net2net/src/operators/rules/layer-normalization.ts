/**
 * LayerNormalization: y = γ·(x − μ)/√(σ² + ε) + β with mean and variance over the axes from `axis`
 * to the last. https://onnx.ai/onnx/operators/onnx__LayerNormalization.html
 *
 * Growth. Mean and variance of the units do not change if every unit has equally many copies; γ
 * and β are copied with the units. With unequal numbers of copies they do change. To any other width the units grow if the
 * added ones hold the mean of the others: then the mean stays, the variance shrinks by a factor that γ and ε make up for, and
 * y is β at the added units (plan/added-width.ts).
 *
 * Gradients: see standardize.ts, with g = γ·δ; ∂L/∂γ = Σ r·δ·(x − μ) and ∂L/∂β = Σ δ over the axes that
 * γ and β do not have.
 */

import { floatAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import type { TrainingRule } from '../contract/facets.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { sumTo } from '../helpers/broadcast.ts'
import { knownShape, range, reduce, reshape } from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import {
  type Centred,
  firstNormalized,
  normalizedAxes,
  scaleGradient,
  standardize,
  standardizeGradient,
} from '../helpers/standardize.ts'

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  const first = shape && firstNormalized(context.node, shape.length)
  const statistics = shape?.map((dim, k): Dim => (k < first! ? dim : 1))
  return [
    inferredFrom(context, shape),
    { dtype: 'float32', shape: statistics },
    { dtype: 'float32', shape: statistics },
  ]
}

const axes = normalizedAxes('takes mean and variance over it')

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const x = context.input(0)
  const rank = knownShape(context, x).length
  const over = range(rank, firstNormalized(context.node, rank))
  const { mul } = formula(context, dy)
  const { centred, factor } = centredOf(context, x, over)
  const [scale, shift] = [context.input(1), context.input(2)]
  const product = mul(dy, centred)
  return [
    context.needs(0)
      ? standardizeGradient(
          context,
          mul(dy, scale),
          { normal: centred, factor },
          over,
          mul(mul(factor, factor), slope(context, product, over)),
        )
      : undefined,
    context.needs(1) ? scaleGradient(context, product, factor, scale) : undefined,
    context.has(2) && context.needs(2) ? sumTo(context, dy, x, shift) : undefined,
  ]
}

/** x − μ and r, by the mean and the factor that the node gives in training. */
function centredOf(context: GradientContext, x: string, over: readonly number[]): Centred {
  const [mean = '', factor = ''] = [context.output(1), context.output(2)]
  if (mean === '' || factor === '')
    return standardize(context, x, over, floatAttribute(context.node, 'epsilon', 1e-5))
  return { centred: formula(context, x).sub(x, mean), factor }
}

/**
 * mean_A(γ·p) of p = δ·(x − μ): over one axis, a product with the vector γ / size. ONNX Runtime would take a factor of the column or of the
 * product into the product, which costs that its form for a single column.
 */
function slope(context: GradientContext, product: string, over: readonly number[]): string {
  const scale = context.input(1)
  const [size] = context.info(scale).shape ?? []
  const last = context.info(product).shape?.at(-1)
  const { mul } = formula(context, product)
  return over.length === 1 && typeof size === 'number' && size === last
    ? context.op('MatMul', [product, reshape(context, mul(scale, 1 / size), [size, 1])])
    : reduce(context, 'Mean', mul(product, scale), over, true)
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
