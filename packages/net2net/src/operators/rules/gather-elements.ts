/**
 * GatherElements: y[i, j] = x[index[i, j], j] (axis 0), and GatherND: y[i…] = x[indices[i…, :], …].
 * https://onnx.ai/onnx/operators/onnx__GatherElements.html, onnx__GatherND.html
 *
 * Growth: an axis that is looked up by index is frozen; the others are carried where the operator
 * runs over all of them alike. Gradients: g added back where it was read (scatter-back.ts).
 */
import { intAttribute } from '../../model/attributes.ts'
import type { Axis } from '../contract/axis.ts'
import type { AxesContext, InferContext, Operator } from '../contract/operator.ts'
import { outputShape } from '../helpers/axes-rules.ts'
import { gradientOf } from '../helpers/formula.ts'
import { addAt, scatterBack, zerosLike } from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

const BY_INDEX = 'picks entries of it by index'

/** The axes of a tensor and of the indices into it, where they run in step; frozen otherwise. */
export function inStep(context: AxesContext, a: Axis, b: Axis, sameSize: boolean): Axis {
  if (sameSize) return context.same(a, b)
  context.freeze(a, BY_INDEX)
  context.freeze(b, BY_INDEX)
  return b
}

const batchDims = (context: Pick<InferContext, 'node'>) =>
  intAttribute(context.node, 'batch_dims', 0)

/** How many axes of the data an index of GatherND or ScatterND covers. */
export function indexDepth(context: InferContext, i = 1): number | undefined {
  const depth = context.shape(i)?.at(-1)
  return typeof depth === 'number' ? depth : undefined
}

export const gathersByElement: readonly Operator[] = [
  {
    name: 'GatherElements',
    infer: (context) => [{ dtype: context.dtype(0), shape: context.shape(1) }],
    axes: (context) => {
      const data = context.axes(0)
      const indices = context.axes(1)
      const axis = axisPosition(intAttribute(context.node, 'axis', 0), data.length)
      return [
        {
          axes: indices.map((own, k) => {
            if (k === axis) {
              context.freeze(data[k]!, BY_INDEX)
              return own
            }
            const sizes = [context.shape(0)?.[k], context.shape(1)?.[k]]
            return inStep(context, data[k]!, own, sizes[0] === sizes[1] && sizes[0] !== null)
          }),
        },
      ]
    },
    gradient: gradientOf((context) =>
      addAt(
        context,
        zerosLike(context, context.input(0)),
        context.input(1),
        context.g,
        intAttribute(context.node, 'axis', 0),
      ),
    ),
    parameters: [0],
    sign: 'inherited',
  },
  {
    name: 'GatherND',
    infer: (context) => {
      const data = context.shape(0)
      const indices = context.shape(1)
      const depth = indexDepth(context)
      const dtype = context.dtype(0)
      if (!data || !indices || depth === undefined) return [{ dtype }]
      return [
        { dtype, shape: [...indices.slice(0, -1), ...data.slice(batchDims(context) + depth)] },
      ]
    },
    axes: (context) => {
      const data = context.axes(0)
      const indices = context.axes(1)
      outputShape(context)
      const batch = batchDims(context)
      const depth = indexDepth(context) ?? context.refuse('looks up by indices of unknown depth')
      for (let k = 0; k < batch; k++) context.same(data[k]!, indices[k]!)
      for (const axis of data.slice(batch, batch + depth)) context.freeze(axis, BY_INDEX)
      return [{ axes: [...indices.slice(0, -1), ...data.slice(batch + depth)] }]
    },
    gradient: gradientOf((context) => {
      const [data, indices] = [context.input(0), context.input(1)]
      return scatterBack(context, data, context.g, (positions) =>
        context.op('GatherND', [positions, indices], { batch_dims: batchDims(context) }),
      )
    }),
    parameters: [0],
    sign: 'inherited',
  },
]
