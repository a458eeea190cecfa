/**
 * Squeeze and Unsqueeze: axes of size one are dropped or added; the elements stay.
 * https://onnx.ai/onnx/operators/onnx__Squeeze.html, onnx__Unsqueeze.html
 *
 * Growth: the other axes are kept. An axis that is dropped must stay at size one, so it is
 * fixed; one that is added is the empty product. Gradient: the original shape again.
 */
import { inputError } from '../../errors.ts'
import { intsAttribute } from '../../model/attributes.ts'
import type { Node } from '../../model/model.ts'
import { int64 } from '../../tensor/tensor.ts'
import { one } from '../contract/axis.ts'
import type { UpgradeRule } from '../contract/facets.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { numbers } from '../helpers/elements.ts'
import { reshapeLike } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { axisPosition } from '../helpers/shapes.ts'

/** Axes as attribute (before opset 13) or input; undefined if the input is only known at run time. */
const axesOf = (context: InferContext): readonly number[] | undefined =>
  context.opset < 13 ? intsAttribute(context.node, 'axes') : numbers(context, 1)

/** Turns the attribute `axes` of old operator sets into an input. */
const axesToInput: UpgradeRule = ({ node, from, constant }) => {
  const axes = intsAttribute(node, 'axes')
  if (from >= 13 || axes === undefined) return node
  return {
    ...node,
    inputs: [node.inputs[0]!, constant(int64(axes))],
    attributes: withoutAxes(node),
  }
}

const withoutAxes = (node: Node) =>
  new Map([...node.attributes].filter(([name]) => name !== 'axes'))

/** The axes of the input that Squeeze drops; undefined where that depends on unknown sizes. */
function squeezed(context: InferContext): ReadonlySet<number> | undefined {
  const shape = context.shape(0)
  if (!shape) return undefined
  const given =
    context.opset < 13 ? intsAttribute(context.node, 'axes') !== undefined : context.has(1)
  if (!given)
    return shape.every((dim) => typeof dim === 'number')
      ? new Set(shape.flatMap((dim, k) => (dim === 1 ? [k] : [])))
      : undefined
  const axes = axesOf(context)?.map((axis) => axisPosition(axis, shape.length))
  for (const axis of axes ?? []) {
    const dim = shape[axis]
    if (typeof dim === 'number' && dim !== 1)
      throw inputError(`axis ${axis} of [${shape}] has size ${dim} and cannot be squeezed.`)
  }
  return axes && new Set(axes)
}

/** The positions in the result of Unsqueeze that are new. */
function unsqueezed(context: InferContext, inputRank: number): ReadonlySet<number> | undefined {
  const axes = axesOf(context)
  const rank = inputRank + (axes?.length ?? 0)
  return axes && new Set(axes.map((axis) => axisPosition(axis, rank)))
}

/** Puts `filler` at the added positions and the given entries, in order, at the others. */
function insertAt<T>(entries: readonly T[], added: ReadonlySet<number>, filler: T): readonly T[] {
  let next = 0
  return Array.from({ length: entries.length + added.size }, (_, k) =>
    added.has(k) ? filler : entries[next++]!,
  )
}

export const squeezes: readonly Operator[] = [
  {
    name: 'Squeeze',
    infer: (context) => {
      const dropped = squeezed(context)
      const shape = dropped && context.shape(0)?.filter((_, k) => !dropped.has(k))
      return [{ dtype: context.dtype(0), shape, elements: context.elements(0) }]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const dropped = squeezed(context) ?? context.refuse('drops axes that are not known')
      for (const k of dropped) context.fix(axes[k]!, 'drops this axis of size one')
      return [{ axes: axes.filter((_, k) => !dropped.has(k)), elements: context.axisElements(0) }]
    },
    gradient: gradientOf((context) => reshapeLike(context, context.g, context.input(0))),
    sign: 'inherited',
    reads: { numbers: [1] },
    scaling: 'view',
    training: { upgrade: axesToInput },
  },
  {
    name: 'Unsqueeze',
    infer: (context) => {
      const shape = context.shape(0)
      const added = shape && unsqueezed(context, shape.length)
      return [
        {
          dtype: context.dtype(0),
          shape: added && insertAt(shape, added, 1),
          elements: context.elements(0),
        },
      ]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const added =
        unsqueezed(context, axes.length) ?? context.refuse('adds axes that are not known')
      return [{ axes: insertAt(axes, added, one), elements: context.axisElements(0) }]
    },
    gradient: gradientOf((context) => reshapeLike(context, context.g, context.input(0))),
    sign: 'inherited',
    reads: { numbers: [1] },
    scaling: 'view',
    training: { upgrade: axesToInput },
  },
]
