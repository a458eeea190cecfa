/**
 * Shape and Size: the sizes of a tensor, as numbers.
 * https://onnx.ai/onnx/operators/onnx__Shape.html, onnx__Size.html
 *
 * Growth: element k is the size of axis k and follows it. There is no gradient.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { none } from '../contract/answers.ts'
import { product } from '../contract/axis.ts'
import type { Operator } from '../contract/operator.ts'
import { productOf } from '../helpers/dims.ts'

/** The part of the shape that is asked for (opset 15); positions are clamped, as in a slice. */
function bounds(node: Node, rank: number): readonly [number, number] {
  const clamp = (at: number) => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank)
  const start = clamp(intAttribute(node, 'start', 0))
  return [start, Math.max(start, clamp(intAttribute(node, 'end', rank)))]
}

export const shapes: readonly Operator[] = [
  {
    name: 'Shape',
    infer: (context) => {
      const shape = context.shape(0)
      if (!shape) return [{ dtype: 'int64', shape: [null] }]
      const elements = shape.slice(...bounds(context.node, shape.length))
      return [{ dtype: 'int64', shape: [elements.length], elements }]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const elements = axes
        .slice(...bounds(context.node, axes.length))
        .map((axis) => ({ kind: 'size', axis }) as const)
      return [{ axes: [context.fixed(elements.length, 'lists the sizes of a tensor')], elements }]
    },
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
    reads: { shapes: true },
  },
  {
    name: 'Size',
    infer: (context) => {
      const shape = context.shape(0)
      return [{ dtype: 'int64', shape: [], ...(shape && { elements: [productOf(shape)] }) }]
    },
    axes: (context) => [{ axes: [], elements: [{ kind: 'size', axis: product(context.axes(0)) }] }],
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
    reads: { shapes: true },
  },
]
