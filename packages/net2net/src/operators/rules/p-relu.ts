/**
 * PRelu: y = x for x > 0, otherwise a·x, with a slope a that is broadcast to x (He et al. 2015).
 * https://onnx.ai/onnx/operators/onnx__PRelu.html
 *
 * Growth. All axes pass through; a slope per channel is copied with its channel. The slope is repeated over x, never x over the
 * slope: where x has nothing that grows, nor does the slope.
 *
 * Gradients: ∂L/∂x is δ for x > 0 and a·δ elsewhere; ∂L/∂a is x·δ where x ≤ 0, summed over the
 * axes along which a was repeated.
 */

import { toNumbers } from '../../tensor/tensor.ts'
import type { AxesRule } from '../contract/axes.ts'
import { isOne } from '../contract/axis.ts'
import type { FastKernelsRule } from '../contract/facets.ts'
import {
  type Emitter,
  type GradientContext,
  type GradientRule,
  isCpu,
} from '../contract/gradient.ts'
import type { Operator } from '../contract/operator.ts'
import { broadcastAxes, REPEATED, sumToInput } from '../helpers/broadcast.ts'
import { numberLike } from '../helpers/emission.ts'
import { formula } from '../helpers/formula.ts'
import { positive } from '../helpers/masks.ts'
import { positivelyHomogeneous } from '../helpers/scaling.ts'
import { inferredFrom } from '../helpers/shapes.ts'

/** max(x, 0) + a·min(x, 0): the kernel of the operator takes 4 ns an element, these 0.5 together. */
const fastKernels: FastKernelsRule = (context) => {
  const { add, mul } = formula(context, context.input(0))
  const [x, slope] = [context.input(0), context.input(1)]
  return add(context.op('Relu', [x]), mul(negativePart(context, x), slope))
}

const negativePart = (emitter: Emitter, x: string): string =>
  emitter.op('Min', [x, numberLike(emitter, x, 0)])

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined) return []
  const { mul, where, greater } = formula(context, dy)
  const [x, slope] = [context.input(0), context.input(1)]
  if (isCpu(context.target) && context.info(x).dtype === 'float32') return byMask(context, dy)
  const isPositive = greater(x, 0)
  return [
    context.needs(0) ? where(isPositive, dy, mul(dy, slope)) : undefined,
    context.needs(1) ? sumToInput(context, 1, where(isPositive, 0, mul(dy, x))) : undefined,
  ]
}

/** With the mask m of x > 0: δ·(a + (1 − a)·m), and min(x, 0)·δ, which images in blocks of channels have kernels for. */
function byMask(context: GradientContext, dy: string): ReturnType<GradientRule> {
  const { add, sub, mul } = formula(context, dy)
  const [x, slope] = [context.input(0), context.input(1)]
  const derivative = () => add(mul(positive(context, x, 0), sub(1, slope)), slope)
  return [
    context.needs(0) ? mul(dy, derivative()) : undefined,
    context.needs(1) ? sumToInput(context, 1, mul(dy, negativePart(context, x))) : undefined,
  ]
}

const axes: AxesRule = (context) => {
  const [x, slope] = [context.axes(0), context.axes(1)]
  for (const [k, axis] of slope.entries())
    if (isOne(x[k + x.length - slope.length])) context.fix(axis, REPEATED)
  broadcastAxes(context, [0, 1])
  return [{ axes: x }]
}

export const pRelu: Operator = {
  name: 'PRelu',
  infer: (context) => [inferredFrom(context, context.shape(0))],
  axes,
  gradient,
  scaling: positivelyHomogeneous,
  sign: 'unknown',
  training: { parameters: [1] },
  execution: { broadcasts: true, fastKernels },
  growth: {
    activation: {
      // With slope a, applying it twice gives a²·x below zero.
      idempotent(_node, constant) {
        const slope = constant(1)
        return slope !== undefined && toNumbers(slope).every((a) => a === 0 || a === 1)
      },
    },
    padding: { 1: 0.25 },
  },
}
