/**
 * Conv: y[n, m, o] = b[m] + Σ_{c, k} w[m, c, k] · x[n, group(m)·C/g + c, o·s + k·d − p]
 *
 * for 1 to 3 spatial axes, strides s, dilations d, leading pads p and g groups; the weight is
 * [M, C/g, k…]. https://onnx.ai/onnx/operators/onnx__Conv.html
 *
 * Growth. Write the input channels as g·k_in and the output channels as g·k_out. An output unit
 * is carried: its weight slice and bias are gathered, so copies compute the same map. An input
 * unit is summed over: if x holds c copies of a channel and their weight slices take shares that
 * add up to one, the sum over k_in does not change. Both hold inside every group, and copying
 * a whole group copies its inputs, weights and outputs alike; so the three factors grow freely.
 * An ordinary convolution is the case g = 1, a depthwise one k_in = 1. Channels that arrive in an
 * order which the groups cut across (some shuffles) keep g and k_in as they are; k_out still grows.
 *
 * Identity. Stride 1, pads that add up to d·(k − 1), and a Dirac kernel whose tap sits where the
 * leading pad puts the centre: at index p / d on each spatial axis.
 */

import { inputError } from '../../errors.ts'
import { intAttribute } from '../../model/attributes.ts'
import type { Dim, Node } from '../../model/model.ts'
import { type Fill, glorotUniform, zeros } from '../../tensor/fill.ts'
import { elementCount } from '../../tensor/tensor.ts'
import { type Axis, sizeOf } from '../contract/axis.ts'
import type {
  AxesContext,
  AxesRule,
  IdentityContext,
  InferContext,
  InferRule,
  InsertedLayer,
  Operator,
  ValueInfo,
} from '../contract/operator.ts'
import { convGradient } from '../decompositions/convolution-gradient.ts'
import { freezeAll } from '../helpers/axes-rules.ts'
import { blockedConv } from '../helpers/blocked.ts'
import { linearIn } from '../helpers/scaling.ts'
import { countProduct, inferredFrom } from '../helpers/shapes.ts'
import {
  attributeList,
  isPointwise,
  kernelShape,
  outputSize,
  windowOf,
} from '../helpers/windows.ts'

export const groupsOf = (node: Node): number => intAttribute(node, 'group', 1)

const infer: InferRule = (context) => {
  const { node } = context
  const x = context.shape(0)
  const w = context.shape(1)
  const rank = x?.length ?? w?.length
  if (rank === undefined) return [inferredFrom(context, undefined)]
  if (x && w && x.length !== w.length)
    throw inputError(`The input has rank ${x.length}, the weight rank ${w.length}.`)
  const channels = x?.[1]
  const expected = typeof w?.[1] === 'number' ? w[1] * groupsOf(node) : undefined
  if (typeof channels === 'number' && expected !== undefined && channels !== expected)
    throw inputError(`The input has ${channels} channels, but the weight is for ${expected}.`)
  const kernel = kernelShape(node, w?.slice(2))
  const spatial: Dim[] =
    x && kernel
      ? windowOf(node, kernel, x.slice(2)).map((axis) => outputSize(axis, node))
      : Array(rank - 2).fill(null)
  return [inferredFrom(context, [x?.[0] ?? null, w?.[0] ?? null, ...spatial])]
}

const axes: AxesRule = (context) => {
  const { node } = context
  const w = context.axes(1)
  const x = context.axes(0, w.length)
  const group = groupsOf(node)
  for (const axis of w.slice(2)) context.freeze(axis, 'has its kernel size there')
  if (group === 1) context.contract(1, 1, x[1]!)
  else {
    const [weightG] = splitGroups(context, w[0]!, group)
    const channels = groupsIn(context, x[1]!, group)
    if (channels) {
      context.same(channels[0], weightG)
      context.contract(1, 1, channels[1])
      context.sizeAttribute('group', channels[0])
    } else freezeAll(context, [x[1]!, w[1]!, weightG], doNotDivide(group))
  }
  if (context.has(2)) context.same(context.axes(2)[0]!, w[0]!)
  const kernel = kernelShape(node, context.shape(1)?.slice(2))
  return [{ axes: [x[0]!, w[0]!, ...spatialAxes(context, x, kernel)] }]
}

const doNotDivide = (group: number) => `has ${group} groups, into which its channels do not divide`

/** Channels as groups · units inside a group; undefined where they are composed differently. */
function groupsIn(
  context: AxesContext,
  axis: Axis,
  group: number,
): readonly [Axis, Axis] | undefined {
  const size = sizeOf(axis)
  const parts =
    size === null || size % group !== 0 ? undefined : context.regroup([axis], [group, size / group])
  return parts && [parts[0]!, parts[1]!]
}

/** The same; refuses the node where they are composed differently. */
export const splitGroups = (
  context: AxesContext,
  axis: Axis,
  group: number,
): readonly [Axis, Axis] => groupsIn(context, axis, group) ?? context.refuse(doNotDivide(group))

/** The output's spatial axes: pointwise ones stay what they are, the others never grow. */
export function spatialAxes(
  context: AxesContext,
  x: readonly Axis[],
  kernel: readonly number[] | undefined,
): readonly Axis[] {
  const reason = 'slides its window along it'
  const window =
    kernel && context.shape(0) ? windowOf(context.node, kernel, context.shape(0)!.slice(2)) : []
  const sizes = context.output(0).shape
  return x.slice(2).map((axis, i) => {
    const along = window[i]
    if (along && isPointwise(along)) return axis
    context.freeze(axis, reason)
    return context.fixed(sizes?.[i + 2] ?? null, reason)
  })
}

/**
 * A Dirac convolution on `channels` channels: kernel and dilations of the layer, stride 1, and
 * pads that keep the size. A layer with an even kernel gets its odd zero at the end.
 */
export function diracConvolution(
  channels: number,
  kernel: readonly number[],
  dilations: readonly number[],
  group: number,
): InsertedLayer {
  const begin = kernel.map((k, i) => Math.floor((k - 1) / 2) * dilations[i]!)
  const end = kernel.map((k, i) => (k - 1) * dilations[i]! - begin[i]!)
  const taps = kernel.map((_, i) => begin[i]! / dilations[i]!)
  const identity: Fill = {
    kind: 'identity',
    axes: [0, 1],
    at: Object.fromEntries(taps.map((tap, i) => [i + 2, tap])),
    ...(group > 1 && { wrap: true }),
  }
  const dims = [channels, channels / group, ...kernel]
  const field = elementCount(kernel)
  return {
    nodes: [
      {
        opType: 'Conv',
        inputs: ['$in', 'weight', 'bias'],
        outputs: ['$out'],
        attributes: {
          kernel_shape: kernel,
          strides: kernel.map(() => 1),
          dilations,
          pads: [...begin, ...end],
          group,
        },
      },
    ],
    parameters: [
      { name: 'weight', dims, identity, random: glorotUniform(field * dims[1]!, field * channels) },
      { name: 'bias', dims: [channels], identity: zeros, random: zeros },
    ],
  }
}

const identity = (context: IdentityContext): InsertedLayer => {
  const [channels, , ...kernel] = context.weightDims
  const dilations = attributeList(context.node, 'dilations', kernel.length, 1)
  return diracConvolution(channels!, kernel, dilations, groupsOf(context.node))
}

const multiplyAdds = (context: InferContext, outputs: readonly ValueInfo[]): number | null =>
  countProduct([outputs[0]?.shape, context.shape(1)?.slice(1)])

export const conv: Operator = {
  name: 'Conv',
  infer,
  axes,
  gradient: convGradient,
  parameters: [1, 2],
  homogeneous: linearIn([1, 2], [0, 2]),
  layer: {
    weight: (isParameter) => (isParameter(1) ? { input: 1, widthAxis: 1 } : undefined),
    identity,
  },
  linear: (node, position) =>
    position === 1 && groupsOf(node) === 1
      ? {
          data: 0,
          summed: { weight: 1, data: 1 },
          carried: { weight: 0, output: 1 },
          batch: { data: 0, output: 0 },
          bias: 2,
        }
      : undefined,
  multiplyAdds,
  blocked: blockedConv,
}
