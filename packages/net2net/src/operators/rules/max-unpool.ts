/**
 * MaxUnpool: the inverse of MaxPool, y = 0 but for the positions that the second input names, which hold
 * the entries of the first. https://onnx.ai/onnx/operators/onnx__MaxUnpool.html
 *
 * Growth: refused, because the positions count through all channels of an image.
 *
 * Gradient: ∂L/∂y, read at the positions.
 */
import { intsAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { unsupported } from '../contract/answers.ts'
import type { InferRule } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { reshape } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import { attributeList } from '../helpers/windows.ts'

/** Sizes: the third input, or those that the pooling attributes lead back to. */
const unpooled: InferRule = (context) => {
  const shape = context.shape(0)
  const wanted = context.has(2) ? context.elements(2) : undefined
  if (wanted) return [inferredFrom(context, wanted)]
  const kernel = intsAttribute(context.node, 'kernel_shape')
  if (!shape || !kernel || context.has(2))
    return [
      inferredFrom(
        context,
        shape?.map((dim, i): Dim => (i < 2 ? dim : null)),
      ),
    ]
  const rank = kernel.length
  const strides = attributeList(context.node, 'strides', rank, 1)
  const pads = attributeList(context.node, 'pads', 2 * rank, 0)
  return [
    inferredFrom(
      context,
      shape.map((dim, i): Dim => {
        if (i < 2) return dim
        const a = i - 2
        return typeof dim === 'number'
          ? (dim - 1) * strides[a]! - pads[a]! - pads[rank + a]! + kernel[a]!
          : null
      }),
    ),
  ]
}

export const maxUnpool: Operator = {
  name: 'MaxUnpool',
  infer: unpooled,
  axes: unsupported('reads positions that count through all channels'),
  gradient: gradientOf((context) =>
    context.op('Gather', [reshape(context, context.g, [-1]), context.input(1)], { axis: 0 }),
  ),
  scaling: 'none',
  sign: 'inherited',
}
