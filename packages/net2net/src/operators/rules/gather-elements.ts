/**
 * GatherElements: y[i, j] = x[index[i, j], j] (axis 0), and GatherND: y[i…] = x[indices[i…, :], …].
 * https://onnx.ai/onnx/operators/onnx__GatherElements.html, onnx__GatherND.html
 *
 * Growth: an axis that is looked up by index is fixed; the others are carried where the operator
 * runs over all of them alike. Gradients: g added back where it was read (scatter-back.ts).
 */
import { intAttribute } from '../../model/attributes.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { outputShape } from '../helpers/axes-rules.ts'
import { gradientOf } from '../helpers/formula.ts'
import { BY_INDEX, indexDepth, inStep } from '../helpers/indexing.ts'
import { linearIn } from '../helpers/scaling.ts'
import { addAt, scatterBack, zerosLike } from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

const batchDims = (context: Pick<InferContext, 'node'>) =>
  intAttribute(context.node, 'batch_dims', 0)

export const gathersByElement: readonly Operator[] = [
  {
    name: 'GatherElements',
    reads: {
      positions: {
        input: 1,
        of: 0,
        axis: (node, rank) => axisPosition(intAttribute(node, 'axis', 0), rank),
      },
    },
    infer: (context) => [{ dtype: context.dtype(0), shape: context.shape(1) }],
    axes: (context) => {
      const data = context.axes(0)
      const indices = context.axes(1)
      const axis = axisPosition(intAttribute(context.node, 'axis', 0), data.length)
      return [
        {
          axes: indices.map((own, k) => {
            if (k === axis) {
              context.fix(data[k]!, BY_INDEX)
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
    scaling: linearIn([0]),
    sign: 'inherited',
    training: { parameters: [0] },
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
      for (let k = 0; k < batch; k++) context.unify(data[k]!, indices[k]!)
      for (const axis of data.slice(batch, batch + depth)) context.fix(axis, BY_INDEX)
      return [{ axes: [...indices.slice(0, -1), ...data.slice(batch + depth)] }]
    },
    gradient: gradientOf((context) => {
      const [data, indices] = [context.input(0), context.input(1)]
      return scatterBack(context, data, context.g, (positions) =>
        context.op('GatherND', [positions, indices], { batch_dims: batchDims(context) }),
      )
    }),
    scaling: linearIn([0]),
    sign: 'inherited',
    training: { parameters: [0] },
  },
]
