/**
 * MaxPool: y[n, c, o] = max_k x[n, c, o·s + k·d − p], pads left out; the optional second output
 * holds the (flat) position of each maximum, the first one where several are equal.
 * https://onnx.ai/onnx/operators/onnx__MaxPool.html
 *
 * Growth. Every channel is pooled by itself, so batch and channels pass through unchanged.
 *
 * Gradient: each δ goes to the position that won. Windows that do not overlap have different
 * winners (MaxUnpool, or no positions at all: see `forms/`); otherwise the gradients of a position that won twice add up
 * (ScatterElements). Ties go to the first element, so a gradient is never counted twice.
 */

import { inputError } from '../../errors.ts'
import { intAttribute, intsAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import {
  type AxesContext,
  type AxesRule,
  type GradientContext,
  type GradientRule,
  type InferContext,
  type InferRule,
  isCpu,
  type Operator,
} from '../contract/operator.ts'
import { phasedPoolGradient, poolsByPhases } from '../decompositions/max-pool-phases.ts'
import { poolsByWindows, windowedPoolGradient } from '../decompositions/max-pool-windows.ts'
import { blockedPool } from '../helpers/blocked.ts'
import {
  cannotDifferentiate,
  knownShape,
  reshape,
  reshapeLike,
  shapeOf,
  tensorLike,
} from '../helpers/emission.ts'
import { positivelyHomogeneous } from '../helpers/scaling.ts'
import { addAt } from '../helpers/scatter-back.ts'
import { inferredFrom } from '../helpers/shapes.ts'
import {
  allKnown,
  ceilMode,
  type KnownWindowAxis,
  outputSize,
  windowOf,
} from '../helpers/windows.ts'
import { spatialAxes } from './conv.ts'

/** Output shape of a pooling with the attribute `kernel_shape`. */
export function pooledShape(context: InferContext): readonly Dim[] | undefined {
  const x = context.shape(0)
  if (!x) return undefined
  const kernel = poolKernel(context.node)
  return [
    ...x.slice(0, 2),
    ...windowOf(context.node, kernel, x.slice(2)).map((axis) =>
      outputSize(axis, context.node, ceilMode(context.node)),
    ),
  ]
}

export function poolKernel(node: Node): readonly number[] {
  const kernel = intsAttribute(node, 'kernel_shape')
  if (!kernel) throw inputError('A pooling needs the attribute "kernel_shape".')
  return kernel
}

const infer: InferRule = (context) => {
  const shape = pooledShape(context)
  return [inferredFrom(context, shape), { dtype: 'int64', shape }]
}

/** Batch and channels pass; the spatial axes are new. */
export const poolingAxes = (context: AxesContext) => {
  const x = context.axes(0)
  return [x[0]!, x[1]!, ...spatialAxes(context, x, poolKernel(context.node))]
}

const axes: AxesRule = (context) => {
  const pooled = poolingAxes(context)
  if ((context.node.outputs[1] ?? '') !== '')
    context.freeze(pooled[1]!, 'gives positions that count through all channels')
  return context.node.outputs.map(() => ({ axes: pooled }))
}

const gradient: GradientRule = (context) => {
  const dy = context.outputGradient(0)
  if (dy === undefined || !context.needs(0)) return []
  const x = context.input(0)
  const window = windowOf(context.node, poolKernel(context.node), knownShape(context, x).slice(2))
  if (!allKnown(window))
    throw cannotDifferentiate(context, 'its automatic pads depend on a size that is not known')
  if (intAttribute(context.node, 'storage_order', 0) !== 0)
    throw cannotDifferentiate(context, 'its positions count columns first (storage_order)')
  const channels = context.info(x).shape?.[1]
  if (isCpu(context.target) && poolsByPhases(window, channels))
    return [phasedPoolGradient(context, dy, x, channels)]
  if (
    context.target === 'onnxruntime-webgpu' &&
    poolsByWindows(window) &&
    !ceilMode(context.node) &&
    (context.node.outputs[1] ?? '') === ''
  )
    return [windowedPoolGradient(context, dy, x, context.output(0), window)]
  return [
    fitsUnpooling(window) && !ceilMode(context.node)
      ? unpool(context, dy, x, window)
      : scatter(context, dy, x, window),
  ]
}

/** Windows that do not overlap and lie inside the input: all that MaxUnpool is defined for. */
const fitsUnpooling = (window: readonly KnownWindowAxis[]): boolean =>
  window.every(
    ({ kernel, stride, dilation, pads }) =>
      kernel <= stride && dilation === 1 && pads.begin === 0 && pads.end === 0,
  )

/** The winners' positions: those that the node gives, or else from a second pooling. */
function positions(context: GradientContext, window: readonly KnownWindowAxis[]): string {
  if ((context.node.outputs[1] ?? '') !== '') return context.output(1)
  return context.emit(
    'MaxPool',
    [context.input(0)],
    {
      kernel_shape: window.map((axis) => axis.kernel),
      strides: window.map((axis) => axis.stride),
      dilations: window.map((axis) => axis.dilation),
      pads: [...window.map((axis) => axis.pads.begin), ...window.map((axis) => axis.pads.end)],
      ceil_mode: ceilMode(context.node) ? 1 : undefined,
    },
    { outputs: 2 },
  )[1]!
}

/** Windows that do not overlap: every position wins at most once. */
const unpool = (
  context: GradientContext,
  dy: string,
  x: string,
  window: readonly KnownWindowAxis[],
): string =>
  context.emit(
    'MaxUnpool',
    [dy, positions(context, window), shapeOf(context, x)],
    {
      kernel_shape: window.map((axis) => axis.kernel),
      strides: window.map((axis) => axis.stride),
    },
    { infos: [context.info(x)] },
  )[0]!

/** Any windows: adds into a flat tensor of zeros. */
function scatter(
  context: GradientContext,
  dy: string,
  x: string,
  window: readonly KnownWindowAxis[],
): string {
  const zero = context.op('Mul', [reshape(context, x, [-1]), tensorLike(context, x, [], [0])])
  const winners = reshape(context, positions(context, window), [-1])
  const flat = addAt(context, zero, winners, reshape(context, dy, [-1]), 0)
  return reshapeLike(context, flat, x)
}

export const maxPool: Operator = {
  name: 'MaxPool',
  infer,
  axes,
  gradient,
  homogeneous: positivelyHomogeneous,
  sign: 'inherited',
  blocked: blockedPool,
}
