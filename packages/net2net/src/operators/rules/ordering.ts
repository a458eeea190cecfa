/**
 * Operators that depend on the order of the entries along an axis: ArgMax and ArgMin (the position of
 * the extremum), TopK (the k largest or smallest entries and their positions), CumSum (running sums),
 * Trilu (a matrix without one of its triangles), NonZero (the positions of what is not 0).
 * https://onnx.ai/onnx/operators/onnx__TopK.html and the page of each name
 *
 * Growth: that axis is fixed, for copies of units would change positions, ranks and running sums;
 * the others pass, since every line along the axis is computed by itself.
 *
 * Gradients. TopK: g of the values, added back at their indices. CumSum: the running sum of g in
 * the other direction. Trilu: the same triangle of g. Positions have none.
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import { int64 } from '../../tensor/tensor.ts'
import { none } from '../contract/answers.ts'
import { one } from '../contract/axis.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixAll, fixedOutput, outputShape } from '../helpers/axes-rules.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { numbers } from '../helpers/elements.ts'
import { gradientOf } from '../helpers/formula.ts'
import { zerosLike } from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

const extremeIndex = (name: string): Operator => ({
  name,
  infer: (context) => {
    const shape = context.shape(0)
    if (!shape) return [{ dtype: 'int64' }]
    const axis = axisPosition(intAttribute(context.node, 'axis', 0), shape.length)
    return [{ dtype: 'int64', shape: replaceAxis(shape, axis, keeps(context) ? [1] : []) }]
  },
  axes: (context) => {
    const axes = context.axes(0)
    const axis = axisPosition(intAttribute(context.node, 'axis', 0), axes.length)
    context.fix(axes[axis]!, 'finds a position along it')
    return [{ axes: replaceAxis(axes, axis, keeps(context) ? [one] : []) }]
  },
  gradient: none,
  scaling: 'none',
  sign: 'unknown',
})

const keeps = (context: Pick<InferContext, 'node'>) =>
  intAttribute(context.node, 'keepdims', 1) === 1

const replaceAxis = <T>(entries: readonly T[], axis: number, by: readonly T[]): readonly T[] => [
  ...entries.slice(0, axis),
  ...by,
  ...entries.slice(axis + 1),
]

const topAxis = (context: Pick<InferContext, 'node'>, rank: number) =>
  axisPosition(intAttribute(context.node, 'axis', -1), rank)

export const orderings: readonly Operator[] = [
  extremeIndex('ArgMax'),
  extremeIndex('ArgMin'),
  {
    name: 'TopK',
    infer: (context) => {
      const shape = context.shape(0)
      const k: Dim =
        context.opset < 10 ? intAttribute(context.node, 'k', 1) : (context.elements(1)?.[0] ?? null)
      const taken = shape && replaceAxis<Dim>(shape, topAxis(context, shape.length), [k])
      return [
        { dtype: context.dtype(0), shape: taken },
        { dtype: 'int64', shape: taken },
      ]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const axis = topAxis(context, axes.length)
      const reason = 'takes the largest entries along it'
      context.fix(axes[axis]!, reason)
      fixSizes(context, context.opset < 10 ? undefined : context.axisElements(1))
      const taken = replaceAxis(axes, axis, [context.fixed(outputShape(context)[axis]!, reason)])
      return [{ axes: taken }, { axes: taken }]
    },
    gradient: gradientOf((context) => {
      const zeros = zerosLike(context, context.input(0))
      return context.op('ScatterElements', [zeros, context.output(1), context.g], {
        axis: intAttribute(context.node, 'axis', -1),
      })
    }),
    scaling: 'none',
    sign: 'unknown',
    reads: { numbers: [1] },
    training: {
      upgrade: ({ node, from, constant }) => {
        if (from >= 10) return node
        const k = constant(int64([intAttribute(node, 'k', 1)]))
        const attributes = new Map([...node.attributes].filter(([name]) => name !== 'k'))
        return { ...node, inputs: [node.inputs[0]!, k], attributes }
      },
    },
  },
  {
    name: 'CumSum',
    infer: (context) => [{ dtype: context.dtype(0), shape: context.shape(0) }],
    axes: (context) => {
      const axes = context.axes(0)
      const axis = numbers(context, 1)?.[0]
      const summed = axis === undefined ? axes : [axes[axisPosition(axis, axes.length)]!]
      fixAll(context, summed, 'sums along it')
      return [{ axes }]
    },
    gradient: gradientOf((context) =>
      context.op('CumSum', [context.g, context.input(1)], {
        exclusive: intAttribute(context.node, 'exclusive', 0),
        reverse: 1 - intAttribute(context.node, 'reverse', 0),
      }),
    ),
    scaling: 'none',
    sign: 'inherited',
    reads: { numbers: [1] },
  },
  {
    name: 'Trilu',
    infer: (context) => [{ dtype: context.dtype(0), shape: context.shape(0) }],
    axes: (context) => {
      const axes = context.axes(0)
      fixAll(context, axes.slice(-2), 'keeps a triangle of it')
      return [{ axes }]
    },
    gradient: gradientOf((context) =>
      context.op('Trilu', [context.g, ...context.node.inputs.slice(1)], {
        upper: intAttribute(context.node, 'upper', 1),
      }),
    ),
    scaling: 'none',
    sign: 'inherited',
    reads: { numbers: [1] },
  },
  {
    name: 'NonZero',
    infer: (context) => [{ dtype: 'int64', shape: [context.shape(0)?.length ?? null, null] }],
    axes: (context) => {
      fixAll(context, context.axes(0), 'lists positions along it')
      return [{ axes: fixedOutput(context, 'lists positions') }]
    },
    gradient: none,
    scaling: 'none',
    sign: 'unknown',
  },
]
