/**
 * CenterCropPad: the middle of an axis that shall be shorter, zeros on both sides of one that shall be longer.
 * https://onnx.ai/onnx/operators/onnx__CenterCropPad.html
 *
 * Growth. The axes that are named are fixed; the others pass.
 *
 * Gradient: what is cropped is filled again, and what was filled is cropped, at the same places: the operator itself, back to
 * the size of x.
 */
import { intsAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import type { Operator } from '../contract/operator.ts'
import { ints, knownShape, range, shapeOf } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { linearIn } from '../helpers/scaling.ts'
import { axisPosition, inferredFrom } from '../helpers/shapes.ts'

const axesOf = (node: Node, rank: number): readonly number[] =>
  intsAttribute(node, 'axes')?.map((axis) => axisPosition(axis, rank)) ?? range(rank)

export const centerCropPad: Operator = {
  name: 'CenterCropPad',
  infer: (context) => {
    const shape = context.shape(0)
    const sizes = context.elements(1)
    const named = shape && axesOf(context.node, shape.length)
    return [
      inferredFrom(
        context,
        shape?.map((dim, k): Dim => {
          const entry = named!.indexOf(k)
          return entry < 0 ? dim : (sizes?.[entry] ?? null)
        }),
      ),
    ]
  },
  axes: (context) => {
    const x = context.axes(0)
    const named = axesOf(context.node, x.length)
    const reason = 'takes its middle or fills it up'
    const y = context.output(0).shape
    return [
      {
        axes: x.map((axis, k) => {
          if (!named.includes(k)) return axis
          context.fix(axis, reason)
          return context.fixed(y?.[k] ?? null, reason)
        }),
      },
    ]
  },
  gradient: gradientOf((context) => {
    const { g, node } = context
    const x = context.input(0)
    const named = axesOf(node, knownShape(context, x).length)
    const sizes = context.op('Gather', [shapeOf(context, x), ints(context, named)], { axis: 0 })
    return context.op('CenterCropPad', [g, sizes], { axes: named })
  }),
  scaling: linearIn([0]),
  sign: 'inherited',
  reads: { numbers: [1] },
}
