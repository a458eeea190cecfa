/**
 * RMSNormalization: y = γ·x/√(mean(x²) + ε) over the axes from `axis` to the last; also known as
 * SimplifiedLayerNormalization. https://onnx.ai/onnx/operators/onnx__RMSNormalization.html
 *
 * Growth. The mean of squares does not change if every unit has equally many copies; γ is
 * copied with the units. To any other width the units grow if the added ones hold zero, with other γ and ε.
 *
 * Gradients, with r = 1/√(mean(x²) + ε) and g = γ·δ: ∂L/∂x = r·(g − x·(r²·mean(g·x))) and
 * ∂L/∂γ = Σ r·δ·x.
 */

import { floatAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import type { GradientRule } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { knownShape, range, reduce } from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import { firstNormalized, normalizedAxes, scaleGradient } from '../helpers/standardize.ts'

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  const first = shape && firstNormalized(context.node, shape.length)
  // ONNX Runtime's older form also gives r.
  const factor = shape?.map((dim, k): Dim => (k < first! ? dim : 1))
  return [inferredFrom(context, shape), { dtype: 'float32', shape: factor }]
}

const axes = normalizedAxes('takes the mean of squares over it')

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const [x, scale] = [context.input(0), context.input(1)]
  const rank = knownShape(context, x).length
  const over = range(rank, firstNormalized(context.node, rank))
  const { add, mul, div, sub, sqrt } = formula(context, dy)
  const mean = (value: string) => reduce(context, 'Mean', value, over, true)
  const epsilon = floatAttribute(context.node, 'epsilon', 1e-5)
  const factor = div(1, sqrt(add(mean(mul(x, x)), epsilon)))
  const product = mul(dy, x)
  const slope = () => mul(mul(factor, factor), mean(mul(product, scale)))
  return [
    context.needs(0) ? mul(factor, sub(mul(dy, scale), mul(x, slope()))) : undefined,
    context.needs(1) ? scaleGradient(context, product, factor, scale) : undefined,
  ]
}

export const rmsNormalization: Operator = {
  name: 'RMSNormalization',
  infer,
  axes,
  gradient,
  scaling: linearIn([1]),
  sign: 'unknown',
  training: { parameters: [1] },
  growth: {
    padding: { 1: 1 },
    statistics: {
      kind: 'square',
      scale: 1,
      epsilon: { attribute: 'epsilon', default: 1e-5 },
    },
  },
}

/** The name under which ONNX Runtime had it before the standard. */
export const simplifiedLayerNormalization: Operator = {
  ...rmsNormalization,
  name: 'SimplifiedLayerNormalization',
}
