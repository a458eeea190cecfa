/**
 * GlobalAveragePool, GlobalMaxPool and GlobalLpPool: one value per channel, over all spatial axes.
 * https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html
 *
 * Growth. Batch and channels pass through. The mean over a spatial axis is unchanged if every
 * unit of it has equally many copies, and the maximum always; the p-norm is not.
 *
 * Gradients, with S positions: δ/S everywhere; δ at the first position of the maximum; and
 * δ·y^(1−p)·sign(x)·|x|^(p−1).
 */

import type { Dim } from '../../model/model.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { AxesContext, AxesRule } from '../contract/axes.ts'
import type { GradientContext } from '../contract/gradient.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { meansOfImages } from '../helpers/blocked.ts'
import { isStatic } from '../helpers/elements.ts'
import { ints, knownShape, reshape, reshapeLike, shapeOf } from '../helpers/emission.ts'
import { castLike, formula } from '../helpers/formula.ts'
import { lpInner, lpOuter } from '../helpers/lp.ts'
import { linearIn, positivelyHomogeneous } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'

const infer: InferRule = (context) => {
  const shape = context.shape(0)
  return [
    inferredFrom(
      context,
      shape?.map((dim, i): Dim => (i < 2 ? dim : 1)),
    ),
  ]
}

const axesWith =
  (spatial: (context: AxesContext, axis: AxesAxis) => void): AxesRule =>
  (context) => {
    const x = context.axes(0)
    return [
      {
        axes: x.map((axis, i) => {
          if (i < 2) return axis
          spatial(context, axis)
          return context.fixed(1, 'pools over it')
        }),
      },
    ]
  }
type AxesAxis = ReturnType<AxesContext['axes']>[number]

const gradientWith =
  (rule: (context: GradientContext, dy: string) => string) => (context: GradientContext) => {
    const dy = context.outputGradient(0)
    return dy === undefined || !context.needs(0) ? [] : [rule(context, dy)]
  }

/** δ/S, repeated over the positions. */
function averageGradient(context: GradientContext, dy: string): string {
  const x = context.input(0)
  const { mul, div } = formula(context, dy)
  const spatial = knownShape(context, x).slice(2)
  const positions = countProduct([spatial])
  const each =
    positions === null
      ? div(dy, castLike(context, context.op('ReduceProd', [shapeOf(context, x, 2)]), dy))
      : mul(dy, 1 / positions)
  const sizes = isStatic(spatial) ? ints(context, [1, 1, ...spatial]) : shapeOf(context, x)
  return context.op('Expand', [each, sizes])
}

/** δ at the first maximum of each channel. */
function maxGradient(context: GradientContext, dy: string): string {
  const x = context.input(0)
  const { where } = formula(context, dy)
  const flat = reshape(context, x, [{ of: x, axis: 0 }, { of: x, axis: 1 }, -1])
  const winner = context.op('ArgMax', [flat], { axis: 2, keepdims: 1 })
  const count = context.op('Squeeze', [shapeOf(context, flat, 2)])
  const scalar64 = (value: number) => context.constant(int64([value], []))
  const positions = context.op('Range', [scalar64(0), count, scalar64(1)])
  const won = context.op('Equal', [winner, positions])
  const column = reshape(context, dy, [{ of: x, axis: 0 }, { of: x, axis: 1 }, 1])
  return reshapeLike(context, where(won, column, 0), x)
}

const lpGradient = (context: GradientContext, dy: string): string =>
  lpInner(context, lpOuter(context, dy))

const spatialMean = axesWith((context, axis) => context.balanced(axis, 'takes the mean over it'))
const spatialMaximum = axesWith(() => {})
const spatialNorm = axesWith((context, axis) => context.fix(axis, 'takes the norm over it'))

export const globalAveragePool: Operator = {
  name: 'GlobalAveragePool',
  infer,
  axes: spatialMean,
  gradient: gradientWith(averageGradient),
  scaling: linearIn([0]),
  sign: 'inherited',
  execution: {
    blocked: (context) =>
      context.isBlocked(0) ? [meansOfImages(context, context.blocks(0))] : undefined,
  },
}
export const globalMaxPool: Operator = {
  name: 'GlobalMaxPool',
  infer,
  axes: spatialMaximum,
  gradient: gradientWith(maxGradient),
  scaling: positivelyHomogeneous,
  sign: 'inherited',
}
export const globalLpPool: Operator = {
  name: 'GlobalLpPool',
  infer,
  axes: spatialNorm,
  gradient: gradientWith(lpGradient),
  scaling: positivelyHomogeneous,
  sign: 'non-negative',
}
