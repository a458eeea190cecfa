/**
 * ReverseSequence: for every sequence b of the batch, the first n_b entries along the time axis in the
 * other order: y[t, b] = x[n_b − 1 − t, b] for t < n_b, and x[t, b] behind.
 * https://onnx.ai/onnx/operators/onnx__ReverseSequence.html
 *
 * Growth. The time axis is fixed, because copies would take other places. The axis of the batch is that of
 * the lengths n. Every other axis passes: its entries are moved alike.
 *
 * Gradient: the operator undoes itself, and so ∂L/∂x is the same reversal of ∂L/∂y.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Operator } from '../contract/operator.ts'
import { gradientOf } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { inferUnary } from '../helpers/unary.ts'

export const reverseSequence: Operator = {
  name: 'ReverseSequence',
  infer: inferUnary,
  axes: (context) => {
    const x = context.axes(0)
    context.fix(x[intAttribute(context.node, 'time_axis', 0)]!, 'reverses it')
    context.unify(x[intAttribute(context.node, 'batch_axis', 1)]!, context.axes(1, 1)[0]!)
    return [{ axes: x }]
  },
  gradient: gradientOf((context) =>
    context.op(
      'ReverseSequence',
      [context.g, context.input(1)],
      Object.fromEntries(context.node.attributes),
    ),
  ),
  scaling: linearIn([0]),
  sign: 'inherited',
}
