/**
 * Reshape and Flatten: the same elements in the same row-major order, under other sizes.
 * https://onnx.ai/onnx/operators/onnx__Reshape.html, onnx__Flatten.html
 *
 * Growth: written as products of their factors, the axes of y are those of x, grouped anew. In
 * flattened NCHW a channel is a block of H·W neighbours, in flattened NHWC it has stride C: the
 * product says which. The sizes that are written in the target shape follow, as constants that a
 * plan edits or as sizes computed from other tensors. Gradient: the original shape again.
 */

import { inputError } from '../../errors.ts'
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim, Shape } from '../../model/model.ts'
import { int64 } from '../../tensor/tensor.ts'
import type { AxesContext } from '../contract/axes.ts'
import { type Axis, product } from '../contract/axis.ts'
import type { InferContext } from '../contract/infer.ts'
import type { Operator } from '../contract/operator.ts'
import { fixAll, outputShape } from '../helpers/axes-rules.ts'
import { isWholeSize } from '../helpers/axis-elements.ts'
import { blockedReshape } from '../helpers/blocked.ts'
import { productOf, quotient, shown } from '../helpers/dims.ts'
import { unknownShape } from '../helpers/elements.ts'
import { reshapeLike } from '../helpers/emission.ts'
import { gradientOf } from '../helpers/formula.ts'
import { axisPosition } from '../helpers/shapes.ts'

/** The target as it is written: an input, or before opset 5 an attribute. */
const targetOf = (context: InferContext): readonly Dim[] | undefined =>
  context.opset < 5 ? intsAttribute(context.node, 'shape') : context.elements(1)

function reshaped(context: InferContext): Shape | undefined {
  const data = context.shape(0)
  const target = targetOf(context)
  if (target === undefined) {
    const rank = context.shape(1)?.[0]
    return typeof rank === 'number' && context.shape(1)?.length === 1
      ? unknownShape(rank)
      : undefined
  }
  const copies = intAttribute(context.node, 'allowzero', 0) === 0
  const isCopied = (k: number) => copies && target[k] === 0
  if (data && target.some((_, k) => isCopied(k) && k >= data.length))
    throw inputError(`shape [${shown(target)}] copies an axis that [${shown(data)}] does not have.`)
  const sizes = target.map((size, k) => (isCopied(k) ? (data?.[k] ?? null) : size))
  const open = target.flatMap((size, k) => (size === -1 || size === null ? [k] : []))
  if (!data) return sizes.map((size) => (size === -1 ? null : size))
  const rest = (dims: readonly Dim[]) => dims.filter((_, k) => !isCopied(k) && !open.includes(k))
  const whole = data.filter((_, k) => !isCopied(k))
  if (open.length === 1) {
    const size = quotient(whole, rest(sizes))
    if (size === null && isNumeric(whole) && isNumeric(rest(sizes)) && !rest(sizes).includes(0))
      throw inputError(`[${shown(data)}] cannot be reshaped to [${shown(target)}].`)
    return sizes.map((dim, k) => (k === open[0] ? size : dim))
  }
  if (open.length === 0 && isNumeric(data) && isNumeric(sizes) && count(data) !== count(sizes))
    throw inputError(`[${shown(data)}] cannot be reshaped to [${shown(target)}].`)
  return sizes.map((size) => (size === -1 ? null : size))
}

const isNumeric = (dims: readonly Dim[]) => dims.every((dim) => typeof dim === 'number')
const count = (dims: readonly Dim[]) => dims.reduce<number>((a, dim) => a * Number(dim), 1)

function reshapeAxes(context: AxesContext): readonly Axis[] {
  const data = context.axes(0)
  const sizes = outputShape(context)
  const target = context.axisElements(1)
  const copies = intAttribute(context.node, 'allowzero', 0) === 0
  const axes =
    target &&
    context.regroup(
      data,
      target.map((element, k) => {
        if (isWholeSize(element) && typeof sizes[k] !== 'number') return element.axis
        return element.kind === 'value' && element.value === 0 && copies ? data[k]! : sizes[k]!
      }),
    )
  const found = axes ?? endsThatStay(context, data, sizes)
  found.forEach((axis, k) => {
    context.sizeElement(1, k, axis)
  })
  return found
}

/**
 * Where the middle cannot be followed: axes at either end that keep their sizes are the same axes
 * (row-major order leaves no choice), what lies between is fixed.
 */
function endsThatStay(
  context: AxesContext,
  data: readonly Axis[],
  sizes: readonly Dim[],
): readonly Axis[] {
  const before = context.shape(0) ?? []
  const shorter = Math.min(before.length, sizes.length)
  const stays = (i: number, k: number) => before[i] !== null && before[i] === sizes[k]
  let front = 0
  while (front < shorter && stays(front, front)) front++
  let back = 0
  while (back < shorter - front && stays(before.length - 1 - back, sizes.length - 1 - back)) back++
  const reason = 'reshapes it to sizes that do not follow from its axes'
  fixAll(context, data.slice(front, data.length - back), reason)
  return sizes.map((size, k) => {
    if (k < front) return data[k]!
    const fromBack = sizes.length - k
    return fromBack <= back ? data[data.length - fromBack]! : context.fixed(size, reason)
  })
}

export const reshapes: readonly Operator[] = [
  {
    name: 'Reshape',
    infer: (context) => [
      {
        dtype: context.dtype(0),
        shape: reshaped(context),
        elements: context.elements(0),
      },
    ],
    axes: (context) => [{ axes: reshapeAxes(context), elements: context.axisElements(0) }],
    execution: { blocked: blockedReshape },
    gradient: gradientOf((context) => {
      const gradient = reshapeLike(context, context.g, context.input(0))
      context.hint(gradient, { ...context.hintOf(gradient), reshaped: context.g })
      return gradient
    }),
    sign: 'inherited',
    reads: { numbers: [1], sizes: { target: { input: 1, keeps: 'elements' } } },
    scaling: 'view',
    training: {
      upgrade: ({ node, from, constant }) => {
        const shape = intsAttribute(node, 'shape')
        if (from >= 5 || shape === undefined) return node
        return { ...node, inputs: [node.inputs[0]!, constant(int64(shape))], attributes: new Map() }
      },
    },
  },
  {
    name: 'Flatten',
    infer: (context) => {
      const shape = context.shape(0)
      const dtype = context.dtype(0)
      if (!shape) return [{ dtype, shape: [null, null] }]
      const axis = flattenAxis(context, shape.length)
      return [{ dtype, shape: [productOf(shape.slice(0, axis)), productOf(shape.slice(axis))] }]
    },
    axes: (context) => {
      const axes = context.axes(0)
      const axis = flattenAxis(context, axes.length)
      return [{ axes: [product(axes.slice(0, axis)), product(axes.slice(axis))] }]
    },
    gradient: gradientOf((context) => reshapeLike(context, context.g, context.input(0))),
    sign: 'inherited',
    scaling: 'view',
  },
]

/** The first axis of the second group; the rank itself is allowed here. */
function flattenAxis(context: InferContext, rank: number): number {
  const axis = intAttribute(context.node, 'axis', 1)
  return axis === rank ? axis : axisPosition(axis, rank)
}
