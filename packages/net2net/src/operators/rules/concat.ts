/**
 * Concat: the inputs one after the other along one axis.
 * https://onnx.ai/onnx/operators/onnx__Concat.html
 *
 * Growth: that axis is the sum of the inputs' axes, so each part grows by its own map at its own
 * offset; the other axes are the same in all inputs. Gradient: g, taken apart again.
 */

import { inputError } from '../../errors.ts'
import { intAttribute } from '../../model/attributes.ts'
import type { Dim } from '../../model/model.ts'
import type { AxesContext } from '../contract/axes.ts'
import { sum } from '../contract/axis.ts'
import type { GradientContext, GradientRule } from '../contract/gradient.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { blockedChannels } from '../helpers/blocked.ts'
import { ints, knownShape, shapeOf } from '../helpers/emission.ts'
import { joined } from '../helpers/scaling.ts'
import { axisPosition } from '../helpers/shapes.ts'

/** The axis and the number of axes; undefined where no input's rank is known. */
function layout(
  context: InferContext,
): { readonly axis: number; readonly rank: number } | undefined {
  const rank = context.node.inputs
    .map((_, i) => context.shape(i)?.length)
    .find((found) => found !== undefined)
  if (rank === undefined) return undefined
  const other = context.node.inputs
    .map((_, i) => context.shape(i)?.length)
    .find((found) => found !== undefined && found !== rank)
  if (other !== undefined)
    throw inputError(`the inputs have different numbers of axes (${rank} and ${other}).`)
  // Before opset 4 the axis was optional.
  return { axis: axisPosition(intAttribute(context.node, 'axis', 1), rank), rank }
}

const joinedSize = (dims: readonly Dim[]): Dim => {
  if (dims.length === 1) return dims[0]!
  return dims.every((dim) => typeof dim === 'number')
    ? (dims as readonly number[]).reduce((a, b) => a + b, 0)
    : null
}

/** The size that all inputs have; numbers tell more than symbols. */
const commonSize = (dims: readonly Dim[], k: number): Dim => {
  const sizes = new Set(dims.filter((dim) => typeof dim === 'number'))
  if (sizes.size > 1)
    throw inputError(`the inputs have different sizes (${[...sizes].join(', ')}) on axis ${k}.`)
  return (
    dims.find((dim) => typeof dim === 'number') ??
    dims.find((dim) => typeof dim === 'string') ??
    null
  )
}

/** The elements of all inputs in a row, if these are vectors. */
function joinElements<T>(context: InferContext, of: (i: number) => readonly T[] | undefined) {
  const parts: T[] = []
  for (const i of context.node.inputs.keys()) {
    const elements = context.shape(i)?.length === 1 ? of(i) : undefined
    if (elements === undefined) return undefined
    parts.push(...elements)
  }
  return parts
}

const gradient: GradientRule = (context) => {
  const g = context.outputGradient(0)
  const { inputs } = context.node
  if (g === undefined || !inputs.some((_, i) => context.needs(i)))
    return inputs.map(() => undefined)
  if (inputs.length === 1) return [g]
  const rank = knownShape(context, context.input(0)).length
  const axis = intAttribute(context.node, 'axis', 1)
  const position = axis < 0 ? axis + rank : axis
  const parts = context.emit(
    'Split',
    [g, sizesAlong(context, inputs, position)],
    { axis: position },
    { outputs: inputs.length },
  )
  return inputs.map((_, i) => (context.needs(i) ? parts[i] : undefined))
}

/** The sizes of values along an axis, as a constant or looked up when the graph runs. */
function sizesAlong(context: GradientContext, names: readonly string[], axis: number): string {
  const sizes = names.map((name) => context.info(name).shape?.[axis])
  return sizes.every((size) => typeof size === 'number')
    ? ints(context, sizes as readonly number[])
    : context.op(
        'Concat',
        names.map((name) => shapeOf(context, name, axis, axis + 1)),
        { axis: 0 },
      )
}

function axes(context: AxesContext) {
  const inputs = context.node.inputs.map((_, i) => context.axes(i))
  const found = layout(context) ?? context.refuse('joins values of unknown rank')
  return inputs[0]!.map((first, k) =>
    k === found.axis
      ? sum(inputs.map((own) => own[k]!))
      : inputs.slice(1).reduce((axis, own) => context.unify(axis, own[k]!), first),
  )
}

export const concatenation: readonly Operator[] = [
  {
    name: 'Concat',
    infer: (context) => {
      const inputs = [...context.node.inputs.keys()]
      const dtype = inputs.map((i) => context.dtype(i)).find((found) => found !== undefined)
      const found = layout(context)
      if (found === undefined) return [{ dtype }]
      const shape = Array.from({ length: found.rank }, (_, k) => {
        const dims = inputs.map((i) => context.shape(i)?.[k] ?? null)
        return k === found.axis ? joinedSize(dims) : commonSize(dims, k)
      })
      const elements = joinElements(context, (i) => context.elements(i))
      return [{ dtype, shape, ...(elements && { elements }) }]
    },
    axes: (context) => {
      const elements = joinElements(context, (i) => context.axisElements(i))
      return [elements ? { axes: axes(context), elements } : { axes: axes(context) }]
    },
    gradient,
    sign: 'inherited',
    scaling: joined,
    training: { operand: 'entries' },
    execution: { blocked: blockedChannels },
  },
]
