/**
 * LpNormalization: y = x / ‖x‖ over one axis, with ‖x‖ = Σ|x| (p = 1) or √(Σ x²) (p = 2); 0 where the norm
 * is 0. https://onnx.ai/onnx/operators/onnx__LpNormalization.html
 *
 * Growth. Copies of a unit add to the norm, so that all entries of y change: the axis of the norm is
 * fixed. The other axes pass: every entry of y is computed from the entries of x on one line along
 * the axis, and copies of a line give copies of the result.
 *
 * Gradients, with δ = ∂L/∂y, n = ‖x‖ and s = Σ δ·y over the axis:
 *   p = 2: (δ − y·s) / n         p = 1: (δ − sign(x)·s) / n         0 where n = 0
 */
import { intAttribute } from '../../model/attributes.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { knownShape, reduce } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { axisPosition } from '../helpers/shapes.ts'
import { inferUnary } from '../helpers/unary.ts'

const axisOf = (context: Pick<InferContext, 'node'>, rank: number): number =>
  axisPosition(intAttribute(context.node, 'axis', -1), rank)

export const lpNormalization: Operator = {
  name: 'LpNormalization',
  infer: inferUnary,
  axes: (context) => {
    const x = context.axes(0)
    context.fix(x[axisOf(context, x.length)]!, 'takes the norm over it')
    return [{ axes: x }]
  },
  gradient: gradientOf((context) => {
    const { f, g, node } = context
    const [x, y] = [context.input(0), context.output(0)]
    const axis = axisOf(context, knownShape(context, x).length)
    const sum = (value: string) => reduce(context, 'Sum', value, [axis], true)
    const isL1 = intAttribute(node, 'p', 2) === 1
    const norm = isL1 ? sum(context.op('Abs', [x])) : f.sqrt(sum(f.square(x)))
    const direction = isL1 ? f.sign(x) : y
    const change = f.sub(g, f.mul(direction, sum(f.mul(g, y))))
    const isZero = f.equal(norm, 0)
    return f.where(isZero, 0, f.div(change, f.where(isZero, 1, norm)))
  }),
  scaling: 'none',
  sign: 'inherited',
}
