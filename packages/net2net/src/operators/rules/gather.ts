/**
 * Gather: y[…, i…, …] = x[…, indices[i…], …] along one axis; with a constant x, an embedding.
 * https://onnx.ai/onnx/operators/onnx__Gather.html
 *
 * Growth: the axes before and after are those of x, carried where x is a weight (the width of an
 * embedding); those in between are the indices' own. Along the axis that is looked up an index means
 * an entry: entries that constants select are fixed, and the constants follow what grows before them;
 * where anything may be selected, the whole axis is fixed, but for entries that are appended to a table. A constant 0, 1, 2, … over the whole axis selects nothing:
 * y holds the same entries in the shape of the indices, and the constant is listed anew when the axis grows.
 *
 * Gradient: every g is added where its value was read, by ScatterElements (see scatter-back.ts).
 */

import { intAttribute } from '../../model/attributes.ts'
import type { Dim, Shape } from '../../model/model.ts'
import { elementCount, toNumbers } from '../../tensor/tensor.ts'
import { unsupported } from '../contract/answers.ts'
import type { AxesContext } from '../contract/axes.ts'
import type { Axis } from '../contract/axis.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixSizes } from '../helpers/axis-elements.ts'
import { blockedSamples } from '../helpers/blocked.ts'
import { moveElements, numbers } from '../helpers/elements.ts'
import { knownShape, reshape, shapeOf } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { followPosition } from '../helpers/indexing.ts'
import { linearIn } from '../helpers/scaling.ts'
import { addAt, placeAlong, zerosLike } from '../helpers/scatter-back.ts'
import { axisPosition } from '../helpers/shapes.ts'

const axisOf = (context: InferContext, rank: number) =>
  axisPosition(intAttribute(context.node, 'axis', 0), rank)

/** Positions in a vector that constant indices pick. */
function picked(context: InferContext, length: number | undefined): readonly number[] | undefined {
  if (length === undefined || context.shape(0)?.length !== 1) return undefined
  return numbers(context, 1)?.map((index) => (index < 0 ? index + length : index))
}

function gatheredAxes(context: AxesContext): readonly Axis[] {
  const data = context.axes(0)
  const axis = axisOf(context, data.length)
  const dim = context.shape(0)?.[axis] ?? null
  const taken = regrouped(context, data[axis]!, dim) ?? lookUp(context, data[axis]!, dim)
  return [...data.slice(0, axis), ...taken, ...data.slice(axis + 1)]
}

/** A list of indices longer than this is not looked through for being 0, 1, 2, … */
const MOST_POSITIONS = 2 ** 20

/** Where the indices are a constant 0, 1, 2, … over the whole axis, the node only gives it another shape. */
function regrouped(context: AxesContext, axis: Axis, dim: Dim): readonly Axis[] | undefined {
  const indices = context.constant(1)
  const isWhole = indices && elementCount(indices.dims) === dim && dim > 1 && dim <= MOST_POSITIONS
  if (!isWhole || context.isParameter(0) || !context.isParameter(1)) return undefined
  if (!toNumbers(indices).every((index, k) => index === k)) return undefined
  const axes = context.regroup([axis], indices.dims)
  if (axes) context.listsPositions(1, axes)
  return axes
}

/** Fixes the entries of an axis that are selected; the axes of the indices take its place. */
function lookUp(context: AxesContext, axis: Axis, dim: Dim): readonly Axis[] {
  const isVocabulary = context.isParameter(0)
  if (isVocabulary) context.fix(axis, 'looks up entries along it (a vocabulary)', 'entries')
  const reason = 'picks entries of it by index'
  const indices = typeof dim === 'number' ? numbers(context, 1) : undefined
  if (!indices) context.fix(axis, reason, isVocabulary ? 'entries' : undefined)
  else if (!isVocabulary || indices.length === 1)
    for (const [k, written] of indices.entries()) {
      const at = written < 0 ? written + Number(dim) : written
      const entry = context.slice(axis, at, at + 1)
      context.fix(entry ?? axis, reason)
      if (entry && indices.length === 1) context.selectEntry(entry)
      followPosition(context, axis, { written, at, dim: Number(dim) }, (before) =>
        context.sizeElement(1, k, before),
      )
    }
  return context.axes(1)
}

const insertIndices = (data: Shape, axis: number, indices: Shape): Shape => [
  ...data.slice(0, axis),
  ...indices,
  ...data.slice(axis + 1),
]

export const gathers: readonly Operator[] = [
  {
    name: 'Gather',
    reads: {
      positions: {
        input: 1,
        of: 0,
        axis: (node, rank) => axisPosition(intAttribute(node, 'axis', 0), rank),
      },
    },
    infer: (context) => {
      const data = context.shape(0)
      const indices = context.shape(1)
      const dtype = context.dtype(0)
      if (!data || !indices) return [{ dtype }]
      const shape = insertIndices(data, axisOf(context, data.length), indices)
      const elements = context.elements(0)
      const moved = moveElements<Dim>(elements, () => picked(context, elements!.length))
      return [{ dtype, shape, ...(moved && { elements: moved }) }]
    },
    axes: (context) => {
      const elements = context.axisElements(0)
      const moved = moveElements(elements, () => picked(context, elements!.length))
      if (!moved) fixSizes(context, elements)
      const axes = gatheredAxes(context)
      return [moved ? { axes, elements: moved } : { axes }]
    },
    execution: { blocked: blockedSamples },
    gradient: gradientOf((context) => {
      const { g } = context
      const [data, indices] = [context.input(0), context.input(1)]
      const shape = knownShape(context, data)
      const given = intAttribute(context.node, 'axis', 0)
      const axis = given < 0 ? given + shape.length : given
      // One index axis in the place of the axis that was looked up, however many there were.
      const updates = reshape(
        context,
        g,
        shape.map((_, k) => (k === axis ? -1 : { of: data, axis: k })),
      )
      const { constant } = context.info(indices)
      const size = shape[axis]
      if (constant && elementCount(constant.dims) === 1 && typeof size === 'number') {
        const [index] = toNumbers(constant).map(Number) as [number]
        const start = index < 0 ? index + size : index
        return placeAlong(context, { value: updates, axis, start, end: start + 1, size })
      }
      const column = reshape(context, indices, [-1, ...shape.slice(axis + 1).map(() => 1)])
      const spread = context.op('Expand', [column, shapeOf(context, updates)])
      return addAt(context, zerosLike(context, data), spread, updates, axis)
    }),
    scaling: linearIn([0]),
    sign: 'inherited',
    training: { parameters: [0] },
    growth: {
      layer: {
        weight: (isParameter) =>
          isParameter(0) && !isParameter(1) ? { input: 0, widthAxis: -1 } : undefined,
        identity: () => unsupported('an embedding is a lookup and cannot be the identity'),
      },
    },
  },
]
