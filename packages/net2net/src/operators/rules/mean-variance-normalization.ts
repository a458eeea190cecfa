/**
 * MeanVarianceNormalization: y = (x − μ)/(σ + 1e−9) with mean and standard deviation over some axes, by default all but the
 * channels of images. https://onnx.ai/onnx/operators/onnx__MeanVarianceNormalization.html
 *
 * Growth. Mean and deviation do not change where every unit of a normalized axis has equally many copies; other
 * axes pass.
 *
 * Gradient: see standardize.ts; the 1e−9 is left out, which nothing but equal numbers would show.
 */
import { intsAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import type { Operator } from '../contract/operator.ts'
import { knownShape, reduce } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { axisPosition } from '../helpers/shapes.ts'
import { standardizeGradient } from '../helpers/standardize.ts'
import { inferUnary } from '../helpers/unary.ts'

const axesOf = (node: Node, rank: number): readonly number[] =>
  (intsAttribute(node, 'axes') ?? [0, 2, 3]).map((axis) => axisPosition(axis, rank))

export const meanVarianceNormalization: Operator = {
  name: 'MeanVarianceNormalization',
  infer: inferUnary,
  axes: (context) => {
    const x = context.axes(0)
    for (const k of axesOf(context.node, x.length))
      context.balanced(x[k]!, 'takes mean and variance over it')
    return [{ axes: x }]
  },
  gradient: gradientOf((context) => {
    const { f, g, node } = context
    const x = context.input(0)
    const over = axesOf(node, knownShape(context, x).length)
    const centred = f.sub(x, reduce(context, 'Mean', x, over, true))
    const deviation = f.sqrt(reduce(context, 'Mean', f.square(centred), over, true))
    const factor = f.div(1, f.add(deviation, 1e-9))
    return standardizeGradient(context, g, { normal: context.output(0), factor }, over)
  }),
  scaling: 'none',
  sign: 'unknown',
}
